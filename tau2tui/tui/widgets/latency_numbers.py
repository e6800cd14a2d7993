"""The numbers beside the picture: count, mean, spread and every percentile of the one or two samples that are drawn."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.analysis.latency_row import LatencyRow, Legend
from tau2tui.tui.format import Tone, latency, percent, text, threshold, whole
from tau2tui.tui.widgets.latency_table import FIGURES

_FIRST_TO_GO = ("p20", "p30", "p40", "p60", "p70", "p80", "p25", "p75", "std", "p10", "min", "mean", "p95", "p90")
_NAME, _FIGURE = 7, 9


class LatencyNumbers(Widget):
    """One line for each figure, one column for each sample; where there is little room the middle percentiles go."""

    legends: reactive[tuple[Legend, ...]] = reactive(())
    sla_ms: reactive[float] = reactive(5000.0)

    def render(self) -> Group:
        rows = tuple(legend.row for legend in self.legends)
        if not any(row.count for row in rows):
            return Group()
        names = list(FIGURES)
        for name in _FIRST_TO_GO:
            if len(names) + 1 + (len(rows) > 1) > self.size.height:
                names.remove(name)
        lines = []
        if len(rows) > 1:
            heads = (f"{mark:>{_FIGURE}}" for mark in ("█", "×"))
            lines.append(text(" " * _NAME, *((head, Tone.STRONG) for head in heads)))
        lines += [self._line(name, rows, whole if name == "count" else latency) for name in names]
        shares = (f"{percent(row.under_sla, 1):>{_FIGURE}}" for row in rows)
        lines.append(
            text((f"<{threshold(self.sla_ms)}".ljust(_NAME), Tone.WARN), *((one, Tone.WARN) for one in shares))
        )
        return Group(*lines)

    def _line(self, name: str, rows: tuple[LatencyRow, ...], shown: Callable[[float | None], str]) -> Text:
        tone = Tone.STRONG if name in ("p50", "p99") else Tone.PLAIN
        figures = (f"{shown(getattr(row, name)):>{_FIGURE}}" for row in rows)
        return text((name.ljust(_NAME), Tone.MUTED), *((figure, tone) for figure in figures))
