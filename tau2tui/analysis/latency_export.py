"""Latency pictures and their numbers as files: PNG and SVG by matplotlib, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tau2tui.analysis.charts import figure_of, in_font, legend_of
from tau2tui.analysis.distribution import Axis
from tau2tui.analysis.latency_figures import Figures, Sample
from tau2tui.analysis.latency_question import METRICS, PICTURE_NAMES
from tau2tui.analysis.measures import PERCENTILES, cdf
from tau2tui.analysis.palette import BLUE, DARK, ORANGE, VERMILION
from tau2tui.core.quantities import threshold
from tau2tui.errors import CommandFailed, NothingToRead, Refused
from tau2tui.files import write_atomically

_COLOURS = (BLUE, ORANGE)
_STEPS = 2000
"""Of a distribution function, at most."""
_SUMMARY = ("count", "mean", "std", "min", "max", "under_sla")


def export(figures: Figures, path: Path) -> Path:
    """Write what is drawn, in the form that the name's ending says; returns where it is.

    Raises Refused for another ending and for a file that is there already, NothingToRead if there is nothing to write,
    CommandFailed if it cannot be written.
    """
    kinds: dict[str, Callable[[Figures], bytes]] = {
        ".png": lambda drawn: _picture(drawn, "png"),
        ".svg": lambda drawn: _picture(drawn, "svg"),
        ".csv": _csv,
        ".json": _json,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise Refused(f"{path.name}: the ending must say what it shall be", "one of .png, .svg, .csv, .json")
    if figures.picture is None:
        raise NothingToRead("no call is drawn, so there is nothing to export")
    if path.exists():
        raise Refused(f"{path} is there already", "choose another name")
    try:
        write_atomically(path, kind(figures))
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None
    return path.resolve()


def _csv(figures: Figures) -> bytes:
    """The numbers of the picture, a line for each bin, step or cell; milliseconds, shares 0–1."""
    rows = {"histogram": _bin_rows, "cdf": _step_rows, "heat-map": _cell_rows}[figures.question.picture](figures)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _bin_rows(figures: Figures) -> Iterable[tuple[object, ...]]:
    assert figures.picture is not None
    yield ("series", "run", "from_ms", "to_ms", "count", "share")
    edges = figures.picture.edges
    for sample, bins in zip(figures.samples, figures.picture.bins, strict=True):
        whole = max(1, len(sample.calls))
        for place, count in enumerate(bins.counts):
            yield (*_names(sample), edges[place], edges[place + 1], count, count / whole)


def _step_rows(figures: Figures) -> Iterable[tuple[object, ...]]:
    yield ("series", "run", "latency_ms", "share_up_to")
    for sample in figures.samples:
        for value, share in cdf(sample.calls["value"], _STEPS):
            yield (*_names(sample), value, share)


def _cell_rows(figures: Figures) -> Iterable[tuple[object, ...]]:
    yield ("series", "run", "from_ms", "to_ms", "from", "to", "count")
    heat = figures.heat
    if heat is None:
        raise NothingToRead("no heat-map is drawn", "make the terminal larger, or choose another picture")
    for row, counts in enumerate(heat.counts):
        for column, count in enumerate(counts):
            times = (one.isoformat(timespec="milliseconds") for one in heat.times[column : column + 2])
            yield (*_names(figures.samples[0]), heat.edges[row], heat.edges[row + 1], *times, count)


def _json(figures: Figures) -> bytes:
    """Everything in numbers: what was asked, percentiles, bins, distribution function, and the heat-map if drawn."""
    question, drawn, heat = figures.question, figures.picture, figures.heat
    assert drawn is not None
    data: dict[str, Any] = {
        "metric": question.metric,
        "domain": question.domain or None,
        "window": str(question.window),
        "sla_ms": question.sla_ms,
        "edges_ms": drawn.edges,
        "series": [
            {
                **dict(zip(("series", "run"), _names(sample), strict=True)),
                **{name: getattr(sample.legend.row, name) for name in _SUMMARY},
                "percentiles": {f"p{share}": getattr(sample.legend.row, f"p{share}") for share in PERCENTILES},
                "counts": bins.counts,
                "before_axis": bins.below,
                "beyond_axis": bins.beyond,
                "cdf": cdf(sample.calls["value"], _STEPS),
            }
            for sample, bins in zip(figures.samples, drawn.bins, strict=True)
        ],
    }
    if heat is not None:
        times = [one.isoformat(timespec="milliseconds") for one in heat.times]
        data["heat_map"] = {"times": times, "edges_ms": heat.edges, "counts": heat.counts}
    return f"{json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode("utf-8", "replace")


def _names(sample: Sample) -> tuple[str, str]:
    return sample.legend.row.series, sample.legend.run


def _picture(figures: Figures, kind: str) -> bytes:
    question, drawn = figures.question, figures.picture
    assert drawn is not None
    of = f"{METRICS[question.metric]} time" + (f", {question.domain}" if question.domain else "")
    when = "" if question.window.whole else f", {question.window}"
    headline = f"{PICTURE_NAMES[question.picture]} of {of}{when}"
    title = " and ".join(_label(sample) for sample in figures.samples)
    figure, axes = figure_of(title, headline)
    {"histogram": _draw_histogram, "cdf": _draw_cdf, "heat-map": _draw_heat_map}[question.picture](figures, axes)
    upright = question.picture == "heat-map"
    _latency_axis(axes, drawn.axis, upright=upright)
    if drawn.axis.low <= question.sla_ms <= drawn.axis.high:
        line = axes.axhline if upright else axes.axvline
        label = f"SLA {threshold(question.sla_ms)}"
        line(question.sla_ms / 1000, color=VERMILION, linewidth=1.8, linestyle="--", label=label)
    legend_of(axes, loc="upper left" if upright else "best")
    for text in axes.get_legend().get_texts():
        text.set_parse_math(False)
    data = io.BytesIO()
    figure.canvas.print_figure(data, format=kind)
    return data.getvalue()


def _latency_axis(axes: Any, axis: Axis, *, upright: bool) -> None:
    """The axis of latencies in seconds, with plain numbers also where it is logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown, name = (axes.yaxis, "y") if upright else (axes.xaxis, "x")
    axes.set(**{f"{name}scale": "log" if axis.log else "linear", f"{name}label": "latency (s)"})
    axes.set(**{f"{name}lim": (axis.low / 1000, axis.high / 1000)})
    if axis.log:
        shown.set_major_locator(LogLocator(subs=(1, 2, 5)))
        shown.set_minor_formatter(NullFormatter())
    shown.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _label(sample: Sample) -> str:
    series, run = _names(sample)
    return f"{series} ({run})" if run else series


