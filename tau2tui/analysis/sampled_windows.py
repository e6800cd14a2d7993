"""Samples of the node agents in windows of time: rates, shares and quantiles of each replica; gaps stay gaps."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from tau2tui.analysis.history import LONGEST_GAP_S, OBSERVATIONS, SAMPLES, History, histories, read_history
from tau2tui.core.model import Load
from tau2tui.core.past import Sampled

NO_HISTORY = History(SAMPLES.to_frame(), OBSERVATIONS.to_frame())
LATELY_S = 65.0
"""The last minute, as the node agent has it in the load of a replica: with a little slack."""
LATELY = (
    *("generation_tokens_s", "prompt_tokens_s", "requests_s", "ttft_p50_s", "ttft_p99_s", "e2e_p50_s", "e2e_p99_s"),
    *("queue_s", "itl_s", "prefix_hit_share", "failed_share", "failed_per_min"),
)
"""Those of METRICS that are of the last minute in a state; the others are of its last sample."""

METRICS = {
    "running": "requests that run",
    "waiting": "requests that wait",
    "kv_cache": "share of the KV cache in use, the most",
    "generation_tokens_s": "tokens generated a second",
    "prompt_tokens_s": "prompt tokens a second",
    "requests_s": "requests that ended a second",
    "ttft_p50_s": "time to the first token, median",
    "ttft_p99_s": "time to the first token, p99",
    "e2e_p50_s": "end to end, median",
    "e2e_p99_s": "end to end, p99",
    "queue_s": "time in the queue, mean",
    "itl_s": "time between two tokens, mean",
    "prefix_hit_share": "prompt tokens found in the prefix cache",
    "preemptions": "preemptions",
    "failed_share": "responses with 5xx",
    "failed_per_min": "responses with 5xx a minute",
}
"""What can be shown over time, as a column of `windows`."""


def read_windows(
    directory: Path,
    every: timedelta,
    *,
    replicas: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """`windows` of what lies in a directory, in the memory that one replica takes."""
    parts = [windows(part, every) for part in histories(directory, replicas=replicas, since=since, until=until)]
    return pl.concat(parts) if parts else windows(NO_HISTORY, every)


def windows(history: History, every: timedelta) -> pl.DataFrame:
    """One row for each replica and window of this length that has a sample: METRICS, and what they are made of.

    Rates are over the seconds that the window's samples cover; a quantile is taken from the observations of the whole
    window. A window without a sample has no row: `on_a_grid` makes the gap visible.
    """
    window = pl.col("at").dt.truncate(every).alias("window")
    return _in_windows(history.samples.with_columns(window), history.observations.with_columns(window))


def _in_windows(samples: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """The same of samples and observations that have their window in a column."""
    known = samples.filter(pl.col("error").is_null())

    def rate(name: str) -> pl.Expr:
        # Only the seconds in which it was counted: a server may begin to report it.
        seconds = pl.col("seconds").filter(pl.col(name).is_not_null()).sum()
        return pl.when(seconds > 0).then(pl.col(name).sum() / seconds)

    def share(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole).sum() > 0).then(pl.col(part).sum() / pl.col(whole).sum())

    def total(name: str) -> pl.Expr:
        return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())

    table = (
        known.group_by("replica", "window", maintain_order=True)
        .agg(
            pl.len().alias("samples"),
            pl.col("running").mean(),
            pl.col("waiting").mean(),
            pl.col("waiting").max().alias("waiting_most"),
            pl.col("kv_cache").max(),
            rate("generation_tokens").alias("generation_tokens_s"),
            rate("prompt_tokens").alias("prompt_tokens_s"),
            rate("finished").alias("requests_s"),
            share("queue_sum_s", "queue_count").alias("queue_s"),
            share("itl_sum_s", "itl_count").alias("itl_s"),
            share("prefix_hits", "prefix_queries").alias("prefix_hit_share"),
            total("preemptions").alias("preemptions"),
            share("failed", "http").alias("failed_share"),
            (60 * rate("failed")).alias("failed_per_min"),
            share("generation_tokens", "finished").alias("answer_tokens"),
        )
        .sort("replica", "window")
    )
    for quantity in ("ttft", "e2e"):
        table = table.join(_quantiles(observations, quantity), on=["replica", "window"], how="left")
    return table


def _quantiles(observations: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """p50 and p99 of each replica and window, linear in the buckets; beyond the last bound that bound.

    `p50_most_s` is the upper end of the bucket that has the median: the true one is no more.
    """
    counted = (
        observations.filter(pl.col("quantity") == quantity)
        .group_by("replica", "window", "bound")
        .agg(pl.col("count").sum(), pl.col("low").max())
        .sort("replica", "window", "bound")
        .with_columns(
            reached=pl.col("count").cum_sum().over("replica", "window"),
            total=pl.col("count").sum().over("replica", "window"),
        )
        .filter(pl.col("total") > 0)
    )

    def at(q: float) -> pl.Expr:
        rank = q * pl.col("total")
        inside = (rank - (pl.col("reached") - pl.col("count"))) / pl.col("count")
        high = pl.when(pl.col("bound").is_infinite()).then(pl.col("low")).otherwise(pl.col("bound"))
        value = pl.col("low") + (high - pl.col("low")) * inside
        return value.filter(pl.col("reached") >= rank - 1e-9).first()

    half = pl.col("bound").filter(pl.col("reached") >= 0.5 * pl.col("total") - 1e-9).first()
    return counted.group_by("replica", "window", maintain_order=True).agg(
        half.alias(f"{quantity}_p50_most_s"), at(0.5).alias(f"{quantity}_p50_s"), at(0.99).alias(f"{quantity}_p99_s")
    )


def on_a_grid(
    table: pl.DataFrame, metric: str, every: timedelta, ends: tuple[datetime, datetime] | None = None
) -> dict[str, list[float | None]]:
    """A metric of each replica in every window from the first to the last of all, or of `ends`; None for a gap."""
    if table.is_empty():
        return {}
    first, last = ends or (pl.col("window").min(), pl.col("window").max())
    grid = table.select(window=pl.datetime_range(first, last, every, time_unit="ms"))
    return {
        str(replica): grid.join(rows, on="window", how="left", maintain_order="left")[metric].to_list()
        for (replica,), rows in table.group_by("replica", maintain_order=True)
    }


def state_at(history: History, at: datetime) -> pl.DataFrame:
    """The last sample of each replica up to a time, how many seconds old it was (`age_s`), and LATELY; none that is
    older than a gap.
    """
    last = (
        history.samples.filter(pl.col("at") <= at)
        .group_by("replica", maintain_order=True)
        .last()
        .with_columns(age_s=(pl.lit(at) - pl.col("at")).dt.total_milliseconds() / 1000)
        .filter(pl.col("age_s") <= LONGEST_GAP_S)
    )
    # What lies between two samples is told by the second: so many seconds before the last one a sample still counts.
    lately = (pl.col("at") <= at) & (pl.col("at") > at - timedelta(seconds=LATELY_S))
    one = pl.lit(at).alias("window")
    table = _in_windows(
        history.samples.filter(lately).with_columns(one), history.observations.filter(lately).with_columns(one)
    )
    return last.join(table.select("replica", *LATELY), on="replica", how="left", maintain_order="left")


def read_state(directory: Path, at: datetime, replicas: Collection[str] | None = None) -> pl.DataFrame:
    """`state_at` of what lies in a directory: only a minute or two of it is read."""
    since = at - timedelta(seconds=max(LATELY_S, LONGEST_GAP_S))
    return state_at(read_history(directory, replicas=replicas, since=since, until=at), at)


def sampled(state: pl.DataFrame) -> dict[str, Sampled]:
    """The rows of a state by replica, in the words of the fleet."""
    names = [name for name in Load.__dataclass_fields__ if name in state.columns]
    return {
        row["replica"]: Sampled(
            row["age_s"], row["attempt"], Load(**{name: row[name] for name in names}), row["error"] or ""
        )
        for row in state.iter_rows(named=True)
    }
