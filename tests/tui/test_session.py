"""A run that is opened again looks as it was left."""

from __future__ import annotations

import pytest

from tau2tui.tui.remembering import SessionFile, SessionLook
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.tui.driving import run_on, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def healthy() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    return cluster


async def test_filter_order_marks_cursor_and_screen_come_back() -> None:
    ops = make_ops(healthy())
    async with run_on(ops) as (app, pilot):
        table = app.screen.query_one(FleetTable)
        await pilot.press("colon", *"filter-by expert-1", "enter")
        await until(pilot, lambda: table.row_count == 4)
        await pilot.press("colon", *"sort-by -port", "enter")
        await pilot.press("k", "k", "space", "z", "8")
        await until(pilot, lambda: app.current_mode == "sources")
        app._go_on()
        file = SessionFile(ops.run.run_id)
        await until(pilot, lambda: file.read().view == "sources")
    async with run_on(make_ops(healthy())) as (app, pilot):
        assert app.current_mode == "sources"
        await pilot.press("1")
        table = app.screen.query_one(FleetTable)
        await until(pilot, lambda: table.row_count == 4 and bool(table.marks))
        assert [table.drawn_row(row)[1] for row in range(4)] == [f"expert-1-{n}" for n in (3, 2, 1, 0)]
        assert table.marks == ("expert-1-2",)
        assert table.cursor_key == "expert-1-1"
        assert app.screen.has_class("-zoomed")


async def test_a_session_of_another_run_is_another_session() -> None:
    SessionFile("another").write(SessionLook("sources", {}))
    async with run_on(make_ops(healthy())) as (app, _):
        assert app.current_mode == "fleet"
