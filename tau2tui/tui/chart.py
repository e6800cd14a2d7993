"""Latency pictures as lines of words and tones, which a screen colours, or turns into ASCII, when it draws them.

Histogram and distribution function are drawn by plotext, the heat-map by itself. Imports Polars, NumPy and plotext: it
is imported in the thread that draws, long after the first paint.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tau2tui.analysis.distribution import (
    LABEL_WIDTH,
    LEAST_HEIGHT,
    LEAST_WIDTH,
    Axis,
    HeatMap,
    Picture,
    shares_up_to,
)
from tau2tui.analysis.drawing import round_ticks
from tau2tui.tui.format import Tone, threshold

if TYPE_CHECKING:
    import polars as pl
    from textual_plotext import Plot

Line = tuple[tuple[str, Tone], ...]
"""Words and their tones, side by side."""

SECOND = "×"
"""What the second sample is drawn with: told from bars and lines without colour, and in ASCII."""
SHADES = "░▒▓█"
CROSSED = "▸"
"""Marks the stretch of latencies in which the threshold lies."""
_TIME_EVERY = 12
"""Columns from one time below a heat-map to the next."""
_TONES = tuple(Tone)
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")


def histogram_chart(drawn: Picture, counts: Sequence[int], sla_ms: float, width: int, height: int) -> tuple[Line, ...]:
    """So many cells of picture; from the threshold on it has another tone, with a line between. Empty if too small.

    One sample is drawn in calls; two in per cent of the calls of each, of which there are `counts`: the first filled,
    the outline of the second over it.
    """
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return ()
    heights: list[list[float]] = [list(bins.counts) for bins in drawn.bins]
    if len(heights) > 1:
        heights = [[100 * each / max(1, whole) for each in bins] for bins, whole in zip(heights, counts, strict=True)]
    top = max(max(bins) for bins in heights) or 1.0
    plot = _plot(width, height)
    _fill(plot, _outline(drawn, heights[0], 2 * width), drawn.axis, sla_ms)
    if len(heights) > 1:
        _dots(plot, _outline(drawn, heights[1], width, hollow=True))
    _threshold_line(plot, drawn.axis, sla_ms, top)
    plot.ylim(0, top)
    percent = len(heights) > 1
    levels = round_ticks(0, top, max(2, height // 4), least=0.0 if percent else 1.0)
    plot.yticks(levels, [f"{level:g}%" if percent else f"{level:.0f}" for level in levels])
    return _built(plot, drawn.axis, width)


def cdf_chart(drawn: Picture, samples: Sequence[pl.Series], sla_ms: float, width: int, height: int) -> tuple[Line, ...]:
    """The share of calls that took at most so long, for one or two samples; values beyond the axis count as well."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return ()
    axis = drawn.axis
    plot = _plot(width, height)
    for number, values in enumerate(samples):
        points = (2 if number == 0 else 1) * width
        places = [axis.left + (axis.right - axis.left) * (point + 0.5) / points for point in range(points)]
        shares = shares_up_to(values, [axis.value(place) for place in places])
        curve = [(place, 100 * share) for place, share in zip(places, shares, strict=True)]
        if number:
            _dots(plot, curve)
            continue
        sla = axis.place(sla_ms)
        for tone, late in ((Tone.ACCENT, False), (Tone.WARN, True)):
            if part := [point for point in curve if (point[0] >= sla) is late]:
                plot.plot(*map(list, zip(*part, strict=True)), marker="hd", color=_code(tone))
    _threshold_line(plot, axis, sla_ms, 100)
    plot.ylim(0, 100)
    every = [0.0, 25, 50, 75, 90, 100]
    levels = every if height >= 14 else [*every[:4], 100] if height >= 8 else [0.0, 50, 100]
    plot.yticks(levels, [f"{level:g}%" for level in levels])
    return _built(plot, axis, width)


