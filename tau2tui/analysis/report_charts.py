"""Charts of a whole run: experts and tools stacked, and what happened over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tau2tui.analysis.charts import figure_of, in_font, legend_of, save, write_pngs
from tau2tui.analysis.drawing import draw, number
from tau2tui.analysis.measures import ORCHESTRATOR, add_series
from tau2tui.analysis.pace import finish_times, timeline
from tau2tui.analysis.palette import BLUE, DARK, OTHERS, VERMILION, series_colors, stack_colors
from tau2tui.analysis.run_files import Side
from tau2tui.analysis.tool_charts import write_tool_charts
from tau2tui.files import write_atomically

_STACK_BINS = 40
_TOOLS = 7
"""So many tools have a colour of their own; the rarer ones are drawn together."""


def write_charts(side: Side, failures: pl.DataFrame, out: Path, sla_ms: float) -> tuple[Path, ...]:
    """Write every chart into `out`: timeline, stacks, one for each series, the tools by domain.

    `failures`: the errors as `error_budget` finds them. Raises OSError.
    """
    events = add_series(side.logs.events)
    charts = {
        "timeline.png": _timeline(side, failures["at"]),
        "experts_stacked.png": _experts(events, sla_ms),
        "tools_stacked.png": _tools(events),
    }
    files = []
    for name, png in charts.items():
        if png is not None:
            out.mkdir(parents=True, exist_ok=True)
            files.append(out / name)
            write_atomically(files[-1], png)
    return (*files, *write_pngs(events, out, sla_ms), *write_tool_charts(events, out))


def _experts(events: pl.DataFrame, sla_ms: float) -> bytes | None:
    calls = events.filter(pl.col("type") == "expert_call")
    drawing = draw(calls["duration_ms"], sla_ms, _STACK_BINS)
    if drawing is None:
        return None
    names = calls["series"].value_counts(sort=True)["series"].to_list()
    figure, axes = figure_of("Expert calls", drawing.headline)
    edges = np.linspace(0, drawing.shown.edges[-1], _STACK_BINS + 1)
    parts = {name: calls.filter(pl.col("series") == name)["duration_ms"] / drawing.per_unit for name in names}
    _stack(axes, edges, parts, series_colors(events["series"].drop_nulls()))
    if drawing.sla_in_sight:
        axes.axvline(drawing.sla, color=VERMILION, linewidth=1.8, linestyle="--", label=f"SLA {drawing.threshold}")
    axes.set_xlim(0, drawing.right)
    axes.set_xlabel(f"latency ({drawing.unit})" + (f"; {drawing.tail}" if drawing.tail else ""))
    axes.set_ylabel("calls")
    axes.margins(y=0.08)
    legend_of(axes)
    return save(figure)


def _tools(events: pl.DataFrame) -> bytes | None:
    """On a logarithmic axis: a look-up takes a tenth of a millisecond, some tools a second."""
    from matplotlib.ticker import LogLocator, NullFormatter

    calls = events.filter((pl.col("type") == "tool_call") & (pl.col("duration_ms") > 0))
    if calls.is_empty():
        return None
    named = calls.with_columns(tool=pl.col("function").cast(pl.String).fill_null("(unnamed)"))
    order = named["tool"].value_counts(sort=True)["tool"].to_list()
    own = order[:_TOOLS]
    named = named.with_columns(pl.when(pl.col("tool").is_in(own)).then("tool").otherwise(pl.lit(OTHERS)).alias("tool"))
    parts = {name: named.filter(pl.col("tool") == name)["duration_ms"] for name in (*own, OTHERS)}
    low, high = (float(edge) for edge in np.percentile(calls["duration_ms"].to_numpy(), [0, 100]))
    edges = np.geomspace(low / 1.05, high * 1.05, _STACK_BINS + 1)
    figure, axes = figure_of("Local tool calls, all domains", f"{calls.height} calls of {len(order)} tools")
    _stack(axes, edges, {name: values for name, values in parts.items() if values.len()}, stack_colors(own))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"latency (ms, logarithmic); longest {number(high)} ms")
    axes.set_ylabel("calls")
    axes.margins(y=0.08)
    legend_of(axes)
    return save(figure)


def _stack(axes: Any, edges: Any, parts: Mapping[str, pl.Series], colors: Mapping[str, str]) -> None:
    bottom = np.zeros(len(edges) - 1)
    for name, values in parts.items():
        counts, _ = np.histogram(values.to_numpy(), edges)
        label = f"{in_font(name.removeprefix('expert:'))} ({values.len()})"
        look = {"color": colors[name], "edgecolor": "white", "linewidth": 0.4}
        axes.bar(edges[:-1], counts, np.diff(edges), bottom, align="edge", label=label, **look)
        bottom += counts


def _timeline(side: Side, errors: pl.Series) -> bytes | None:
    """Throughput, errors and KV-cache use, one below the other, on the same clock."""
    from matplotlib.dates import ConciseDateFormatter

    table = timeline(side.logs, finish_times(side.logs, side.files.outcomes), errors)
    if table.height < 2:
        return None
    samples = side.files.samples.filter(pl.col("kv_cache").is_not_null())
    panels_count = 3 if samples.height else 2
    figure, first = figure_of("Timeline", "", 1.2 + 2.4 * panels_count, panels=panels_count)
    panels: Sequence[Any] = figure.axes
    times = table["at"].to_list()
    seconds = (times[1] - times[0]).total_seconds()
    per_minute = 60 / seconds
    ends = [*times, times[-1] + (times[1] - times[0])]
    steps, tasks = ((table[name] * per_minute).to_list() for name in ("steps", "tasks"))
    first.step(ends, [*steps, steps[-1]], where="post", color=BLUE, linewidth=1.6)
    first.set_ylabel("steps/min", color=BLUE)
    first.set_ylim(bottom=0)
    right = first.twinx()
    right.step(ends, [*tasks, tasks[-1]], where="post", color=VERMILION, linewidth=1.6, linestyle="--")
    right.set_ylabel("tasks finished/min (dashed)", color=VERMILION)
    right.set_ylim(bottom=0)
    right.spines["top"].set_visible(False)
    _errors(panels[1], table, errors.null_count(), seconds)
    if samples.height:
        _kv_use(panels[2], samples, _models(side), f"{max(round(seconds), 10)}s")
    panels[-1].set_xlim(ends[0], ends[-1])
    dates = ConciseDateFormatter(panels[-1].xaxis.get_major_locator())  # type: ignore[no-untyped-call]
    panels[-1].xaxis.set_major_formatter(dates)
    panels[-1].set_xlabel(f"local time, windows of {_length(seconds)}")
    return save(figure)


def _errors(axes: Any, table: pl.DataFrame, untimed: int, seconds: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.bar(table["at"].to_list(), table["errors"], width=seconds / 86400, align="edge", color=VERMILION)
    axes.set_ylabel(f"errors in {_length(seconds)}")
    axes.set_ylim(0, max(int(table["errors"].max() or 0), 1) * 1.15)  # type: ignore[arg-type]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    said = [f"{table['errors'].sum() or 'no'} errors"] + ([f"and {untimed} without a time"] if untimed else [])
    axes.text(0.01, 0.97, " ".join(said), transform=axes.transAxes, color="#555555", va="top")


def _kv_use(axes: Any, samples: pl.DataFrame, models: Mapping[str, str], every: str) -> None:
    """The mean of each expert's replicas, and a band from the least to the most used one."""
    colors = series_colors(models.values())
    named = samples.with_columns(
        expert=pl.col("replica").str.replace(r"-\d+$", ""), window=pl.col("at").dt.truncate(every)
    )
    use = pl.col("kv_cache") * 100
    table = named.group_by("expert", "window").agg(
        use.mean().alias("mean"), use.min().alias("low"), use.max().alias("high")
    )
    for expert in table["expert"].unique().sort():
        rows = table.filter(pl.col("expert") == expert).sort("window")
        color = colors.get(models.get(expert, expert), colors.get(expert, "#999999"))
        axes.plot(rows["window"], rows["mean"], color=color, linewidth=1.6, label=in_font(expert))
        axes.fill_between(rows["window"], rows["low"], rows["high"], color=color, alpha=0.18, linewidth=0)
    axes.axhline(70, color=DARK, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 100)
    axes.set_ylabel("KV cache in use, %")
    legend_of(axes, ncols=5, loc="upper left")


def _models(side: Side) -> dict[str, str]:
    """The series in which each expert of the configuration is measured."""
    experts = side.files.config.experts if side.files.config else {}
    by_role = {"agent": ORCHESTRATOR, "user": "user_sim"}
    return {name: by_role.get(one.role, f"expert:{one.model}") for name, one in experts.items()}


def _length(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
