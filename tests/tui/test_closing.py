"""The app is closed when that is meant, and whoever closes it hears what would end with it."""

from __future__ import annotations

import pytest

from tau2tui.core.model import Phase
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.activity_line import ActivityLine
from tests.tui.driving import WatchedApp, run_on, screen_text, until
from tests.tui.fakes import FakeClock, FakeCluster, busy_cluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def stuck_fleet() -> FakeCluster:
    """A replica that never becomes ready again, so that a relaunch of it goes on and on."""
    cluster = FakeCluster(seed_config(), FakeClock(runs=True), restarts_end_in=Phase.LOADING)
    cluster.start_fleet()
    cluster.change("orchestrator-0", phase=Phase.FAILED, why="exited")
    return cluster


async def test_q_closes_at_once_when_nothing_of_ours_would_end() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        await pilot.press("q")
        await until(pilot, lambda: app.return_code is not None)
        assert app.return_code == 0


async def test_q_asks_while_a_plan_is_being_performed() -> None:
    async with run_on(make_ops(stuck_fleet())) as (app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: bool(app.screen.query_one(ActivityLine).activity))
        await until(pilot, lambda: "wait until orchestrator-0 is ready" in screen_text(app))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "unfinished, and then given up: relaunch orchestrator-0" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, ReviewScreen))
        assert app.return_code is None
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.return_code is not None)


async def test_q_asks_when_the_caller_says_that_something_ends_with_the_app() -> None:
    ops = make_ops(busy_cluster())
    app = WatchedApp(ops, ops.logs, ends_with_us="the rehearsal fleet and its evaluation")
    async with app.run_test() as pilot:
        await pilot.press("q")
        await until(pilot, lambda: "the rehearsal fleet and its evaluation" in screen_text(app))
        await pilot.press("n")


async def test_ctrl_c_closes_at_the_second_time_even_from_a_sheet() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("ctrl+c")
        assert app.told == ["ctrl+c once more closes at once; q closes properly"]
        assert app.return_code is None
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.return_code is not None)


async def test_ctrl_q_does_nothing() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert app.return_code is None
