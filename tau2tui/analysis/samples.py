"""The values of one metric by series, gathered from parts of the events: eight bytes for each, and no other column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from tau2tui.analysis.frames import EVENTS
from tau2tui.analysis.series import BY, DERIVED, METRICS, NAMED_BY, ORCHESTRATOR, add_derived, series_names
from tau2tui.analysis.statistics import Floats, percentiles_of_ordered

USUAL_WINDOW = timedelta(minutes=10)
PERCENTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)

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
"""What `Samples.table` returns."""

_SERIES_ORDER = ("llm_call", "expert_call", "user_sim", "evaluator", "tool_call", "step_complete")
_SUMMED = ("calls", "input_known", "input_tokens", "output_known", "output_tokens", "tokens", "busy_ms")


class Samples:
    """What is known of one metric (one of METRICS or DERIVED), for each series and each value of `by` (some of BY).

    A window is `every` long, begins at whole multiples of it, and is null for calls without a time.
    """

    def __init__(self, metric: str = "duration_ms", by: Sequence[str] = (), every: timedelta = USUAL_WINDOW) -> None:
        """Raises ValueError for what is not in BY."""
        if unknown := [name for name in by if name not in BY]:
            raise ValueError(f"no breakdown by {unknown[0]}: {', '.join(BY)}")
        self._metric, self._by, self._every = metric, tuple(by), every
        self._heads: list[pl.DataFrame] = []
        self._values: list[Floats] = []
        self._named: pl.DataFrame | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of EVENTS that `add` needs (and `trial`, if that is asked for)."""
        own = METRICS if self._metric in DERIVED else (self._metric,)
        placed = {"turn": ("step",), "window": ("at",), "trial": ("at", "task_id")}
        more = [name for by in self._by for name in placed.get(by, ())]
        return tuple(dict.fromkeys((*NAMED_BY, "duration_ms", "input_tokens", "output_tokens", *own, *more)))

    def add(self, events: pl.DataFrame) -> None:
        """Add a part of the events.

        Where these have a column `series`, it counts; else the series are told when all parts are known.
        """
        self._named = None
        if self._metric in DERIVED:
            events = add_derived(events)
        value = pl.col("value")
        known = value.is_not_null()
        names = self._keys(events)
        found = (
            events.lazy()
            .filter(pl.col("type") != "step_complete")
            .select("duration_ms", "input_tokens", "output_tokens", value=pl.col(self._metric), **names)
            .group_by(list(names))
            .agg(
                value.drop_nulls().cast(pl.Float64).alias("values"),
                pl.len().cast(pl.Int64).alias("calls"),
                *(pl.col(f"{way}_tokens").filter(known).count().cast(pl.Int64).alias(f"{way}_known") for way in _WAYS),
                *(pl.col(f"{way}_tokens").filter(known).sum() for way in _WAYS),
                pl.col("output_tokens").sum().alias("tokens"),
                pl.col("duration_ms").filter(pl.col("output_tokens").is_not_null()).sum().alias("busy_ms"),
            )
            .collect()
        )
        end = pl.col("values").list.len().cast(pl.Int64).cum_sum()
        self._values.append(found["values"].list.explode(empty_as_null=False).to_numpy())
        self._heads.append(
            found.select(
                pl.exclude("values"),
                part=pl.lit(len(self._heads), pl.Int64),
                begin=end - pl.col("values").list.len().cast(pl.Int64),
                end=end,
            )
        )

    def _keys(self, events: pl.DataFrame) -> dict[str, pl.Expr]:
        """The columns that tell series, and those of `by`; only what tells them, so that each series is one piece."""
        kind = pl.col("type")
        if "series" in events.columns:
            keys = {"type": kind, "series": pl.col("series")}
        else:
            tool = kind == "tool_call"
            keys = {
                "type": kind,
                "domain": pl.when(tool).then("domain"),
                "model": pl.when(~tool).then("model"),
                "function": pl.when(tool).then("function"),
            }
        placed = {"turn": pl.col("step"), "window": pl.col("at").dt.truncate(self._every)}
        return keys | {f"by_{name}": placed.get(name, pl.col(name)) for name in self._by}

    def values(self, series: str) -> pl.Series:
        """The known values of one series; without `by` in the order of the events."""
        pieces = self._pieces().filter(pl.col("series") == series)
        return pl.Series(self._joined(pieces.select("part", "begin", "end").iter_rows()), dtype=pl.Float64)

    def table(self, sla_ms: float = 5000.0) -> pl.DataFrame:
        """One row of LATENCIES for each series, of the calls for which the metric is known.

        With `by` one for each series and value of those, which stand as columns behind `series`.

        Standard deviation of the population, √(Σ(x − x̄)² / n); percentiles exact, by linear interpolation between the
        closest ranks (NumPy's default, type 7 of Hyndman & Fan 1996); `under_sla` is the share of calls strictly below
        `sla_ms`. `tokens_per_s` is the sum of output tokens over the sum of latencies, both of the calls whose output
        tokens are known; `input_tokens` and `output_tokens` are sums. A series in which no call has the metric has the
        count 0 and null for everything else.
        """
        groups = (
            self._pieces()
            .group_by("series", *self._by, maintain_order=True)
            .agg(*(pl.col(name).sum() for name in _SUMMED), pl.col("type").first(), "part", "begin", "end")
        )
        statistics = [
            _statistics(self._joined(zip(*pieces, strict=True)), sla_ms)
            for pieces in groups.select("part", "begin", "end").iter_rows()
        ]
        own = {name: LATENCIES[name] for name in ("count", "mean", "std", "min", "max", *_SHARES, "under_sla")}
        table = pl.concat(
            [groups.drop("part", "begin", "end"), pl.DataFrame(statistics, schema=own)], how="horizontal"
        ).with_columns(
            *(_over(f"{way}_tokens", f"{way}_known").alias(f"mean_{way}_tokens") for way in _WAYS),
            *(pl.when(pl.col(f"{way}_known") > 0).then(f"{way}_tokens").alias(f"{way}_tokens") for way in _WAYS),
            (_over("tokens", "busy_ms") * 1000).alias("tokens_per_s"),
        )
        order = pl.col("type").replace_strict(_SERIES_ORDER, range(len(_SERIES_ORDER)), return_dtype=pl.Int8)
        most = pl.col("count").sum().over("series")
        table = table.sort(order, pl.col("series") != ORCHESTRATOR, -most, "series", *self._by)
        first, *others = LATENCIES.names()
        return table.select(first, *self._by, *others).with_columns(
            pl.col(name).cast(kind) for name, kind in LATENCIES.items()
        )

    def _pieces(self) -> pl.DataFrame:
        """`series`, what `by` names, the sums, and where the values are: one row for each part and series in it."""
        if self._named is None:
            self._named = self._name_pieces()
        return self._named

    def _name_pieces(self) -> pl.DataFrame:
        if not self._heads:
            self.add(EVENTS.to_frame().with_columns(trial=pl.lit(None, pl.Int64)))  # for the columns
        heads = pl.concat(self._heads, how="diagonal")
        if "series" not in heads.columns:
            heads = heads.with_columns(series_names(heads))
        own = [pl.col(f"by_{name}").alias(name) for name in self._by]
        pieces = heads.filter(pl.col("series").is_not_null()).select(
            "series", *own, "type", *_SUMMED, "part", "begin", "end"
        )
        return pieces.with_columns(pl.col("domain").cast(pl.String)) if "domain" in self._by else pieces

    def _joined(self, pieces: Iterable[tuple[int, int, int]]) -> Floats:
        """A copy of the values at these places."""
        return np.concatenate([np.empty(0), *(self._values[part][begin:end] for part, begin, end in pieces)])


_WAYS = ("input", "output")
_SHARES = tuple(f"p{share}" for share in PERCENTILES)


def _over(number: str, of: str) -> pl.Expr:
    return pl.when(pl.col(of) > 0).then(pl.col(number) / pl.col(of))


def _statistics(values: Floats, sla_ms: float) -> dict[str, Any]:
    """What a row says of values."""
    if not values.size:
        return {"count": 0}
    mean, std = values.mean(), values.std()
    # Polars needs a third of NumPy's time: it sorts in several threads, and NumPy's AVX-512 is slow on some machines.
    values = pl.Series(values).sort().to_numpy()
    return {
        "count": values.size,
        "mean": mean,
        "std": std,
        "min": values[0],
        "max": values[-1],
        **dict(zip(_SHARES, percentiles_of_ordered(values, PERCENTILES), strict=True)),
        "under_sla": np.searchsorted(values, sla_ms, "left") / values.size,
    }
