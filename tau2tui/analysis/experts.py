"""Which expert the orchestrator chose where, and what came of it; and what the calls cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tau2tui.analysis.measures import add_series
from tau2tui.analysis.outcomes import KEY, PASSED, add_trial

CHOICES = pl.Schema(
    {
        "domain": pl.String(),
        "expert": pl.String(),
        **dict.fromkeys(("calls", "tasks", "evaluated", "passed"), pl.Int64()),
        **dict.fromkeys(("share", "mean_reward"), pl.Float64()),
    }
)
NOBODY = "(none)"
"""The tasks that the orchestrator did without an expert."""

COSTS = pl.Schema(
    {
        "series": pl.String(),
        **dict.fromkeys(("calls", "counted", "input_tokens", "output_tokens"), pl.Int64()),
        "usd": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float


def expert_choices(events: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """For each domain and expert: calls, their share of the domain's expert calls (0–1), and how the tasks ended.

    `tasks` are those in which it was called at least once, `evaluated`, `passed` and `mean_reward` are of these. A task
    in which several experts were called counts for each of them: this shows association, not cause.
    """
    events = add_trial(add_series(events), outcomes).with_columns(pl.col("domain", "task_id").cast(pl.String))
    calls = events.filter(pl.col("type") == "expert_call").with_columns(
        expert=pl.coalesce(pl.col("series").str.strip_prefix("expert:"), pl.lit("expert"))
    )
    key = list(KEY)
    used = calls.group_by(*key, "expert").agg(pl.len().alias("calls"))
    alone = events.select(key).unique().join(used, on=key, how="anti", nulls_equal=True)
    alone = alone.with_columns(expert=pl.lit(NOBODY), calls=pl.lit(0, dtype=pl.UInt32))
    rewards = outcomes.select(*key, "reward")
    tasks = pl.concat([used, alone.select(used.columns)]).join(rewards, on=key, how="left", nulls_equal=True)
    table = tasks.group_by("domain", "expert").agg(
        pl.col("calls").sum(),
        pl.len().alias("tasks"),
        pl.col("reward").count().alias("evaluated"),
        PASSED.sum().alias("passed"),
        pl.col("reward").mean().alias("mean_reward"),
    )
    whole = pl.col("calls").sum().over("domain")
    table = table.with_columns(share=pl.when(whole > 0).then(pl.col("calls") / whole))
    table = table.sort("domain", pl.col("expert") == NOBODY, -pl.col("calls").cast(pl.Int64), "expert")
    return table.select(CHOICES.names()).cast(CHOICES)


def call_costs(events: pl.DataFrame, prices: Mapping[str, Price]) -> pl.DataFrame:
    """What each series of model calls cost, by its model's price: Σ (input · price + output · price) / 10⁶.

    Only calls whose tokens the log counts (`counted`) can be priced; `usd` is null for a model without a price, and
    where no call was counted.
    """
    models = pl.DataFrame(
        [(model, price.input, price.output) for model, price in prices.items()],
        schema={"model": pl.String, "price_in": pl.Float64, "price_out": pl.Float64},
        orient="row",
    )
    counted = pl.col("input_tokens").is_not_null() & pl.col("output_tokens").is_not_null()
    usd = (pl.col("input_tokens") * pl.col("price_in") + pl.col("output_tokens") * pl.col("price_out")) / 1e6
    calls = add_series(events).filter(pl.col("series").is_not_null(), pl.col("type") != "tool_call")
    table = (
        calls.with_columns(pl.col("model").cast(pl.String))
        .join(models, on="model", how="left", maintain_order="left")
        .group_by("series", maintain_order=True)
        .agg(
            pl.len().alias("calls"),
            counted.sum().alias("counted"),
            pl.col("input_tokens").sum(),
            pl.col("output_tokens").sum(),
            pl.when(usd.count() > 0).then(usd.sum()).alias("usd"),
        )
    )
    return table.sort("series").select(COSTS.names()).cast(COSTS)