def _legend(sample: Sample) -> str:
    words = in_font(f"{_label(sample)}: {sample.legend.says}")
    return f" {words}" if words.startswith("_") else words  # matplotlib leaves such labels out


def _draw_histogram(figures: Figures, axes: Any) -> None:
    drawn = figures.picture
    assert drawn is not None
    edges = np.asarray(drawn.edges) / 1000
    several = len(figures.samples) > 1
    for place, (sample, bins) in enumerate(zip(figures.samples, drawn.bins, strict=True)):
        heights = np.asarray(bins.counts, dtype=float)
        heights = 100 * heights / max(1, len(sample.calls)) if several else heights
        look = {"fill": True, "alpha": 0.85} if place == 0 else {"fill": False, "linewidth": 2.0}
        axes.stairs(heights, edges, color=_COLOURS[place], label=_legend(sample), **look)
    axes.set_ylabel("calls, %" if several else "calls")


def _draw_cdf(figures: Figures, axes: Any) -> None:
    for place, sample in enumerate(figures.samples):
        steps = cdf(sample.calls["value"], _STEPS)
        axes.step(
            [0, *(value / 1000 for value, _ in steps)],
            [0, *(100 * share for _, share in steps)],
            where="post",
            color=_COLOURS[place],
            linewidth=1.8,
            linestyle="-" if place == 0 else "-.",
            label=_legend(sample),
        )
    axes.set_ylim(0, 102)
    axes.set_ylabel("calls up to this latency, %")


def _draw_heat_map(figures: Figures, axes: Any) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter

    heat = figures.heat
    if heat is None:
        raise NothingToRead("no heat-map is drawn", "make the terminal larger, or choose another picture")
    counts = np.ma.masked_equal(np.asarray(heat.counts), 0)
    peak = max(2, int(counts.max())) if counts.count() else 2
    mesh = axes.pcolormesh(
        np.asarray(heat.times, dtype="datetime64[ms]"),
        np.asarray(heat.edges) / 1000,
        counts,
        norm=LogNorm(1, peak),
        cmap="cividis_r",
    )
    bar = axes.figure.colorbar(mesh, ax=axes, label="calls", format=FuncFormatter(lambda value, _: f"{value:g}"))
    bar.minorticks_off()
    bar.set_ticks(sorted({1, round(peak**0.5), peak}))
    axes.grid(False)
    axes.tick_params(axis="x", labelrotation=30, colors=DARK)
