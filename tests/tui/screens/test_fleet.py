"""The fleet on the screen: what is shown of it, and what the keys do to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tau2tui.core.command import Command, Relaunch, Stop
from tau2tui.core.model import Load, Phase
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.log_title import LogTitle
from tau2tui.tui.widgets.replica_pane import ReplicaPane
from tests.processes import free_port
from tests.tui.driving import WatchedApp, look, run_on, screen_text, until
from tests.tui.fakes import RUN, FakeCluster, busy_cluster, make_ops, seed_config

pytestmark = pytest.mark.slow

OOM = "torch.OutOfMemoryError: CUDA out of memory"


def with_a_failure(*, time_runs: bool = False) -> FakeCluster:
    cluster = busy_cluster(time_runs=time_runs)
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1", last_error=OOM, load=Load())
    return cluster


def table(app: WatchedApp) -> FleetTable:
    return app.screen.query_one(FleetTable)


def column(app: WatchedApp, title: str) -> list[str]:
    """The cells of a column as they are drawn."""
    shown = table(app)
    index = titles(app).index(title)
    return [shown.drawn_row(row)[index] for row in range(shown.row_count)]


def titles(app: WatchedApp) -> list[str]:
    return list(table(app).titles)


def done_steps(cluster: FakeCluster) -> list[str]:
    """The steps that were performed, as the run's own record has them."""
    written = [text for name, text in cluster.files.items() if name.startswith(f"{RUN}/activity/")]
    return [json.loads(line)["did"] for text in written for line in text.decode().splitlines()]


