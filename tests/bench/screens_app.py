"""The programs that `scripts/bench screens` runs in terminals: our app, and what it is compared with."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Footer, Static

from tau2tui.tui.hang_up import end_with_terminal

WATCH_S = 0.01


class Trivial(App[None]):
    """The least that Textual can show."""

    def on_mount(self) -> None:
        end_with_terminal()

    def compose(self) -> ComposeResult:
        yield Static("● ready")
        yield Footer()


class TextualTable(App[None]):
    """The same fleet in Textual's own table, changed cell by cell every second."""

    CSS = "DataTable { height: 1fr; }"

    def __init__(self, replicas: int, jobs: int) -> None:
        super().__init__()
        from tests.bench.large_fleet import large_cluster
        from tests.tui.fakes import make_ops

        self._ops = make_ops(large_cluster(replicas, jobs))
        self._jobs = jobs > 64
        self._shown: dict[str, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row")
        yield Static(id="strip")

    async def on_mount(self) -> None:
        from tau2tui.tui.widgets import fleet_table, job_table

        end_with_terminal()
        columns = job_table.COLUMNS if self._jobs else fleet_table.COLUMNS
        self.query_one(DataTable).add_columns(*((column.title, column.title) for column in columns))
        self._titles = [column.title for column in columns]
        await self._look()
        self.set_interval(1.0, self._look)

    async def _look(self) -> None:
        from tau2tui.tui.widgets import fleet_table, job_table

        await self._ops.look()
        if self._jobs:
            rows = {job_table.job_key(row): job_table._cells(row, old=False) for row in self._ops.job_rows()}
        else:
            rows = {row.replica: fleet_table._cells(row, old=False) for row in self._ops.fleet()}
        table = self.query_one(DataTable)
        for key, cells in rows.items():
            words = tuple(cell.text for cell in cells)
            before = self._shown.get(key)
            if before is None:
                table.add_row(*words, key=key)
            else:
                for title, was, now in zip(self._titles, before, words, strict=True):
                    if was != now:
                        table.update_cell(key, title, now)
            self._shown[key] = words

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self.query_one("#strip", Static).update(f"{event.row_key.value}  ● ready")

    def on_key(self, event: object) -> None:
        if getattr(event, "key", "") == "j":
            self.query_one(DataTable).action_cursor_down()


async def watch(report: Path) -> None:
    """Write how late a task that sleeps 10 ms was at most, twice a second, with the time.

    Behind it the CPU time of the thread that passed in such a sleep at most: on a busy machine the rest is others'.
    """
    with report.open("w") as file:
        longest_s, most_cpu_s, told = 0.0, 0.0, time.monotonic()
        while True:
            began, cpu_s = time.monotonic(), time.thread_time()
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            longest_s = max(longest_s, now - began - WATCH_S)
            most_cpu_s = max(most_cpu_s, time.thread_time() - cpu_s)
            if now - told >= 0.5:
                file.write(f"{now:.3f} {1000 * longest_s:.1f} {1000 * most_cpu_s:.1f}\n")
                file.flush()
                longest_s, most_cpu_s, told = 0.0, 0.0, now


async def in_memory(said: argparse.Namespace) -> None:
    """Our app on a fleet in memory."""
    from tau2tui.cli.session import on_screen
    from tau2tui.tui.app import Tau2App
    from tests.bench.large_fleet import large_cluster
    from tests.tui.fakes import make_ops

    cluster = large_cluster(said.replicas, said.jobs, said.change)
    cluster.failing = said.failing
    poll = cluster.config.poll.model_copy(update={"run_s": said.every_s})
    cluster.config = cluster.config.model_copy(update={"poll": poll})
    ops = make_ops(cluster)
    if said.looks:
        ops.store.subscribe(lambda _: said.looks.write_text(str(cluster.looks)) if cluster.looks % 10 == 0 else None)
    watching = asyncio.create_task(watch(said.report)) if said.report else None
    await on_screen(Tau2App(ops, ops.logs))
    del watching


async def on_a_run(said: argparse.Namespace) -> None:
    """Our app wired as the command does it, with a watch on its event loop."""
    from tau2tui import config
    from tau2tui.cli.session import on_screen
    from tau2tui.ops import open_ops
    from tau2tui.tui.app import Tau2App

    watching = asyncio.create_task(watch(said.report))
    async with open_ops(config.load(said.config)) as ops:
        await on_screen(Tau2App(ops, ops.logs))
    del watching


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=["trivial", "data-table", "memory", "run"])
    parser.add_argument("--replicas", type=int, default=512)
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--change", default="tenth")
    parser.add_argument("--every-s", type=float, default=1.0)
    parser.add_argument("--failing", action="store_true")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--looks", type=Path, help="a file to keep the number of looks in")
    said = parser.parse_args()
    match said.program:
        case "trivial":
            Trivial().run()
        case "data-table":
            TextualTable(said.replicas, said.jobs).run()
        case "memory":
            asyncio.run(in_memory(said))
        case "run":
            asyncio.run(on_a_run(said))


if __name__ == "__main__":
    main()
