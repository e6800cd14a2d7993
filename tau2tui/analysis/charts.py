"""Latency histograms: as PNG files for a report, and as text for a terminal."""

from __future__ import annotations

import io
import itertools
import math
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from tau2tui.analysis.drawing import Drawing, draw, number, printable
from tau2tui.analysis.files import write_atomically
from tau2tui.analysis.measures import add_series, latency_table

_BAR, _SLA, _PERCENTILES = "#4878a8", "#c03028", ("#2a9d5c", "#d98a1e", "#7b4fa3")


def write_pngs(events: pl.DataFrame, out_dir: Path, sla_ms: float) -> tuple[Path, ...]:
    """Write a latency histogram for each series into `out_dir`, in the order of `latency_table`.

    Raises OSError if that cannot be written.
    """
    events = add_series(events)
    series = latency_table(events, sla_ms)["series"].to_list()
    values = dict(events.group_by("series").agg("duration_ms").iter_rows())
    names = file_names(series)
    files = []
    for name in series:
        bins = min(max(round(2 * math.sqrt(len(values[name]))), 10), 50)
        if drawing := draw(pl.Series(values[name], dtype=pl.Float64), sla_ms, bins):
            out_dir.mkdir(parents=True, exist_ok=True)
            files.append(out_dir / names[name])
            write_atomically(files[-1], _png(name, drawing))
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


def _png(series: str, drawing: Drawing) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 4.8), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    edges = drawing.shown.edges
    widths = [right - left for left, right in itertools.pairwise(edges)]
    axes.bar(edges[:-1], drawing.shown.counts, widths, align="edge", color=_BAR, edgecolor="white", linewidth=0.4)
    if drawing.sla_in_sight:
        axes.axvline(drawing.sla, color=_SLA, linewidth=1.8, linestyle="--", label=f"SLA {drawing.threshold}")
    for color, (percentile, value) in zip(_PERCENTILES, drawing.percentiles, strict=True):
        label = f"p{percentile} {number(value)} {drawing.unit}" + (" →" if value > drawing.right else "")
        axes.axvline(value, color=color, linewidth=1.4, label=label)
    axes.set_xlim(drawing.left, drawing.right)
    axes.set_title(_in_font(series), fontsize=13, fontweight="bold", loc="left", pad=22, parse_math=False)
    axes.text(0, 1.02, drawing.headline, transform=axes.transAxes, color="#555555")
    axes.set_xlabel(f"latency ({drawing.unit})" + (f"; {drawing.tail}" if drawing.tail else ""))
    axes.set_ylabel("calls")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    png = io.BytesIO()
    canvas.print_figure(png, format="png")
    return png.getvalue()


def _in_font(text: str) -> str:
    """Without the characters that the font of the charts does not have."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return "".join(character if ord(character) in known else "�" for character in printable(text, 90))
