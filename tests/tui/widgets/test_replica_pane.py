"""The pane beside a wide fleet."""

from __future__ import annotations

from datetime import datetime

import pytest

from tau2tui.tui.kept_samples import Trends
from tau2tui.tui.widgets.replica_pane import ReplicaPane
from tests.tui.driving import run_on
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


async def test_what_was_read_of_a_replica_may_come_when_the_pane_has_nothing_in_it_any_more() -> None:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    async with run_on(make_ops(cluster), size=(240, 60)) as (app, pilot):
        pane = app.screen.query_one(ReplicaPane)
        row = pane.row
        assert row is not None
        await pane.remove_children()
        pane.trends = Trends(row.replica, datetime.fromisoformat("2026-01-02"), {})
        pane.row = None
        await pilot.pause()
        assert app.return_code is None
