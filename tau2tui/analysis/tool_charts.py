"""The local tools of a domain in one chart: a domain has dozens of them, each with a few calls of milliseconds."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tau2tui.analysis.charts import LEFT_IN, figure_of, file_names, in_font, save
from tau2tui.analysis.palette import BLUE, DARK, VERMILION
from tau2tui.files import write_atomically

_MOST = 40
"""Tools in one chart: the rarer ones are only counted in its headline."""
_FLOOR_MS = 0.001
"""What is shorter stands here: a logarithmic axis has no zero."""
_ROW_IN = 0.24
_LETTER_IN = 0.078


def write_tool_charts(events: pl.DataFrame, out: Path) -> tuple[Path, ...]:
    """Write a chart for each domain that called tools. Raises OSError."""
    calls = events.filter(pl.col("type") == "tool_call").with_columns(
        domain=pl.col("domain").cast(pl.String).fill_null(""),
        tool=pl.col("function").cast(pl.String).fill_null("(unnamed)"),
        ms=pl.col("duration_ms").clip(_FLOOR_MS),
    )
    domains = calls["domain"].unique().sort().to_list()
    names = file_names(f"tools_{domain}" if domain else "tools" for domain in domains)
    files = []
    for domain, name in zip(domains, names.values(), strict=True):
        out.mkdir(parents=True, exist_ok=True)
        files.append(out / name)
        write_atomically(files[-1], _png(domain, calls.filter(pl.col("domain") == domain)))
    return tuple(files)


def tool_ranges(calls: pl.DataFrame) -> pl.DataFrame:
    """Of each tool, the most called first: `calls`, `failed`, and `p10` `p50` `p90` `p99` `max` of its milliseconds."""
    return (
        calls.group_by("tool")
        .agg(
            pl.len().alias("calls"),
            pl.col("error").sum().alias("failed"),
            *(pl.col("ms").quantile(share / 100, "linear").alias(f"p{share}") for share in (10, 50, 90, 99)),
            pl.col("ms").max().alias("max"),
        )
        .sort("calls", "tool", descending=[True, False])
    )


def _png(domain: str, calls: pl.DataFrame) -> bytes:
    """A row for each tool: from p10 to p90 a bar, p50 in it, p99 and the longest behind it."""
    from matplotlib.ticker import LogLocator, NullFormatter

    table = tool_ranges(calls)
    shown = table.head(_MOST)
    rest = table.height - shown.height
    headline = f"{calls.height} calls of {table.height} tools" + (f"; the {rest} rarest not shown" if rest else "")
    labels = [in_font(f"{row['tool'][:48]} ({row['calls']})") for row in shown.iter_rows(named=True)]
    left_in = max(LEFT_IN, 0.3 + _LETTER_IN * max(map(len, labels)))
    height_in = 1.5 + _ROW_IN * shown.height
    figure, axes = figure_of(f"Local tools{f' of {domain}' if domain else ''}", headline, height_in, left_in)
    rows = list(range(shown.height))
    low, high = shown["p10"].to_list(), shown["p90"].to_list()
    widths = [right - left for left, right in zip(low, high, strict=True)]
    axes.hlines(rows, high, shown["max"], color=BLUE, linewidth=1)
    axes.barh(rows, widths, left=low, height=0.6, color=BLUE)
    axes.plot(shown["p50"], rows, "|", color="white", markersize=9, markeredgewidth=2)
    axes.plot(shown["p50"], rows, ".", color=DARK, markersize=5)
    axes.plot(shown["p99"], rows, "|", color=VERMILION, markersize=9, markeredgewidth=2)
    for place, row in enumerate(shown.iter_rows(named=True)):
        if row["failed"]:
            axes.annotate(
                f"{row['failed']} failed",
                (row["max"], place),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(rows, labels, fontsize=9, parse_math=False)
    axes.set_ylim(shown.height - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_xscale("log")
    # Room at the right for what is written behind the longest.
    axes.set_xlim(float(shown["p10"].min()) / 1.3, float(shown["max"].max()) * 2.2)  # type: ignore[arg-type]
    axes.xaxis.set_major_locator(LogLocator(subs=(1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms, logarithmic; bar: p10 to p90, dot: p50, red: p99, line: to the longest; calls in brackets")
    return save(figure)
