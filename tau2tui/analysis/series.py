"""Whose latency an event tells, and what is measured of it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tau2tui.errors import NothingToRead

METRICS = ("duration_ms", "prefill_ms", "decode_ms")
DERIVED = ("queue_ms", "call_tokens_per_s")
"""What follows from the columns of a call: `queue_ms` is total − prefill − decode, where all three are known;
`call_tokens_per_s` its output tokens over its latency."""
BY = ("domain", "trial", "turn", "window")
"""What a series can be broken down by: `turn` is the step of the conversation, `window` a stretch of time. `trial`
needs the column that `outcomes.add_trial` makes."""
ORCHESTRATOR = "orchestrator"
NAMED_BY = ("type", "domain", "model", "function")
"""The columns that tell the series of an event."""


def add_series(events: pl.DataFrame) -> pl.DataFrame:
    """The events with a column `series`, which says whose latency a row tells.

    `orchestrator`, `expert:<model>`, `user_sim:<model>`, `evaluator:<model>`, `tool:<domain>:<function>`. If several
    models have `llm_call` events, the one with most of them is the orchestrator (at a tie the first by name), and any
    other is `orchestrator:<model>`. `step_complete` spans other events and belongs to no series: null.
    """
    if "series" in events.columns:
        return events
    names = events.group_by(NAMED_BY).agg(pl.len().cast(pl.Int64).alias("calls"))
    named = names.with_columns(series_names(names))
    # Of the join only the new column is taken: no other is copied.
    found = events.select(NAMED_BY).join(named, on=NAMED_BY, how="left", nulls_equal=True, maintain_order="left")
    return events.with_columns(found["series"])


def series_names(names: pl.DataFrame) -> pl.Series:
    """The column `series` for rows that tell what NAMED_BY is, and how many `calls` there are of it."""
    model, function = pl.col("model").cast(pl.String), pl.col("function").cast(pl.String)
    series = (
        pl.when(pl.col("type") == "llm_call")
        .then(
            pl.when(model.eq_missing(pl.lit(_agent_model(names), dtype=pl.String)))
            .then(pl.lit(ORCHESTRATOR))
            .otherwise(_joined(pl.lit(ORCHESTRATOR), model))
        )
        .when(pl.col("type") == "expert_call")
        .then(_joined(pl.lit("expert"), model))
        .when(pl.col("type") == "tool_call")
        .then(_joined(pl.lit("tool"), pl.col("domain").cast(pl.String).fill_null(""), function.fill_null("")))
        .when(pl.col("type").is_in(["user_sim", "evaluator"]))
        .then(_joined(pl.col("type").cast(pl.String), model))
    )
    return names.select(series.alias("series"))["series"]


def check_series(name: str, known: Sequence[str]) -> None:
    """Raises NothingToRead for a series that there is not, with some that there are."""
    if name not in known:
        raise NothingToRead(f"no series {name!r} in these logs", f"there are {', '.join(known[:12])}")


def add_derived(events: pl.DataFrame) -> pl.DataFrame:
    """The events with the columns DERIVED."""
    seconds = pl.col("duration_ms") / 1000
    return events.with_columns(
        queue_ms=pl.col("duration_ms") - pl.col("prefill_ms") - pl.col("decode_ms"),
        call_tokens_per_s=pl.when(seconds > 0).then(pl.col("output_tokens") / seconds),
    )


def _agent_model(names: pl.DataFrame) -> str | None:
    """The model with most `llm_call` events."""
    models = names.filter(pl.col("type") == "llm_call").group_by(pl.col("model").cast(pl.String))
    named = models.agg(pl.col("calls").sum()).sort("calls", "model", descending=[True, False])
    return None if named.is_empty() else named["model"][0]


def _joined(*parts: pl.Expr) -> pl.Expr:
    """`a:b:c`, without the parts that are null."""
    return pl.concat_str(parts, separator=":", ignore_nulls=True)
