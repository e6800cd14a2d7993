"""A latency histogram in the tones of the screens, drawn by plotext.

Imports Polars and plotext: it is imported in the thread that draws, long after the first paint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl
from rich.text import Text
from textual_plotext import Plot

from tau2tui.analysis.measures import Histogram, histogram
from tau2tui.tui.format import STYLES, Tone, latency, percent, threshold, whole

_LEAST_WIDTH, _LEAST_HEIGHT = 30, 5


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis: milliseconds, or their decimal logarithm."""

    left: float
    right: float
    log: bool

    def place(self, value_ms: float) -> float:
        """Where a value stands on the axis."""
        return math.log10(value_ms) if self.log else value_ms

    def ticks(self, at_most: int) -> list[float]:
        """Round milliseconds, in milliseconds."""
        if not self.log:
            return round_ticks(self.left, self.right, at_most)
        powers = range(math.floor(self.left), math.ceil(self.right) + 1)
        digits = (1, 2, 5) if 3 * (self.right - self.left) <= at_most else (1,)
        values = [digit * 10.0**power for power in powers for digit in digits]
        return [value for value in values if self.left <= math.log10(value) <= self.right]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of a series, and what is left out of the drawing."""

    shown: Histogram
    """Milliseconds."""
    axis: Axis
    beyond: int
    """Values to the right of the axis."""


def picture(values: pl.Series, sla_ms: float, bins: int, *, log: bool) -> Picture | None:
    """Bin a series (milliseconds): the bulk on a linear axis, or everything on a logarithmic one; None for no values.

    Latencies have heavy tails: a linear axis ends at the 99.5th percentile, or at twice the 95th if that is less. One
    call that hung for minutes would push all others into the first bar.
    """
    longest = values.max()
    p95, p995 = values.quantile(0.95, "linear"), values.quantile(0.995, "linear")
    if p95 is None or p995 is None or not isinstance(longest, float):
        return None
    limit = min(p995, 2 * p95)
    bulk = values if log or longest <= 1.5 * limit else values.filter(values <= limit)
    shown = histogram(bulk, bins, log=log)
    if not shown.counts:
        return None
    left, right = shown.edges[0], shown.edges[-1]
    if right < sla_ms < 2 * right:
        right = sla_ms * 1.05  # the line of the threshold is worth some empty room
    axis = Axis(math.log10(left), math.log10(right), log) if log else Axis(min(left, 0.0), right, log)
    return Picture(shown, axis, len(values) - len(bulk))


def histogram_chart(drawn: Picture, sla_ms: float, width: int, height: int) -> Text:
    """So many cells of picture; from the threshold on it has another tone, with a line between. Empty if too small."""
    if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
        return Text()
    axis, top = drawn.axis, max(drawn.shown.counts)
    sla = axis.place(sla_ms)
    plot = Plot()
    plot.theme("clear")
    plot.plotsize(width, height)
    plot._set_size(width, height)  # plotsize alone is limited by the size of the terminal of this process
    plot.ticks_color(_rgb(Tone.MUTED))
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    outline = _outline(drawn, 2 * width)
    for color, late in ((Tone.ACCENT, False), (Tone.WARN, True)):
        points = [(place, count) for place, count in outline if (place >= sla) is late]
        if points:
            places, counts = zip(*points, strict=True)
            plot.scatter(places, counts, fillx=True, marker="hd", color=_rgb(color))
    if axis.left <= sla <= axis.right:
        plot.plot([sla, sla], [0, top], marker="│", color=_rgb(Tone.WARN))
    plot.xlim(axis.left, axis.right)
    plot.ylim(0, top)
    levels = round_ticks(0, top, max(2, height // 4), least=1)
    plot.yticks(levels, [f"{level:.0f}" for level in levels])
    ticks = axis.ticks(max(2, width // 10))
    plot.xticks([axis.place(tick) for tick in ticks], [threshold(tick) if tick else "0" for tick in ticks])
    return Text.from_ansi(plot.build(), no_wrap=True)


def caption(values: pl.Series, drawn: Picture, sla_ms: float) -> str:
    """What the picture shows, in words and numbers."""
    calls = "1 call" if len(values) == 1 else f"{whole(len(values))} calls"
    under = int((values < sla_ms).sum()) / len(values)
    parts = [calls, f"{percent(under, 1)} below {threshold(sla_ms)}"]
    if drawn.beyond:
        longest = values.max()
        assert isinstance(longest, float)
        parts.append(f"{drawn.beyond} beyond the axis, longest {latency(longest)}")
    return " · ".join(parts)


def round_ticks(low: float, high: float, at_most: int, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 × 10ⁿ between two values, at most so many steps, none below `least` apart."""
    if high <= low:
        return [low]
    power = math.floor(math.log10((high - low) / at_most))
    steps = (digit * 10.0**exponent for exponent in (power, power + 1) for digit in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= at_most and step >= least)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _outline(drawn: Picture, points: int) -> list[tuple[float, int]]:
    """The tops of the bars at so many places of the axis, to be filled below: plotext's own bars leave gaps.

    Each bar has at least its middle: one that is narrower than a cell must not vanish.
    """
    axis, counts = drawn.axis, drawn.shown.counts
    first, last = axis.place(drawn.shown.edges[0]), axis.place(drawn.shown.edges[-1])
    width = (last - first) / len(counts)
    tops = [(first + (number + 0.5) * width, count) for number, count in enumerate(counts)]
    for point in range(points):
        place = axis.left + (axis.right - axis.left) * (point + 0.5) / points
        if first <= place < last:
            tops.append((place, counts[min(len(counts) - 1, int((place - first) / width))]))
    return sorted((place, count) for place, count in tops if count)


def _rgb(tone: Tone) -> tuple[int, int, int]:
    """A tone as plotext takes it; without colours white, which the screen leaves out."""
    color = STYLES[tone].color
    return tuple(color.get_truecolor()) if color else (255, 255, 255)  # type: ignore[return-value]
