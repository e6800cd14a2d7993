"""Events → series, percentiles, rates. Every figure that is shown is defined here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

PERCENTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)
METRICS = ("duration_ms", "prefill_ms", "decode_ms")
DERIVED = ("queue_ms", "call_tokens_per_s")
"""What follows from the columns of a call: `queue_ms` is total − prefill − decode, where all three are known;
`call_tokens_per_s` its output tokens over its latency."""
BY = ("domain", "trial", "turn", "window")
"""What a series can be broken down by: `turn` is the step of the conversation, `window` a stretch of time. `trial`
needs the column that `outcomes.add_trial` makes."""
ORCHESTRATOR = "orchestrator"

LATENCIES = pl.Schema(
    {
        "series": pl.String(),
        "count": pl.Int64(),
        **dict.fromkeys(("mean", "std", "min", "max"), pl.Float64()),
        **dict.fromkeys((f"p{percentile}" for percentile in PERCENTILES), pl.Float64()),
        **dict.fromkeys(("under_sla", "mean_input_tokens", "mean_output_tokens", "tokens_per_s"), pl.Float64()),
        **dict.fromkeys(("input_tokens", "output_tokens"), pl.Int64()),
    }
)
"""What `latency_table` returns."""

_SERIES_ORDER = ("llm_call", "expert_call", "user_sim", "evaluator", "tool_call", "step_complete")


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges: bin i holds edges[i] ≤ x < edges[i + 1], and the last bin its upper edge too."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def add_series(events: pl.DataFrame) -> pl.DataFrame:
    """The events with a column `series`, which says whose latency a row tells.

    `orchestrator`, `expert:<model>`, `user_sim:<model>`, `evaluator:<model>`, `tool:<domain>:<function>`. If several
    models have `llm_call` events, the one with most of them is the orchestrator (at a tie the first by name), and any
    other is `orchestrator:<model>`. `step_complete` spans other events and belongs to no series: null.
    """
    if "series" in events.columns:
        return events
    names = events.select("type", "domain", "model", "function").unique()
    model, function = pl.col("model").cast(pl.String), pl.col("function").cast(pl.String)
    named = names.with_columns(
        pl.when(pl.col("type") == "llm_call")
        .then(
            pl.when(model.eq_missing(pl.lit(_agent_model(events), dtype=pl.String)))
            .then(pl.lit(ORCHESTRATOR))
            .otherwise(_joined(pl.lit(ORCHESTRATOR), model))
        )
        .when(pl.col("type") == "expert_call")
        .then(_joined(pl.lit("expert"), model))
        .when(pl.col("type") == "tool_call")
        .then(_joined(pl.lit("tool"), pl.col("domain").cast(pl.String).fill_null(""), function.fill_null("")))
        .when(pl.col("type").is_in(["user_sim", "evaluator"]))
        .then(_joined(pl.col("type").cast(pl.String), model))
        .alias("series")
    )
    keys = ["type", "domain", "model", "function"]
    # Of the join only the new column is taken: no other is copied.
    found = events.select(keys).join(named, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return events.with_columns(found["series"])


def latency_table(
    events: pl.DataFrame,
    sla_ms: float = 5000.0,
    metric: str = "duration_ms",
    by: Sequence[str] = (),
    every: str = "10m",
) -> pl.DataFrame:
    """One row of LATENCIES for each series, of the calls for which `metric` (one of METRICS or DERIVED) is known.

    With `by` (some of BY) one for each series and value of those, which stand as columns behind `series`; a window is
    `every` long, begins at whole multiples of it, and is null for calls without a time.

    Standard deviation of the population, √(Σ(x − x̄)² / n); percentiles exact, by linear interpolation between the
    closest ranks (NumPy's default, type 7 of Hyndman & Fan 1996); `under_sla` is the share of calls strictly below
    `sla_ms`. `tokens_per_s` is the sum of output tokens over the sum of latencies, both of the calls whose output
    tokens are known; `input_tokens` and `output_tokens` are sums. A series in which no call has the metric has the
    count 0 and null for everything else.
    """
    value = pl.col("value")
    if metric in DERIVED:
        events = add_derived(events)
    needed = ("type", "duration_ms", "input_tokens", "output_tokens")
    rows = _broken_down(add_series(events), by, every).select("series", *by, *needed, value=pl.col(metric))
    known = value.is_not_null()
    table = (
        rows.filter(pl.col("series").is_not_null())
        .group_by("series", *by)
        .agg(
            value.count().cast(pl.Int64).alias("count"),
            value.mean().alias("mean"),
            # Polars calls the spread of nothing 0.
            pl.when(value.count() > 0).then(value.std(ddof=0)).alias("std"),
            value.min().alias("min"),
            value.max().alias("max"),
            *(value.quantile(share / 100, "linear").alias(f"p{share}") for share in PERCENTILES),
            (value < sla_ms).mean().alias("under_sla"),
            *(pl.col(f"{way}_tokens").filter(known).mean().alias(f"mean_{way}_tokens") for way in ("input", "output")),
            *(_known_sum(f"{way}_tokens", known) for way in ("input", "output")),
            pl.col("output_tokens").sum().alias("tokens"),
            pl.col("duration_ms").filter(pl.col("output_tokens").is_not_null()).sum().alias("busy_ms"),
            pl.col("type").first(),
        )
    )
    tokens_per_s = pl.when(pl.col("busy_ms") > 0).then(pl.col("tokens") / pl.col("busy_ms") * 1000)
    order = pl.col("type").replace_strict(_SERIES_ORDER, range(len(_SERIES_ORDER)), return_dtype=pl.Int8)
    main = pl.col("series") != ORCHESTRATOR
    if by:
        most = pl.col("count").sum().over("series")
        table = table.with_columns(tokens_per_s=tokens_per_s).sort(order, main, -most, "series", *by)
    else:
        table = table.with_columns(tokens_per_s=tokens_per_s).sort(order, main, -pl.col("count"), "series")
    names = LATENCIES.names()
    return table.select(names[0], *by, *names[1:]).with_columns(
        pl.col(name).cast(kind) for name, kind in LATENCIES.items()
    )


def add_derived(events: pl.DataFrame) -> pl.DataFrame:
    """The events with the columns DERIVED."""
    seconds = pl.col("duration_ms") / 1000
    return events.with_columns(
        queue_ms=pl.col("duration_ms") - pl.col("prefill_ms") - pl.col("decode_ms"),
        call_tokens_per_s=pl.when(seconds > 0).then(pl.col("output_tokens") / seconds),
    )


def sla_share(values: pl.Series, threshold_ms: float) -> float | None:
    """The share of values strictly below a threshold, 0–1; None for no values."""
    values = values.drop_nulls()
    return values.filter(values < threshold_ms).len() / values.len() if values.len() else None


def cdf(values: pl.Series, points: int = 200) -> tuple[tuple[float, float], ...]:
    """The empirical distribution function as (value, share of values ≤ it): all of its steps, or so many of them."""
    ordered = values.drop_nulls().cast(pl.Float64).sort()
    steps = ordered.to_frame("value").with_columns(share=(pl.int_range(pl.len()) + 1) / pl.len())
    steps = steps.unique("value", keep="last", maintain_order=True)
    if steps.height > points:
        steps = steps.gather_every(-(-steps.height // (points - 1))).vstack(steps.tail(1)).unique(maintain_order=True)
    return tuple(steps.iter_rows())


def series_values(events: pl.DataFrame, series: str, metric: str = "duration_ms") -> pl.Series:
    """The known values of one series in the order of the events, milliseconds."""
    if metric in DERIVED:
        events = add_derived(events)
    return add_series(events).filter(pl.col("series") == series)[metric].drop_nulls()


def histogram(values: pl.Series, bins: int = 10, *, log: bool = False) -> Histogram:
    """Equal bins from the smallest to the largest value, as `numpy.histogram` has them; none for no values.

    With `log` the bins are equal on a logarithmic axis that begins at the smallest positive value; zeros are counted
    in the first bin.
    """
    values = values.drop_nulls().cast(pl.Float64)
    positive = values.filter(values > 0) if log else values
    low, high = positive.min(), positive.max()
    if not isinstance(low, float) or not isinstance(high, float):
        return Histogram()
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    width = (high - low) / bins
    inner = [low * (high / low) ** (edge / bins) if log else low + width * edge for edge in range(1, bins)]
    edges = (low, *inner, high)
    # The number of inner edges at or below a value is the number of its bin.
    bin_of = pl.Series(inner, dtype=pl.Float64).search_sorted(values, side="right")
    found = dict(bin_of.value_counts().iter_rows())
    return Histogram(edges, tuple(found.get(number, 0) for number in range(bins)))


TASK_STATUSES = pl.Schema(
    {
        "domain": pl.String(),
        **dict.fromkeys(("ok", "error", "skipped", "finished", "total"), pl.Int64()),
    }
)


def task_statuses(tasks: pl.DataFrame) -> pl.DataFrame:
    """Units (task × trial) of each domain by status; `total` as the newest marker of the domain says, else null.

    A unit that has several markers was run again after an error: one `ok` settles it, and `error` outweighs `skipped`.
    """
    units = tasks.group_by("domain", "trial", "task_id").agg(
        pl.col("status").eq("ok").any().alias("ok"),
        pl.col("status").eq("error").any().alias("error"),
    )
    error = pl.col("error") & ~pl.col("ok")
    counts = units.group_by("domain").agg(
        pl.col("ok").sum(),
        error.sum(),
        (~pl.col("ok") & ~pl.col("error")).sum().alias("skipped"),
        pl.len().alias("finished"),
    )
    totals = tasks.filter(pl.col("scope") == "domain").group_by("domain").agg(pl.col("total").last())
    table = counts.join(totals, on="domain", how="left").with_columns(pl.col("domain").cast(pl.String)).sort("domain")
    return table.select(TASK_STATUSES.names()).cast(TASK_STATUSES)


def wilson_interval(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float] | None:
    """The score interval of a proportion at 95 % confidence (z = 1.96); None without trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927): the interval
    that holds at small counts and near 0 and 1, where the normal approximation fails.
    """
    if trials == 0:
        return None
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def _broken_down(events: pl.DataFrame, by: Sequence[str], every: str) -> pl.DataFrame:
    """The events with the columns `by`."""
    if unknown := [name for name in by if name not in BY]:
        raise ValueError(f"no breakdown by {unknown[0]}: {', '.join(BY)}")
    columns = {"turn": pl.col("step"), "window": pl.col("at").dt.truncate(every)}
    return events.with_columns(
        pl.col("domain").cast(pl.String), **{name: columns[name] for name in by if name in columns}
    )


def _known_sum(column: str, known: pl.Expr) -> pl.Expr:
    """The sum, or null if no value is known."""
    values = pl.col(column).filter(known)
    return pl.when(values.count() > 0).then(values.sum()).alias(column)


def _agent_model(events: pl.DataFrame) -> str | None:
    """The model with most `llm_call` events."""
    calls = events.filter(pl.col("type") == "llm_call").group_by(pl.col("model").cast(pl.String)).len()
    named = calls.sort("len", "model", descending=[True, False])
    return None if named.is_empty() else named["model"][0]


def _joined(*parts: pl.Expr) -> pl.Expr:
    """`a:b:c`, without the parts that are null."""
    return pl.concat_str(parts, separator=":", ignore_nulls=True)


def _share(count: int, of: int) -> float | None:
    return count / of if of else None
