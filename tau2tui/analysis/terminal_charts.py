"""Latency histograms and distribution functions as text for a terminal."""

from __future__ import annotations

from typing import Any

import polars as pl

from tau2tui.analysis.drawing import Drawing, draw, number, round_ticks
from tau2tui.analysis.measures import Histogram, cdf
from tau2tui.core.printable import line_cut

_FRAME_IN_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│…�", "+++++++++-|~?")


def terminal_histogram(
    values: pl.Series,
    title: str,
    width: int,
    height: int,
    sla_ms: float,
    bins: int = 36,
    *,
    ascii_only: bool = False,
    color: bool = True,
) -> str:
    """A latency histogram (milliseconds) as `height` lines of `width` columns, with ANSI colours unless told not to."""
    drawing = draw(values, sla_ms, bins)
    if drawing is None:
        return line_cut(f"{title}: no calls", width)
    figure = _figure(line_cut(f"{title}: {drawing.headline}", width - 2), _caption(drawing), width, height)
    marker, line = ("#", "|") if ascii_only else ("hd", "│")
    figure.scatter(*_tops(drawing.shown, 2 * width), fillx=True, color="blue", marker=marker)
    top = max(drawing.shown.counts)
    if drawing.sla_in_sight:
        figure.plot([drawing.sla] * 2, [0, top], marker=line, color="red")
    figure.xlim(drawing.left, drawing.right)
    figure.ylim(0, top)
    y_ticks = round_ticks(0, top, max(height // 4, 2), least=1.0)
    figure.yticks(y_ticks, [f"{tick:.15g}" for tick in y_ticks])
    x_ticks = round_ticks(drawing.left, drawing.right, max(width // 12, 2))
    figure.xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
    return _built(figure, ascii_only, color)


def terminal_cdf(
    values: pl.Series,
    title: str,
    width: int,
    height: int,
    sla_ms: float,
    *,
    ascii_only: bool = False,
    color: bool = True,
) -> str:
    """The share of calls (per cent) that took at most so long, on the axis of `terminal_histogram`."""
    drawing = draw(values, sla_ms, 10)
    if drawing is None:
        return line_cut(f"{title}: no calls", width)
    figure = _figure(
        line_cut(f"{title}: share of calls up to a latency, %", width - 2), _caption(drawing), width, height
    )
    steps = [(value / drawing.per_unit, share * 100) for value, share in cdf(values, 4 * width)]
    shown = [(value, share) for value, share in steps if value <= drawing.right]
    marker, line = ("*", "|") if ascii_only else ("hd", "│")
    figure.plot([value for value, _ in shown], [share for _, share in shown], color="blue", marker=marker)
    if drawing.sla_in_sight:
        figure.plot([drawing.sla] * 2, [0, 100], marker=line, color="red")
    figure.xlim(drawing.left, drawing.right)
    figure.ylim(0, 100)
    figure.yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100"])
    x_ticks = round_ticks(drawing.left, drawing.right, max(width // 12, 2))
    figure.xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
    return _built(figure, ascii_only, color)


def _tops(shown: Histogram, points: int) -> tuple[list[float], list[int]]:
    """The tops of the bars at so many points, to be filled below: plotext's own bars leave gaps between them."""
    low, high, bins = shown.edges[0], shown.edges[-1], len(shown.counts)
    places = [(point + 0.5) / points for point in range(points)]
    tops = [(low + (high - low) * place, shown.counts[int(place * bins)]) for place in places]
    filled = [(place, count) for place, count in tops if count]
    return [place for place, _ in filled], [count for _, count in filled]


def _caption(drawing: Drawing) -> str:
    percentiles = "  ".join(f"p{percentile} {number(value)}" for percentile, value in drawing.percentiles)
    return f"{percentiles} {drawing.unit}" + (f"; {drawing.tail}" if drawing.tail else "")


def _figure(title: str, caption: str, width: int, height: int) -> Any:
    """An empty figure: public plotext draws on one global figure; each call here has its own, as in textual-plotext."""
    from plotext._figure import _figure_class

    figure = _figure_class()
    figure._limit_size(False, False)  # by default a figure is never larger than the terminal of the process
    figure.plot_size(width, height)
    figure.theme("clear")
    figure.title(title)
    figure.xlabel(line_cut(caption, width - 2))
    return figure


def _built(figure: Any, ascii_only: bool, color: bool) -> str:
    import plotext

    text: str = figure.build().rstrip("\n")
    text = text.translate(_FRAME_IN_ASCII) if ascii_only else text
    return text if color else str(plotext.uncolorize(text))
