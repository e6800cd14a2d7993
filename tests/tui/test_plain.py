"""The screen as plain lines."""

from __future__ import annotations

import pytest

from tau2tui.tui.plain import plain_lines
from tau2tui.tui.screens.menu import MenuScreen
from tests.tui.driving import run_on, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


async def test_what_lies_behind_a_sheet_is_read_with_it_and_stays_to_be_seen() -> None:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    async with run_on(make_ops(cluster), size=(160, 45)) as (app, pilot):
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        app.screen.refresh()  # nothing of it is drawn when it is read
        assert any("orchestrator-0" in line for line in plain_lines(app.screen))
        assert "orchestrator-0" in app.export_screenshot()
