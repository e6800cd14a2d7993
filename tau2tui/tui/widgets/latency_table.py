"""The percentiles of every series; the row under the cursor is the one that is drawn."""

from __future__ import annotations

from collections.abc import Iterable

from tau2tui.tui.format import Cell, Tone, latency, percent, threshold, whole
from tau2tui.tui.latencies import LatencyRow
from tau2tui.tui.widgets.keyed_table import ALWAYS, Column, KeyedTable

_FEW_CALLS = 100
_SLA_POOR = 0.5


class LatencyTable(KeyedTable):
    """One row for each series."""

    def __init__(self, sla_ms: float) -> None:
        super().__init__(
            (
                Column("SERIES", 24, ALWAYS, most=64, flexible=True, names=True),
                Column("COUNT", 6, 90, right=True),
                Column("MEAN", 6, 50, right=True),
                Column("P50", 6, ALWAYS, right=True),
                Column("P90", 6, 60, right=True),
                Column("P95", 6, 70, right=True),
                Column("P99", 6, 80, right=True),
                Column("MAX", 6, 40, right=True),
                Column(f"<{threshold(sla_ms)}", 6, 95, right=True),
            )
        )

    def show_series(self, rows: Iterable[LatencyRow]) -> None:
        """Show these, in their order."""
        self.show_rows({row.series: _cells(row) for row in rows})


def _cells(row: LatencyRow) -> tuple[Cell, ...]:
    # The 99th percentile of a few calls is their maximum, more or less: it steps back.
    tail = Tone.MUTED if row.count < _FEW_CALLS else Tone.PLAIN
    poor = row.under_sla is not None and row.under_sla < _SLA_POOR
    return (
        Cell(row.series, Tone.PLAIN if row.count else Tone.MUTED),
        Cell(whole(row.count), Tone.PLAIN if row.count else Tone.MUTED),
        Cell(latency(row.mean)),
        Cell(latency(row.p50), Tone.STRONG),
        Cell(latency(row.p90)),
        Cell(latency(row.p95)),
        Cell(latency(row.p99), tail),
        Cell(latency(row.max)),
        Cell(percent(row.under_sla, 1), Tone.WARN if poor else Tone.PLAIN),
    )
