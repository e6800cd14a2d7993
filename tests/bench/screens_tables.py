"""Our table against Textual's own, in one process and with the same rows: what each act costs in CPU time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from tau2tui.tui.looks import wear
from tau2tui.tui.widgets.job_table import COLUMNS, _cells
from tau2tui.tui.widgets.keyed_table import KeyedTable, Order
from tests.bench.large_fleet import large_cluster
from tests.tui.fakes import make_ops

Act = Callable[[], object]
HEAD = """\
| {rows} rows | ours ms | DataTable ms | ratio |
|---|--:|--:|--:|"""
_ROUNDS = 5
_LEFT = [column.title for column in COLUMNS].index("LEFT")


class Both(App[None]):
    """One of the two tables, alone on the screen."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def compose(self) -> ComposeResult:
        yield KeyedTable(COLUMNS) if self._kind == "ours" else DataTable(cursor_type="row")


async def compare(rows: int) -> list[str]:
    """The rows of the result."""
    wear("dark")
    cells = await _job_cells(rows)
    ours, theirs = await _measured("ours", cells), await _measured("theirs", cells)
    return list(_lines(ours, theirs))


async def _job_cells(rows: int) -> dict[str, tuple[Any, ...]]:
    ops = make_ops(large_cluster(512, rows))
    await ops.look()
    return {row.id or row.name: _cells(row, old=False) for row in ops.job_rows()}


def _lines(ours: dict[str, float], theirs: dict[str, float]) -> Iterator[str]:
    for act, took_ms in ours.items():
        yield f"| {act} | {took_ms:.1f} | {theirs[act]:.1f} | {theirs[act] / max(took_ms, 0.1):.0f}× |"


async def _measured(kind: str, cells: dict[str, tuple[Any, ...]]) -> dict[str, float]:
    """The median CPU time of each act with all that it causes, in ms."""
    app = Both(kind)
    took: dict[str, list[float]] = {}
    async with app.run_test(size=(120, 36)) as pilot:
        table = app.query_one(KeyedTable) if kind == "ours" else app.query_one(DataTable)
        acts = _our_acts(table, cells) if isinstance(table, KeyedTable) else _their_acts(table, cells)
        for name, make in acts.items():
            for number in range(_ROUNDS if name != "fill" else 1):
                act = make(number)
                await pilot.pause()
                began = time.process_time()
                act()
                await _drawn(app)
                took.setdefault(name, []).append(1000 * (time.process_time() - began))
    return {name: statistics.median(values) for name, values in took.items()}


async def _drawn(app: App[None]) -> None:
    """Until all that was asked for is on the screen."""
    done = asyncio.Event()
    app.screen.call_after_refresh(done.set)
    await done.wait()


def _changed(cells: dict[str, tuple[Any, ...]], every: int, number: int) -> dict[str, tuple[Any, ...]]:
    """The rows, with another time left in every such one."""
    if not every:
        return {key: tuple(row) for key, row in cells.items()}
    from tau2tui.tui.format import Cell

    return {
        key: (*row[:_LEFT], Cell(f"{number + 1}h{at % 60:02}m", value=3600.0 * number + at), *row[_LEFT + 1 :])
        if at % every == 0
        else row
        for at, (key, row) in enumerate(cells.items())
    }  # fmt: skip


def _our_acts(table: KeyedTable, cells: dict[str, tuple[Any, ...]]) -> dict[str, Callable[[int], Act]]:
    def show(every: int) -> Callable[[int], Act]:
        def make(number: int) -> Act:
            rows = _changed(cells, every, number)
            return lambda: table.show_rows(rows)

        return make

    return {
        "fill": show(0),
        "refresh, nothing changed": show(0),
        "refresh, every tenth row changed": show(10),
        "refresh, all rows changed": show(1),
        "one row down": lambda number: table.action_cursor_down,
        "sort by a number": lambda number: lambda: table.sort_rows(Order(_LEFT, number % 2 == 0)),
        "sort by a word": lambda number: lambda: table.sort_rows(Order(2, number % 2 == 0)),
        "filter to a fifth": lambda number: lambda: table.filter_by(f"sweep-60{number}"),
        "all rows again": lambda number: lambda: table.filter_by(""),
    }


def _their_acts(table: DataTable[str], cells: dict[str, tuple[Any, ...]]) -> dict[str, Callable[[int], Act]]:
    titles = [column.title or "-" for column in COLUMNS]
    shown: dict[str, tuple[str, ...]] = {}

    def fill(rows: dict[str, tuple[Any, ...]]) -> None:
        table.clear()
        for key, row in rows.items():
            shown[key] = tuple(cell.text for cell in row)
            table.add_row(*shown[key], key=key)

    def update(rows: dict[str, tuple[Any, ...]]) -> None:
        for key, row in rows.items():
            words = tuple(cell.text for cell in row)
            for title, was, now in zip(titles, shown[key], words, strict=True):
                if was != now:
                    table.update_cell(key, title, now)
            shown[key] = words

    def refresh(every: int) -> Callable[[int], Act]:
        def make(number: int) -> Act:
            rows = _changed(cells, every, number)
            return lambda: update(rows)

        return make

    def first(number: int) -> Act:
        for title in titles:
            table.add_column(title, key=title)
        return lambda: fill(cells)

    return {
        "fill": first,
        "refresh, nothing changed": refresh(0),
        "refresh, every tenth row changed": refresh(10),
        "refresh, all rows changed": refresh(1),
        "one row down": lambda number: table.action_cursor_down,
        "sort by a number": lambda number: lambda: table.sort("LEFT", reverse=number % 2 == 0),
        "sort by a word": lambda number: lambda: table.sort("NAME", reverse=number % 2 == 0),
        "filter to a fifth": lambda number: lambda: fill(
            {key: row for key, row in cells.items() if f"sweep-60{number}" in row[2].text}
        ),
        "all rows again": lambda number: lambda: fill(cells),
    }  # fmt: skip
