"""The last hour of a replica as lines of characters."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from tau2tui.analysis.sparkline import sparkline
from tau2tui.tui.format import Tone, percent, text, uses_ascii, whole
from tau2tui.tui.kept_samples import Trends

NAMES = {
    "kv_cache": "KV",
    "generation_tokens_s": "TOK/S",
    "running": "RUN",
    "waiting": "WAIT",
    "failed_per_min": "5XX/MIN",
}
_LABEL = 7
_FIGURES = 17
_LEAST, _MOST = 12, 60
_GAP = 3


def trend_facts(trends: Trends, width: int) -> list[tuple[str, str]]:
    """Name and line of each metric that was sampled, with its last and its largest value."""
    return [
        (f"{NAMES[metric].lower()}, 1 h", f"{line}  {figures}".rstrip())
        for metric, line, figures in _lines(trends, width)
    ]


def trend_rows(trends: Trends, width: int) -> list[Text]:
    """The same in so many columns, two beside each other where there is room."""
    each = _LABEL + 1 + _FIGURES
    beside = 2 if width >= 2 * (each + _LEAST) + _GAP else 1
    room = max(_LEAST, min(_MOST, (width - (beside - 1) * _GAP) // beside - each))
    cells = [
        text(
            (f"{NAMES[metric]:<{_LABEL}} ", Tone.MUTED), (f"{line:<{room}}", Tone.ACCENT), f" {figures:<{_FIGURES - 1}}"
        )
        for metric, line, figures in _lines(trends, room)
    ]
    return [Text(" " * _GAP).join(cells[place : place + beside]) for place in range(0, len(cells), beside)]


def _lines(trends: Trends, width: int) -> Iterator[tuple[str, str, str]]:
    for metric, values in trends.values.items():
        known = [value for value in values if value is not None]
        high = 1.0 if metric == "kv_cache" else max(*known, 1.0)
        line = sparkline(values, width, 0.0, high, ascii_only=uses_ascii())
        yield metric, line, f"{_figure(metric, known[-1])} max {_figure(metric, max(known))}"


def _figure(metric: str, value: float) -> str:
    if metric == "kv_cache":
        return percent(value)
    return whole(value) if value >= 10 or value == int(value) else f"{value:.1f}"
