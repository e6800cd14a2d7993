"""A run that is opened again shows what was seen of it last, until it is read; nothing is decided by that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tau2tui.core.command import Relaunch, Stop
from tau2tui.core.model import DirtyNode, Phase, RunState
from tau2tui.ops import Ops
from tau2tui.remote.rundir import parse_state
from tau2tui.remote.shell import Completed
from tau2tui.tui.last_seen import VERSION, LastSeen
from tau2tui.tui.screens.inbox import InboxScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.tui.driving import WatchedApp, look, run_on, screen_text, shows, tells, until
from tests.tui.fakes import FakeCluster, FakeShell, make_ops, running_evaluation, seed_config

pytestmark = pytest.mark.slow


class SlowShell(FakeShell):
    """A login node that says how the run is only when it is let."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster)
        self.let = asyncio.Event()

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if "state" in argv:
            await self.let.wait()
        return await super().run(argv, timeout_s, stdin)


def fleet() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    cluster.evaluation = running_evaluation(cluster.clock())
    return cluster


def slow_ops(cluster: FakeCluster) -> tuple[Ops, SlowShell]:
    shell, ops = SlowShell(cluster), make_ops(cluster)
    return replace(ops, shell=shell, run=replace(ops.run, shell=shell)), shell


async def seen_before(cluster: FakeCluster) -> None:
    """Somebody has looked at it, two hours ago."""
    ops = make_ops(cluster)
    async with run_on(ops) as (_, pilot):
        file = LastSeen(cluster.config.cluster.login, str(ops.run.path)).path
        await until(pilot, file.exists)
    cluster.clock.now += 7200


@asynccontextmanager
async def opened(ops: Ops) -> AsyncIterator[tuple[WatchedApp, Pilot[None]]]:
    app = WatchedApp(ops, ops.logs)
    async with app.run_test(size=(140, 36)) as pilot:
        yield app, pilot


async def test_until_the_first_answer_it_is_shown_as_it_was_seen_last_and_called_old() -> None:
    cluster = fleet()
    await seen_before(cluster)
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1")
    ops, shell = slow_ops(cluster)
    async with opened(ops) as (app, pilot):
        await shows(pilot, "STALE 2h00m ago", "this is how it was seen last", "ready?")
        table = app.screen.query_one(FleetTable)
        assert {table.drawn_row(row)[0] for row in range(table.row_count)} == {"● ready?"}, "each of them is in doubt"
        assert "last seen ● ready" in screen_text(app) and "R Relaunch" not in screen_text(app)
        shell.let.set()
        await shows(pilot, "failed", "R Relaunch")
        assert "seen last" not in screen_text(app) and "ready?" not in screen_text(app)
        assert not table._flashed, "what changed meanwhile did not change now"
        await until(pilot, lambda: not ops.store.recalled)


async def test_a_queue_that_answers_before_the_run_does_is_no_reason_to_show_nothing() -> None:
    cluster = fleet()
    await seen_before(cluster)
    ops, shell = slow_ops(cluster)
    await ops.refresh("jobs", 0.0)  # as the command does before there is a screen
    async with opened(ops) as (_, pilot):
        await shows(pilot, "STALE 2h00m ago", "ready?", "jobs 0s")
        shell.let.set()
        await shows(pilot, "R Relaunch")


async def test_nothing_is_changed_by_what_an_earlier_session_saw() -> None:
    cluster = fleet()
    await seen_before(cluster)
    ops, shell = slow_ops(cluster)
    async with opened(ops) as (app, pilot):
        await shows(pilot, "ready?")
        for key in ("R", "K"):
            app.told.clear()
            await pilot.press(key)
            await tells(pilot, app, "seen before this was opened")
        assert not isinstance(app.screen, ReviewScreen)
        shell.let.set()
        await shows(pilot, "K Stop")
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
    assert cluster.requests == []


