"""What the node agents sampled of each server, as frames: gaps stay gaps.

A row of metrics/<replica>.jsonl is `{"t": Unix seconds, "v": [numbers of agent.ROW], "T": [bucket, observations,
bucket, observations …] of the time to the first token, "E": the same end to end, "Q": [sum, count] of the time in the
queue, "I": [sum, count] of the time between tokens}`, all since the row before; or `{"t", "e": error}` for a scrape
that failed. The first row of a file, and one in some hundred after it, has in `b` the bounds of the buckets of T and E,
by which they are numbered. Agents before that wrote `{"at", "running", …}` with a counter of tokens; they are read too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui.node.agent import ROW

_FIGURES = (*ROW[1:], "queue_sum_s", "queue_count", "itl_sum_s", "itl_count")

SAMPLES = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        "replica": pl.String(),
        "attempt": pl.Int64(),
        **dict.fromkeys(_FIGURES, pl.Float64()),
        "error": pl.String(),
    }
)
"""One row for each sample; null where a server did not report. `running`, `waiting`, `kv_cache` are of that moment, the
rest is what happened in the `seconds` since the sample before. Local times, as in the logs."""

OBSERVATIONS = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        "replica": pl.String(),
        "quantity": pl.Enum(["ttft", "e2e"]),
        "low": pl.Float64(),
        "bound": pl.Float64(),
        "count": pl.Float64(),
    }
)
"""Observations since the sample before, by the bounds of their bucket in seconds."""

LONGEST_GAP_S = 45.0
"""Between two samples of a server that is scraped every 10 s; with more, some are missing."""


@dataclass(frozen=True, slots=True)
class History:
    """All samples of a run."""

    samples: pl.DataFrame
    observations: pl.DataFrame

    @property
    def replicas(self) -> tuple[str, ...]:
        return tuple(self.samples["replica"].unique().sort())

    def of(self, replicas: Iterable[str]) -> History:
        """Only of these replicas."""
        wanted = pl.col("replica").is_in(list(replicas))
        return History(self.samples.filter(wanted), self.observations.filter(wanted))

    def since(self, begin: datetime) -> History:
        """Only from this time on."""
        wanted = pl.col("at") >= begin
        return History(self.samples.filter(wanted), self.observations.filter(wanted))


def read_history(directory: Path) -> History:
    """Read every metrics/<replica>.jsonl below a directory, and what was put aside of it; torn lines are left out."""
    rows: list[tuple[Any, ...]] = []
    observed: list[tuple[Any, ...]] = []
    for path in sorted(
        directory.glob("*.jsonl*"), key=lambda path: (path.name.partition(".jsonl")[0], -len(path.name))
    ):
        replica, _, aside = path.name.partition(".jsonl")
        if aside not in ("", ".1"):
            continue
        before: dict[str, Any] = {}
        bounds: dict[str, list[float]] = {"T": [], "E": []}
        for entry in _entries(path):
            if "v" in entry or "e" in entry:
                rows.append(_row(replica, entry))
                bounds |= _bounds(entry)
                observed += _observed(replica, entry, bounds)
            else:
                rows.append(_old_row(replica, entry, before))
                before = entry
    samples = pl.DataFrame(rows, schema=SAMPLES, orient="row").sort("replica", "at", maintain_order=True)
    return History(samples, pl.DataFrame(observed, schema=OBSERVATIONS, orient="row"))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and _number(entry.get("t", entry.get("at"))) is not None:
            yield entry


def _row(replica: str, entry: dict[str, Any]) -> tuple[Any, ...]:
    told = entry.get("v")
    figures = [_number(value) for value in told] if isinstance(told, list) else []
    figures += [None] * (len(ROW) - len(figures))
    pairs = [entry[letter] if isinstance(entry.get(letter), list) else (None, None) for letter in "QI"]
    sums = [_number(value) for pair in pairs for value in (*pair, None, None)[:2]]
    attempt = None if figures[0] is None else int(figures[0])
    error = entry.get("e")
    return (_at(entry["t"]), replica, attempt, *figures[1 : len(ROW)], *sums, None if error is None else str(error))


def _bounds(entry: dict[str, Any]) -> dict[str, list[float]]:
    """The bounds of T and E that a row tells, ascending."""
    told = entry.get("b")
    if not isinstance(told, dict):
        return {}
    return {
        letter: sorted(bound for value in values if (bound := _number(value)) is not None)
        for letter, values in told.items()
        if letter in ("T", "E") and isinstance(values, list)
    }


def _observed(replica: str, entry: dict[str, Any], bounds: dict[str, list[float]]) -> Iterator[tuple[Any, ...]]:
    """The observations of a row; none of a bucket whose bounds were not told."""
    for letter, quantity in (("T", "ttft"), ("E", "e2e")):
        told, known = entry.get(letter), [*bounds[letter], math.inf]
        if not isinstance(told, list) or len(known) == 1:
            continue
        for place, count in zip(told[::2], told[1::2], strict=False):
            if isinstance(place, int) and 0 <= place < len(known) and _number(count) is not None:
                low = known[place - 1] if place else 0.0
                yield _at(entry["t"]), replica, quantity, low, known[place], float(count)


def _old_row(replica: str, entry: dict[str, Any], before: dict[str, Any]) -> tuple[Any, ...]:
    """A row of an older agent; its tokens are a counter, which begins anew with the server."""
    now, then = _number(entry.get("generation_tokens")), _number(before.get("generation_tokens"))
    figures = dict.fromkeys(_FIGURES) | {name: _number(entry.get(name)) for name in ("running", "waiting", "kv_cache")}
    if now is not None and then is not None:
        figures["seconds"] = float(entry["at"]) - float(before["at"])
        figures["generation_tokens"] = now - then if now >= then else now
    error = entry.get("error")
    return (_at(entry["at"]), replica, None, *figures.values(), None if error is None else str(error))


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# --- windows -----------------------------------------------------------------------------------------------------

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
}
"""What can be shown over time, as a column of `windows`."""


def windows(history: History, every: timedelta) -> pl.DataFrame:
    """One row for each replica and window of this length that has a sample: METRICS, and what they are made of.

    Rates are over the seconds that the window's samples cover; a quantile is taken from the observations of the whole
    window. A window without a sample has no row: `on_a_grid` makes the gap visible.
    """
    keys = [pl.col("replica"), pl.col("at").dt.truncate(every).alias("window")]
    known = history.samples.filter(pl.col("error").is_null())

    def rate(name: str) -> pl.Expr:
        # Only the seconds in which it was counted: a server may begin to report it.
        seconds = pl.col("seconds").filter(pl.col(name).is_not_null()).sum()
        return pl.when(seconds > 0).then(pl.col(name).sum() / seconds)

    def share(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole).sum() > 0).then(pl.col(part).sum() / pl.col(whole).sum())

    def total(name: str) -> pl.Expr:
        return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())

    table = (
        known.group_by(keys, maintain_order=True)
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
            share("generation_tokens", "finished").alias("answer_tokens"),
        )
        .sort("replica", "window")
    )
    for quantity in ("ttft", "e2e"):
        table = table.join(_quantiles(history, quantity, every), on=["replica", "window"], how="left")
    return table


def _quantiles(history: History, quantity: str, every: timedelta) -> pl.DataFrame:
    """p50 and p99 of each replica and window, linear in the buckets; beyond the last bound that bound.

    `p50_most_s` is the upper end of the bucket that has the median: the true one is no more.
    """
    bounds = history.observations.filter(pl.col("quantity") == quantity)
    keys = ["replica", pl.col("at").dt.truncate(every).alias("window")]
    counted = (
        bounds.group_by([*keys, "bound"])
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


def on_a_grid(table: pl.DataFrame, metric: str, every: timedelta) -> dict[str, list[float | None]]:
    """A metric of each replica in every window from the first to the last of all; None where there is a gap."""
    if table.is_empty():
        return {}
    ends = (pl.col("window").min(), pl.col("window").max())
    grid = table.select(window=pl.datetime_range(*ends, every, time_unit="ms"))
    return {
        str(replica): grid.join(rows, on="window", how="left", maintain_order="left")[metric].to_list()
        for (replica,), rows in table.group_by("replica", maintain_order=True)
    }


def state_at(history: History, at: datetime) -> pl.DataFrame:
    """The last sample of each replica up to a time, and how many seconds old it was; none that is older than a gap."""
    return (
        history.samples.filter(pl.col("at") <= at)
        .group_by("replica", maintain_order=True)
        .last()
        .with_columns(age_s=(pl.lit(at) - pl.col("at")).dt.total_milliseconds() / 1000)
        .filter(pl.col("age_s") <= LONGEST_GAP_S)
    )
