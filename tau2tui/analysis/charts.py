"""Latency histograms as PNG files for a report, and the look that all of its charts have."""

from __future__ import annotations

import io
import itertools
import math
import re
import zlib
from collections.abc import Container, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui.analysis.drawing import Drawing, draw, number
from tau2tui.analysis.measures import add_series, cdf, latency_table
from tau2tui.analysis.palette import DARK, VERMILION, series_colors
from tau2tui.core.printable import line_cut
from tau2tui.files import write_atomically

_SLA, _CDF = VERMILION, DARK
HEIGHT_IN = 4.8
LEFT_IN = 0.85
"""Room for the numbers at the axis, and its name."""
_WIDTH_IN, _RIGHT_IN, _BOTTOM_IN, _TOP_IN = 9.0, 0.85, 0.65, 0.7
_PERCENTILES = ("--", "-.", ":")
"""Line styles of p50, p90 and p99: their colour is the text's, so that they read in print too."""


def write_pngs(events: pl.DataFrame, out_dir: Path, sla_ms: float) -> tuple[Path, ...]:
    """Write a latency histogram for each series but the tools into `out_dir`, in the order of `latency_table`.

    Raises OSError if that cannot be written.
    """
    events = add_series(events).filter(pl.col("type") != "tool_call")
    series = latency_table(events, sla_ms)["series"].to_list()
    values = dict(events.group_by("series").agg("duration_ms").iter_rows())
    names, colors = file_names(series), series_colors(series)
    files = []
    for name in series:
        bins = min(max(round(2 * math.sqrt(len(values[name]))), 10), 50)
        series_of = pl.Series(values[name], dtype=pl.Float64)
        if drawing := draw(series_of, sla_ms, bins):
            out_dir.mkdir(parents=True, exist_ok=True)
            files.append(out_dir / names[name])
            write_atomically(files[-1], _png(name, series_of, drawing, colors[name]))
    return tuple(files)


def file_names(series: Iterable[str]) -> dict[str, str]:
    """A file name for each series: letters, digits, `_`, `.` and `-`; equal ones are told apart by a checksum."""
    names: dict[str, str] = {}
    for name in series:
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:80].strip("._") or "series"
        if f"{stem}.png".casefold() in {other.casefold() for other in names.values()}:
            stem = f"{stem}-{zlib.crc32(name.encode('utf-8', 'replace')):08x}"
        names[name] = f"{stem}.png"
    return names


def figure_of(
    title: str, headline: str, height_in: float = HEIGHT_IN, left_in: float = LEFT_IN, panels: int = 1
) -> tuple[Any, Any]:
    """An empty figure in the look of all charts, and its first axes; further panels stand below, on the same x axis.

    Its margins are fixed: to have them computed from what is drawn (`layout="constrained"`) takes as long as to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=120)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=left_in / _WIDTH_IN,
        right=1 - _RIGHT_IN / _WIDTH_IN,
        bottom=_BOTTOM_IN / height_in,
        top=1 - _TOP_IN / height_in,
        hspace=0.12,
    )
    first = None
    for place in range(panels):
        axes = figure.add_subplot(panels, 1, place + 1, sharex=first)
        first = first or axes
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if place < panels - 1:
            axes.tick_params(labelbottom=False)
    assert first is not None  # there is at least one panel
    first.set_title(
        in_font(title), fontsize=13, fontweight="bold", loc="left", y=1, pad=22 if headline else 10, parse_math=False
    )
    first.annotate(headline, (0, 1), (0, 6), "axes fraction", "offset points", color="#555555")
    return figure, first


def legend_of(axes: Any, source: Any = None, **options: Any) -> None:
    """A legend that stays readable on whatever it covers; `source`: the axes that it explains, if others."""
    handles, labels = (source or axes).get_legend_handles_labels()
    legend = axes.legend(handles, labels, frameon=True, framealpha=0.88, edgecolor="none", fontsize=9, **options)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name from a log is no formula


def save(figure: Any) -> bytes:
    """The figure as PNG."""
    png = io.BytesIO()
    figure.canvas.print_figure(png, format="png")
    return png.getvalue()


def _png(series: str, values: pl.Series, drawing: Drawing, color: str) -> bytes:
    """Histogram with the SLA and percentiles, and above it all the distribution function on an axis of its own."""
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.ticker import MaxNLocator

    figure, axes = figure_of(series, drawing.headline)
    edges = drawing.shown.edges
    widths = [right - left for left, right in itertools.pairwise(edges)]
    axes.bar(edges[:-1], drawing.shown.counts, widths, align="edge", color=color, edgecolor="white", linewidth=0.4)
    if drawing.sla_in_sight:
        axes.axvline(drawing.sla, color=_SLA, linewidth=1.8, linestyle="--", label=f"SLA {drawing.threshold}")
    for style, (percentile, value) in zip(_PERCENTILES, drawing.percentiles, strict=True):
        label = f"p{percentile} {number(value)} {drawing.unit}" + (" →" if value > drawing.right else "")
        axes.axvline(value, color=DARK, linewidth=1.2, linestyle=style, label=label)
    axes.set_xlim(drawing.left, drawing.right)
    axes.set_xlabel(f"latency ({drawing.unit})" + (f"; {drawing.tail}" if drawing.tail else ""))
    axes.set_ylabel("calls")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    shares = axes.twinx()
    steps = [(value / drawing.per_unit, share * 100) for value, share in cdf(values, 1000)]
    shares.step(
        [drawing.left, *(value for value, _ in steps)],
        [0, *(share for _, share in steps)],
        where="post",
        color=_CDF,
        linewidth=1.6,
        path_effects=[Stroke(linewidth=3.2, foreground="white"), Normal()],
    )
    axes.plot([], [], color=_CDF, linewidth=1.6, label="share of calls, right axis")
    shares.set_ylim(0, 102)
    shares.set_ylabel("calls up to this latency, %")
    shares.spines["top"].set_visible(False)
    legend_of(shares, axes, loc="center right")
    return save(figure)


def in_font(text: str) -> str:
    """Without the characters that the font of the charts does not have."""
    known = _charmap()
    return "".join(character if ord(character) in known else "�" for character in line_cut(text, 90))


@cache
def _charmap() -> Container[int]:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans")).get_charmap()
