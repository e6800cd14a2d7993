"""The table of latencies."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tau2tui.analysis.latency_row import LatencyRow
from tau2tui.tui.widgets.latency_table import LatencyTable
from tests.tui.driving import screen_text, until


class TableApp(App[None]):
    """The table alone."""

    def compose(self) -> ComposeResult:
        yield LatencyTable(5000.0)


async def test_a_long_threshold_stands_above_its_shares_in_full() -> None:
    async with TableApp().run_test(size=(100, 10)) as pilot:
        table = pilot.app.query_one(LatencyTable)
        table.show_series([LatencyRow("orchestrator", 1, under_sla=0.5)], 5000.0)
        await until(pilot, lambda: "<5s" in screen_text(pilot.app))
        table.show_series([LatencyRow("orchestrator", 1, under_sla=0.5)], 12_345.0)
        await until(pilot, lambda: "<12.345s" in screen_text(pilot.app))