async def test_a_run_that_cannot_be_read_keeps_what_was_seen_and_is_planned_for_as_if_nothing_was() -> None:
    cluster = fleet()
    await seen_before(cluster)
    ops, shell = slow_ops(cluster)
    bare = make_ops(cluster)
    async with opened(ops) as (_, pilot):
        await shows(pilot, "ready?")
        cluster.run_error = "no answer from login1"
        shell.let.set()
        await shows(pilot, "STALE 2h00m ago", "no answer from login1", "ready?", "K Stop")
        assert ops.store.recalled
        await bare.look()
        assert ops.plan(Stop()) == bare.plan(Stop())
        assert ops.plan(Relaunch(("expert-1-0",))) == bare.plan(Relaunch(("expert-1-0",)))
        cluster.run_error = ""
        await look(ops, pilot)
        await shows(pilot, "● ready  ")
        assert not ops.store.recalled


async def test_what_an_earlier_session_saw_is_no_news() -> None:
    cluster = fleet()
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1")
    await seen_before(cluster)
    ops, _ = slow_ops(cluster)
    async with opened(ops) as (app, pilot):
        await shows(pilot, "STALE", "failed?")
        await pilot.press("I")
        await until(pilot, lambda: isinstance(app.screen, InboxScreen))
        assert app.told == [] and "nothing has happened yet" in screen_text(app)


async def test_a_first_answer_that_comes_soon_is_all_that_is_shown() -> None:
    cluster = fleet()
    await seen_before(cluster)
    ops = make_ops(cluster)
    recalled: list[bool] = []
    ops.store.subscribe(lambda _: recalled.append(ops.store.recalled))
    async with run_on(ops) as (_, pilot):
        await asyncio.sleep(0.4)  # longer than it would be waited for
        await look(ops, pilot)
    assert recalled and not any(recalled)


def some_state() -> RunState:
    cluster = fleet()
    state = parse_state(json.loads(cluster.state()))
    return replace(
        state,
        successors=state.replicas[:1],
        predecessors=state.replicas[1:3],
        dirty_nodes=(DirtyNode("gpu07", 5.0, "a process of another user", ("0", "1"), "one"),),
    )


def test_all_of_a_state_comes_back_and_nobody_else_can_read_it() -> None:
    file = LastSeen("login1", "/shared/runs/one")
    file.write(some_state(), 1234.5)
    kept = file.read()
    assert kept is not None and (kept.run, kept.at) == (some_state(), 1234.5)
    assert file.path.stat().st_mode & 0o777 == 0o600 and file.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "change",
    [
        {"version": VERSION + 1},
        {"host": "another"},
        {"run": "/shared/runs/two"},
        {"at": "noon"},
        {"at": None},
        {"state": []},
        {"state": {"clock": 1.0, "replicas": [{"name": "a"}]}},
    ],
)
def test_what_is_of_another_version_or_run_or_cannot_be_read_is_as_good_as_nothing(change: dict[str, object]) -> None:
    file = LastSeen("login1", "/shared/runs/one")
    file.write(some_state(), 1234.5)
    file.path.write_text(json.dumps({**json.loads(file.path.read_text()), **change}))
    assert file.read() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00", b"null", b"[" * 100_000])
def test_garbage_is_as_good_as_nothing(content: bytes) -> None:
    file = LastSeen("", "/shared/runs/one")
    assert file.read() is None
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(content)
    assert file.read() is None


def test_each_run_on_each_host_has_its_own_and_only_the_newest_stay(tmp_path: Path) -> None:
    files = [LastSeen(host, f"/runs/{number}") for number in range(12) for host in ("", "login1")]
    for file in files:
        file.write(RunState(clock=1.0), 2.0)
    assert len({file.path for file in files}) == 24
    assert sum(file.path.exists() for file in files) == 20


def test_a_directory_that_cannot_be_written_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tau2tui").write_text("a file where a directory should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = LastSeen("", "/runs/one")
    file.write(RunState(clock=1.0), 2.0)
    assert file.read() is None
