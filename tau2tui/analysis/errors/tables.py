"""The tables of an error budget: by class, by where it happened, alike ones together, and the units that were lost."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tau2tui.analysis.errors.budget import UNITS, ErrorBudget
from tau2tui.analysis.errors.fates import Fate

DIMENSIONS: Mapping[str, str] = {"domain": "domain", "model": "model", "replica": "replica", "task": "task_id"}
"""What errors are counted by → its column."""
NOT_SAID = "unknown"
_ALIKE_TEXT = 160

BY_CLASS = pl.Schema(
    {
        "class": pl.String(),
        "errors": pl.Int64(),
        **dict.fromkeys(map(str, Fate), pl.Int64()),
        "retried": pl.Int64(),
        "per_call": pl.Float64(),
        "per_task": pl.Float64(),
        "recent": pl.Int64(),
        "recent_per_call": pl.Float64(),
        "recent_per_task": pl.Float64(),
    }
)
"""One row for each class that occurred; `retried`: a line says that another attempt followed.

The rates are 0–1 of the agent's calls and of the units with a marker, over the whole run and over the last minutes;
null where there were none; they may exceed 1.
"""

_COUNTS = (
    pl.len().alias("errors"),
    *(pl.col("fate").eq(str(fate)).sum().alias(str(fate)) for fate in Fate),
    pl.col("said").eq("retry").sum().alias("retried"),
)


def by_class(budget: ErrorBudget) -> pl.DataFrame:
    """BY_CLASS, the most frequent first."""
    failures = budget.failures
    recent = budget.recent(failures).group_by("class").agg(pl.len().alias("recent"))
    table = failures.group_by("class").agg(_COUNTS)
    return _with_rates(table.join(recent, on="class", how="left"), budget).sort(
        "errors", "class", descending=[True, False]
    )


def totals(budget: ErrorBudget) -> pl.DataFrame:
    """The same for all classes together: one row."""
    failures = budget.failures
    table = failures.select(
        pl.lit("all").alias("class"),
        *_COUNTS,
        pl.lit(budget.recent(failures).height).alias("recent"),
    ).head(1)
    if failures.is_empty():
        table = pl.DataFrame(
            [{"class": "all", "errors": 0, **dict.fromkeys((*map(str, Fate), "retried", "recent"), 0)}]
        )
    return _with_rates(table, budget)


def by_dimension(budget: ErrorBudget, dimension: str) -> pl.DataFrame:
    """One row for each value of one of DIMENSIONS: `errors`, `lost`, `recent`, `calls`, `per_call`, and the `classes`.

    Calls are those of the agent by domain and task, and all of its own by model and replica. What no line tells is
    NOT_SAID, and has no calls.
    """
    column = DIMENSIONS[dimension]
    keys = ["domain", column] if dimension == "task" else [column]
    failures = budget.failures.with_columns(pl.col(keys).replace("", NOT_SAID))
    recent = budget.recent(failures).group_by(keys).agg(pl.len().alias("recent"))
    calls = budget.calls if dimension in ("model", "replica") else budget.calls.filter("agent")
    table = failures.group_by(keys).agg(
        pl.len().alias("errors"),
        pl.col("fate").eq(str(Fate.LOST)).sum().alias("lost"),
        pl.col("class").value_counts(sort=True, name="count").alias("classes"),
    )
    table = table.join(recent, on=keys, how="left").join(
        calls.group_by(keys).agg(pl.len().alias("calls")), on=keys, how="left"
    )
    return (
        table.with_columns(pl.col("recent").fill_null(0), per_call=_share("errors", pl.col("calls")))
        .sort("errors", *keys, descending=[True, *[False] * len(keys)])
        .select(*keys, "errors", "lost", "recent", "calls", "per_call", "classes")
    )


def alike(failures: pl.DataFrame) -> pl.DataFrame:
    """Errors that differ in numbers only, together: `count`, when first and last, and the first one as an example.

    Alike are those of one class, exception, innermost frame and text, in which every number counts as the same.
    """
    same = pl.col("text").str.replace_all(r"0x[0-9a-fA-F]+|\d+", "N").str.slice(0, _ALIKE_TEXT)
    return (
        failures.with_columns(same=same)
        .group_by("class", "exception", "place", "same", maintain_order=True)
        .agg(
            pl.len().alias("count"),
            pl.col("at").min().alias("first"),
            pl.col("at").max().alias("last"),
            pl.col("text").first(),
            pl.col("example").first(),
            pl.col("file").first(),
            pl.col("line").first(),
        )
        .sort("count", descending=True, maintain_order=True)
        .drop("same")
    )


def lost_units(budget: ErrorBudget) -> pl.DataFrame:
    """Units that ended in error, or never came back: UNITS, when, and the `class` and `text` of the last error in them.

    The class is NOT_SAID where no line tells of an error.
    """
    lost = budget.failures.filter((pl.col("fate") == str(Fate.LOST)) & (pl.col("task_id") != ""))
    last = lost.group_by(UNITS, maintain_order=True).agg(pl.col("at", "class", "text").last())
    failed = budget.units.filter(pl.col("status") == "error").select(*UNITS, pl.col("at").alias("ended"))
    told = failed.join(
        lost.group_by("domain", "task_id", maintain_order=True).agg(
            pl.col("class").last().alias("told"), pl.col("text").last().alias("words")
        ),
        on=["domain", "task_id"],
        how="left",
    )
    table = told.join(last, on=list(UNITS), how="full", coalesce=True)
    # An error that names no trial is told of in the units of its task.
    table = table.filter(pl.col("trial").is_not_null() | ~_is_in(table, failed))
    return table.select(
        *UNITS,
        at=pl.coalesce("ended", "at"),
        **{"class": pl.coalesce("class", "told", pl.lit(NOT_SAID)), "text": pl.coalesce("text", "words", pl.lit(""))},
    ).sort("at", *UNITS, nulls_last=True)


def _is_in(table: pl.DataFrame, failed: pl.DataFrame) -> pl.Series:
    known = failed.select("domain", "task_id").unique().with_columns(known=pl.lit(value=True))
    return table.join(known, on=["domain", "task_id"], how="left", maintain_order="left")["known"].fill_null(
        value=False
    )


def _with_rates(table: pl.DataFrame, budget: ErrorBudget) -> pl.DataFrame:
    calls, tasks = budget.agent_calls, budget.tasks
    recent_calls = budget.recent(budget.calls.filter("agent")).height
    recent_tasks = budget.recent(budget.units).height
    return (
        table.with_columns(pl.col("recent").fill_null(0))
        .with_columns(
            per_call=_share("errors", pl.lit(calls)),
            per_task=_share("errors", pl.lit(tasks)),
            recent_per_call=_share("recent", pl.lit(recent_calls)),
            recent_per_task=_share("recent", pl.lit(recent_tasks)),
        )
        .select(BY_CLASS.names())
        .cast(BY_CLASS)
    )


def _share(count: str, of: pl.Expr) -> pl.Expr:
    return pl.when(of > 0).then(pl.col(count) / of)