class ReadNames:
    """Which logs were read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def around(self, read: Any) -> Any:
        async def noted(path: str, *piece: int) -> bytes:
            if "/logs/" in path:
                self.names.append(path)
            data: bytes = await read(path, *piece)
            return data

        return noted


async def go_to(app: WatchedApp, replica: str) -> None:
    shown = table(app)
    shown.select(replica)


async def test_a_failing_squeue_is_not_an_empty_queue() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.queue_error = "squeue: error: Unable to contact slurm controller (connect failure)"
        cluster.clock.now += 42
        await look(ops, pilot)
        assert column(app, "JOB") == ["481498"] * 8 + ["481499"] * 4 + ["481500"] * 4
        assert column(app, "STATE") == ["● ready"] * 16
        first = screen_text(app).splitlines()[0]
        assert "STALE 42s ago" in first
        assert "SLURM: squeue: error: Unable to contact slurm controller" in first
        cluster.queue_error = ""
        await look(ops, pilot)
        assert "STALE" not in screen_text(app)


async def test_a_run_directory_that_does_not_answer_puts_every_state_in_doubt() -> None:
    cluster = with_a_failure()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.run_error = "login1: connection lost"
        await look(ops, pilot)
        assert "● ready?" in column(app, "STATE")
        assert "✖ failed?" in column(app, "STATE")
        assert "last seen" in screen_text(app)
        cluster.run_error = ""
        await look(ops, pilot)
        assert "● ready" in column(app, "STATE")
        assert "last seen" not in screen_text(app)


async def test_a_source_that_falls_silent_is_called_stale_without_a_failed_read() -> None:
    cluster = busy_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        app.now = cluster.clock() + 60
        await pilot.pause()
        assert "run directory: no answer" in screen_text(app)
        assert set(column(app, "STATE")) == {"● ready?"}


async def test_before_the_first_answer_nothing_is_called_ended() -> None:
    cluster = busy_cluster()
    cluster.run_error = "login1: connection refused"
    cluster.queue_error = "squeue: error: Socket timed out"
    async with run_on(make_ops(cluster)) as (app, pilot):
        await until(pilot, lambda: "never seen" in screen_text(app))
        assert set(column(app, "STATE")) == {"? unknown"}
        assert set(column(app, "RUN/WAIT")) == {"–"}


async def test_a_starting_replica_shows_its_boot_phase() -> None:
    cluster = busy_cluster()
    cluster.change("expert-3-1", phase=Phase.LOADING, why="12/47 shards", load=Load())
    async with run_on(make_ops(cluster), size=(160, 40)) as (app, pilot):
        await pilot.press("z")
        await until(pilot, lambda: "WHY" in titles(app))
        assert "◐ loading" in column(app, "STATE")
        assert "12/47 shards" in column(app, "WHY")


async def test_what_is_not_known_is_a_dash_and_not_a_zero() -> None:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    cluster.change("expert-1-0", load=Load(running=0.0, waiting=None))
    async with run_on(make_ops(cluster)) as (app, _):
        row = table(app).drawn_row(table(app).index_of("expert-1-0"))
        shown = dict(zip(titles(app), row, strict=True))
        assert (shown["RUN/WAIT"], shown["KV"], shown["TOK/S"], shown["ERR"]) == ("0/–", "–", "–", "–")


async def test_a_narrow_terminal_keeps_state_and_replica_and_drops_columns_by_rank() -> None:
    async with run_on(make_ops(busy_cluster()), size=(160, 36)) as (app, pilot):
        everything = titles(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: len(titles(app)) < len(everything))
        assert titles(app) == ["STATE", "REPLICA", "NODE", "RUN/WAIT", "KV", "TOK/S", "ERR", "LEFT"]
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: len(titles(app)) < 8)
        assert titles(app)[:2] == ["STATE", "REPLICA"]
        await pilot.resize_terminal(160, 36)
        await until(pilot, lambda: titles(app) == everything)


async def test_the_cursor_stays_on_its_replica_through_a_resize() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        await go_to(app, "expert-1-2")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.resize_terminal(50, 10)
        await pilot.pause()
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert table(app).cursor_key == "expert-1-2"
        assert table(app).has_focus


async def test_r_on_a_failed_replica_performs_the_same_plan_as_the_word_without_asking() -> None:
    cluster = with_a_failure(time_runs=True)
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await go_to(app, "expert-1-2")
        word = ops.plan(Relaunch(("expert-1-2",)))
        assert not word.destructive
        await pilot.press("R")
        await until(pilot, lambda: "Done: relaunch expert-1-2" in app.told)
        assert tuple(done_steps(cluster)) == word.lines
        assert cluster.requests == [("expert-1-2", "restart", None)]
        assert column(app, "STATE") == ["● ready"] * 16


async def test_r_on_a_live_replica_asks_first() -> None:
    cluster = busy_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "Relaunch orchestrator-0?" in screen_text(app)
        assert "2 simulations are in flight at orchestrator-0" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert cluster.requests == []


async def test_k_asks_and_no_changes_nothing() -> None:
    cluster = busy_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        for no in ("enter", "n", "q", "escape"):
            await pilot.press("K")
            await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
            await pilot.press(no)
            await until(pilot, lambda: not isinstance(app.screen, ReviewScreen))
        assert cluster.requests == []
        assert done_steps(cluster) == []
        assert app.told == []


async def test_k_and_yes_performs_the_same_plan_as_the_word() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await go_to(app, "expert-2-1")
        word = ops.plan(Stop(("expert-2-1",)))
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        for line in word.lines:
            assert line in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: "Done: stop expert-2-1" in app.told)
        assert tuple(done_steps(cluster)) == word.lines
        await look(ops, pilot)
        assert "■ stopped" in column(app, "STATE")


async def test_what_changed_while_the_sheet_was_open_is_shown_again() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    plans = 0
    plan = ops.plan

    def other_plan_the_second_time(command: Command) -> object:
        nonlocal plans
        plans += 1
        return plan(Stop(("expert-2-0",)) if plans == 1 else command)

    ops.plan = other_plan_the_second_time  # type: ignore[method-assign, assignment]
    async with run_on(ops) as (app, pilot):
        await pilot.press("K")
        await until(pilot, lambda: "request stop expert-2-0" in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: "request stop orchestrator-0" in screen_text(app))
        assert cluster.requests == []
        await pilot.press("n")


async def test_the_review_sheet_says_what_is_not_known() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.run_error = "login1: connection lost"
        await look(ops, pilot)
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "? run directory: login1: connection lost" in screen_text(app)


async def test_a_refusal_is_one_line_and_changes_nothing() -> None:
    cluster = FakeCluster(seed_config())
    async with run_on(make_ops(cluster)) as (app, pilot):
        await until(pilot, lambda: "○ absent" in column(app, "STATE"))
        await pilot.press("R")
        await until(pilot, lambda: len(app.told) == 1)
        assert app.told[0].startswith("Not done: relaunch orchestrator-0 orchestrator-0 is absent")
        assert "tau2tui launch" in screen_text(app)
        assert cluster.commands == []


async def test_read_only_refuses_and_says_so() -> None:
    cluster = with_a_failure()
    async with run_on(make_ops(cluster, read_only=True)) as (app, pilot):
        assert "read-only" in screen_text(app)
        await go_to(app, "expert-1-2")
        await pilot.press("R")
        await until(pilot, lambda: len(app.told) == 1)
        assert "read-only: nothing was changed" in app.told[0]
        assert cluster.requests == []


async def test_markup_in_words_from_outside_is_shown_literally() -> None:
    cluster = busy_cluster()
    cluster.change(
        "orchestrator-0", phase=Phase.FAILED, why="[b]exit[/b] [/nope] [red", last_error="\x1b[31mbad\x1b]0;t\x07"
    )
    ops = make_ops(cluster)
    async with run_on(ops, size=(200, 40)) as (app, pilot):
        await until(pilot, lambda: "[b]exit[/b] [/nope] [red" in screen_text(app))
        assert "\x1b" not in screen_text(app)
        cluster.queue_error = "squeue: [bold]no[/]"
        await look(ops, pilot)
        assert "squeue: [bold]no[/]" in screen_text(app)


async def test_l_opens_the_log_of_the_current_attempt() -> None:
    cluster = busy_cluster()
    cluster.change("expert-1-2", attempt=2, log="logs/expert-1-2.2.log")
    cluster.files[f"{RUN}/logs/expert-1-0.1.log"] = b"INFO another replica\n"
    cluster.files[f"{RUN}/logs/expert-1-2.2.log"] = b"INFO second attempt\n"
    async with run_on(make_ops(cluster)) as (app, pilot):
        await go_to(app, "expert-1-2")
        await pilot.press("l")
        await until(pilot, lambda: "INFO second attempt" in screen_text(app))
        assert app.screen.query_one(LogTitle).state.name == "logs/expert-1-2.2.log"
        await until(pilot, lambda: app.screen.query_one(KeyedTable).cursor_key == "logs/expert-1-2.2.log")


async def test_a_replica_without_a_log_says_why_there_is_none() -> None:
    cluster = FakeCluster(seed_config())
    async with run_on(make_ops(cluster)) as (app, pilot):
        await until(pilot, lambda: "○ absent" in column(app, "STATE"))
        await pilot.press("l")
        await until(pilot, lambda: app.told == ["No log yet: orchestrator-0 is absent: not submitted"])


async def test_the_strip_offers_the_command_that_helps_a_replica_that_failed_of_something_known() -> None:
    async with run_on(make_ops(with_a_failure())) as (app, pilot):
        await go_to(app, "expert-1-2")
        await until(pilot, lambda: "tau2tui relaunch expert-1-2 --set gpu_memory_utilization=0.88" in screen_text(app))
        assert "did not fit into the GPU" in " ".join(screen_text(app).split())


async def test_latencies_and_what_the_load_says_stand_in_the_row() -> None:
    cluster = busy_cluster()
    now = cluster.clock()
    slow = Load(8.0, 5.0, 0.97, 100.0, e2e_p50_s=1.25, e2e_p99_s=132.4, preemptions_per_min=4.0, waiting_since=now - 90)
    cluster.change("expert-1-1", load=slow)
    async with run_on(make_ops(cluster), size=(240, 40)) as (app, _):
        row = table(app).index_of("expert-1-1")
        assert (column(app, "P50")[row], column(app, "P99")[row]) == ("1.25s", "132s")
        assert column(app, "P50")[row - 1] == "–", "not reported, and not 0"
        assert (
            "KV-bound: KV cache 97% full, 5 wait, 4.0 preemptions a minute; saturated"
            in table(app).cells("expert-1-1")[-1]
        )


async def test_a_wide_terminal_has_a_pane_with_the_whole_replica_and_how_its_log_ends() -> None:
    cluster = with_a_failure()
    cluster.files[f"{RUN}/logs/expert-1-2.1.log"] = b"torn" * 5000 + b"\n" + b"\x1b[31mthe last words\x1b[0m\n"
    ops = make_ops(cluster)
    async with run_on(ops, size=(180, 40)) as (app, pilot):
        await go_to(app, "expert-1-2")
        await until(pilot, lambda: "the last words" in screen_text(app))
        shown = screen_text(app)
        assert "boot phase" not in shown and OOM in shown and "endpoint" in shown
        assert "torn" not in shown
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "where    logs/expert-1-2.1.log" in screen_text(app))
        assert "the last words" not in screen_text(app)


async def test_the_log_in_the_pane_is_read_only_where_the_cursor_rests_and_while_it_is_seen() -> None:
    cluster = busy_cluster()
    for name in cluster.replicas:
        cluster.files[f"{RUN}/logs/{name}.1.log"] = f"of {name}\n".encode()
    ops = make_ops(cluster)
    logs = ReadNames()
    ops.shell.read = logs.around(ops.shell.read)  # type: ignore[method-assign]
    async with run_on(ops, size=(180, 40)) as (app, pilot):
        await until(pilot, lambda: "of orchestrator-0" in screen_text(app))
        await pilot.press(*["j"] * 8)
        last = table(app).cursor_key
        await until(pilot, lambda: f"of {last}" in screen_text(app))
        assert len(set(logs.names)) <= 3
        await pilot.press("2")
        await pilot.pause()
        assert not app._framed.made["fleet"].query_one(ReplicaPane).looked_at


async def test_a_replica_is_proved_on_demand_and_what_came_of_it_is_told_for_each() -> None:
    cluster = busy_cluster(time_runs=True)
    cluster.change("orchestrator-0", address="127.0.0.1", port=free_port())
    cluster.change("orchestrator-1", phase=Phase.LOADING)
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("space", "space", "p")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        assert "orchestrator-1: loading, not asked" in app.told
        assert "✖ orchestrator-0  no answer" in screen_text(app).replace("\xa0", " ")
        assert cluster.requests == [], "nothing is changed by it"
