"""The percentiles of every series; the row under the cursor is drawn, or two marked ones over each other."""

from __future__ import annotations

from collections.abc import Iterable

from tau2tui.analysis.latency_row import LatencyRow
from tau2tui.tui.format import Cell, Tone, latency, percent, threshold, whole
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

_FEW_CALLS = 100
_SLA_POOR = 0.5
# The more room there is, the more percentiles; the last ranks are the first to go.
_KEEP = {
    **{"count": 95, "mean": 70, "p50": ALWAYS, "p90": 85, "p95": 80, "p99": 90, "max": 75, "p75": 60, "p25": 58},
    **{"std": 50, "min": 48, "p10": 46, "p80": 40, "p60": 38, "p40": 36, "p70": 34, "p30": 32, "p20": 30},
}
FIGURES = (
    *("count", "mean", "std", "min", "p10", "p20", "p25", "p30", "p40", "p50"),
    *("p60", "p70", "p75", "p80", "p90", "p95", "p99", "max"),
)
"""Fields of LatencyRow in the order in which tables show them."""


class LatencyTable(KeyedTable):
    """One row for each series."""

    def __init__(self, sla_ms: float) -> None:
        super().__init__(
            (
                Column("SERIES", 24, ALWAYS, most=64, flexible=True, names=True),
                *(Column(name.upper(), 6, _KEEP[name], right=True) for name in FIGURES),
                Column(_sla_title(sla_ms), 6, 98, right=True),
            )
        )

    def show_series(self, rows: Iterable[LatencyRow], sla_ms: float) -> None:
        """Show these, in their order, with the share that is faster than this."""
        self.retitle(len(self.columns) - 1, _sla_title(sla_ms))
        self.show_rows({row.series: _cells(row) for row in rows})


def _sla_title(sla_ms: float) -> str:
    return f"<{threshold(sla_ms)}"


def _cells(row: LatencyRow) -> tuple[Cell, ...]:
    known = Tone.PLAIN if row.count else Tone.MUTED
    poor = row.under_sla is not None and row.under_sla < _SLA_POOR
    # The 99th percentile of a few calls is their maximum, more or less: it steps back.
    tones = {"p50": Tone.STRONG, "p99": Tone.MUTED if row.count < _FEW_CALLS else Tone.PLAIN}
    return (
        Cell(row.series, known),
        Cell(whole(row.count), known, row.count),
        *(_figure(getattr(row, name), tones.get(name, Tone.PLAIN)) for name in FIGURES[1:]),
        Cell(percent(row.under_sla, 1), Tone.WARN if poor else Tone.PLAIN, row.under_sla),
    )


def _figure(milliseconds: float | None, tone: Tone) -> Cell:
    """A latency; as a number it is in seconds, as a filter means it: p99>5s is p99>5."""
    return Cell(latency(milliseconds), tone, None if milliseconds is None else milliseconds / 1000)
