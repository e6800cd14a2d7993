"""The GPUs on the screen: what holds them, and the clean-up of what is stale."""

from __future__ import annotations

import pytest

from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.gpu_table import GpuTable
from tests.tui.driving import WatchedApp, run_on, screen_text, shows, tells, until
from tests.tui.fakes import FakeClock, FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def cluster_with_an_orphan() -> FakeCluster:
    cluster = FakeCluster(seed_config(), FakeClock(runs=True))
    cluster.start_fleet()
    cluster.orphans["gpu02"] = 7788
    return cluster


def table(app: WatchedApp) -> GpuTable:
    return app.screen.query_one(GpuTable)


def states(app: WatchedApp) -> list[str]:
    return [table(app).drawn_row(row)[0] for row in range(table(app).row_count)]


async def test_each_process_has_a_row_with_the_reason_why_it_may_be_ended_or_not() -> None:
    cluster = cluster_with_an_orphan()
    async with run_on(make_ops(cluster), size=(180, 40)) as (app, pilot):
        assert cluster.requests == [], "no node is asked before the screen is looked at"
        await pilot.press("3")
        await shows(pilot, "3 nodes", "1 stale", "its job 471000 has ended")
        assert states(app)[4:8] == ["● ours", "● ours", "✖ stale", "○ free"]
        await pilot.press("exclamation_mark")
        assert states(app) == ["✖ stale"]


async def test_exactly_what_was_shown_as_stale_is_ended_after_a_yes() -> None:
    cluster = cluster_with_an_orphan()
    async with run_on(make_ops(cluster), size=(140, 40)) as (app, pilot):
        await pilot.press("3")
        await shows(pilot, "1 stale")
        table(app).select("gpu02/2/7788")
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "pid 7788 (VLLM::Worker_TP0" in screen_text(app)
        await pilot.press("y")
        await tells(pilot, app, "Done: clean gpus")
        assert [verb for _, verb, _ in cluster.requests].count("clean") == 1
        await pilot.press("r")
        await shows(pilot, "0 stale")


async def test_a_clean_node_is_left_alone_with_words() -> None:
    cluster = cluster_with_an_orphan()
    async with run_on(make_ops(cluster), size=(140, 40)) as (app, pilot):
        await pilot.press("3")
        await shows(pilot, "1 stale")
        table(app).select("gpu01/0/5900")
        await pilot.press("K")
        await tells(pilot, app, "no process on these GPUs is stale")
        assert not isinstance(app.screen, ReviewScreen)


async def test_a_process_leads_to_its_replica_and_an_orphan_to_none() -> None:
    cluster = cluster_with_an_orphan()
    async with run_on(make_ops(cluster), size=(140, 40)) as (app, pilot):
        await pilot.press("3")
        await shows(pilot, "1 stale")
        table(app).select("gpu02/2/7788")
        await pilot.press("J")
        await until(pilot, lambda: "no replica of this run holds it" in app.told)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await pilot.press("q")
        table(app).select("gpu02/1/5911")
        await pilot.press("J")
        await until(pilot, lambda: app.current_mode == "fleet")
        assert app.screen.query_one(FleetTable).cursor_key == "expert-1-1"


async def test_without_jobs_it_says_how_any_node_is_asked() -> None:
    async with run_on(make_ops(FakeCluster(seed_config())), size=(140, 40)) as (_, pilot):
        await pilot.press("3")
        await shows(pilot, "no job of this run is on any node")