def heat_chart(heat: HeatMap, sla_ms: float, width: int) -> tuple[Line, ...]:
    """Latency upwards, time to the right, a shade for how many calls there were; slower ones have another tone."""
    columns = len(heat.times) - 1
    each = max(1, (width - LABEL_WIDTH - 1) // columns)
    steps = shade_steps(heat)
    rows = len(heat.counts)
    lines: list[Line] = []
    step = 2 if rows > 6 else 1
    for row in reversed(range(rows)):
        low, high = heat.edges[row], heat.edges[row + 1]
        crossed = low <= sla_ms < high
        words = _rounded(low) if crossed or row % step == 0 else ""
        cells = "".join((" " if not count else SHADES[_shade(count, steps)]) * each for count in heat.counts[row])
        muted = Tone.WARN if crossed else Tone.MUTED
        edge = CROSSED if crossed else "┤" if words else "│"
        body = (cells, Tone.WARN if low >= sla_ms or crossed else Tone.ACCENT)
        lines.append(((f"{words[:LABEL_WIDTH]:>{LABEL_WIDTH}}", muted), (edge, muted), body))
    seconds = (heat.times[-1] - heat.times[0]).total_seconds()
    # Every so many columns the time at which that stretch begins.
    every = -(-_TIME_EVERY // each)
    places = range(0, max(1, columns - 8 // each), every)
    axis = "".join(("┬" if column in places else "─") + "─" * (each - 1) for column in range(columns))
    clock = "%H:%M:%S" if seconds < 1200 else "%H:%M" if seconds < 86400 else "%d. %H:%M"
    labels = "".join(f"{heat.times[column].strftime(clock):{every * each}}" for column in places)[: columns * each]
    lines.append(((" " * LABEL_WIDTH + "└" + axis, Tone.MUTED),))
    lines.append(((" " * (LABEL_WIDTH + 1) + labels, Tone.MUTED),))
    return tuple(lines)


def shade_steps(heat: HeatMap) -> tuple[int, ...]:
    """From how many calls on each of the SHADES stands: equal steps on a logarithmic scale, the first from one call."""
    peak = max((max(row) for row in heat.counts), default=0)
    steps: list[int] = []
    for number in range(len(SHADES)):
        least = round(peak ** (number / len(SHADES)))
        steps.append(max(least, steps[-1] + 1) if steps else 1)
    return tuple(step for step in steps if step <= peak)


def shade_legend(heat: HeatMap) -> str:
    """What the shades mean."""
    steps = shade_steps(heat)
    peak = max((max(row) for row in heat.counts), default=0)
    ends = [*(step - 1 for step in steps[1:]), peak]
    shown = [
        f"{SHADES[number]} {low}" + (f"–{high}" if high > low else "")
        for number, (low, high) in enumerate(zip(steps, ends, strict=True))
    ]
    return "  ".join(shown) or "no call in sight"


def _shade(count: int, steps: Sequence[int]) -> int:
    return bisect.bisect_right(steps, count) - 1


def _rounded(milliseconds: float) -> str:
    """An edge of a bucket, short."""
    seconds = milliseconds / 1000
    return f"{seconds:.3g}s" if seconds >= 1 else f"{milliseconds:.3g}ms"


def _plot(width: int, height: int) -> Plot:
    from textual_plotext import Plot

    plot = Plot()
    plot.theme("clear")
    plot.plotsize(width, height)
    plot._set_size(width, height)  # plotsize alone is limited by the size of the terminal of this process
    plot.ticks_color(_code(Tone.MUTED))
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    return plot


def _fill(plot: Plot, outline: Sequence[tuple[float, float]], axis: Axis, sla_ms: float) -> None:
    sla = axis.place(sla_ms)
    for tone, late in ((Tone.ACCENT, False), (Tone.WARN, True)):
        points = [(place, height) for place, height in outline if (place >= sla) is late]
        if points:
            places, heights = zip(*points, strict=True)
            plot.scatter(places, heights, fillx=True, marker="hd", color=_code(tone))


def _dots(plot: Plot, points: Sequence[tuple[float, float]]) -> None:
    if points:
        plot.scatter(*map(list, zip(*points, strict=True)), marker=SECOND, color=_code(Tone.DOUBT))


def _threshold_line(plot: Plot, axis: Axis, sla_ms: float, top: float) -> None:
    if axis.low <= sla_ms <= axis.high:
        plot.plot([axis.place(sla_ms)] * 2, [0, top], marker="│", color=_code(Tone.WARN))


def _built(plot: Plot, axis: Axis, width: int) -> tuple[Line, ...]:
    plot.xlim(axis.left, axis.right)
    ticks = axis.ticks(max(2, width // 10))
    plot.xticks([axis.place(tick) for tick in ticks], [threshold(tick) if tick else "0" for tick in ticks])
    return tuple(_line(line) for line in plot.build().rstrip("\n").split("\n"))


def _line(drawn: str) -> Line:
    """plotext's line with its colours as tones again."""
    parts: list[tuple[str, Tone]] = []
    tone, end = Tone.PLAIN, 0
    for code in _COLOUR.finditer(drawn):
        if code.start() > end:
            parts.append((drawn[end : code.start()], tone))
        numbers = code[1].split(";")
        tone = _TONES[int(numbers[2])] if numbers[:2] == ["38", "2"] else Tone.PLAIN
        end = code.end()
    if end < len(drawn):
        parts.append((drawn[end:], tone))
    return tuple(parts)


def _code(tone: Tone) -> tuple[int, int, int]:
    """A tone as a colour that plotext hands through, to be read back by `_line`."""
    return (_TONES.index(tone), 0, 0)


def _outline(
    drawn: Picture, heights: Sequence[float], points: int, *, hollow: bool = False
) -> list[tuple[float, float]]:
    """The tops of the bars at so many places of the axis, to be filled below: plotext's own bars leave gaps.

    Each bar has at least its middle: one that is narrower than a cell must not vanish. `hollow`: empty bars as well.
    """
    axis = drawn.axis
    first, last = axis.place(drawn.edges[0]), axis.place(drawn.edges[-1])
    width = (last - first) / len(heights)
    tops = [(first + (number + 0.5) * width, height) for number, height in enumerate(heights)]
    for point in range(points):
        place = axis.left + (axis.right - axis.left) * (point + 0.5) / points
        if first <= place < last:
            tops.append((place, heights[min(len(heights) - 1, int((place - first) / width))]))
    return sorted((place, height) for place, height in tops if height or hollow)
