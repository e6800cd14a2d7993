"""The slowest stretches of a run as its client saw them, each with what the servers said of the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tau2tui.config import VerdictsConfig
from tau2tui.core.slow_spells import Cause, Stretch, explain

CALLS = ("llm_call", "expert_call", "user_sim")
LEAST_CALLS = 3
"""A window with fewer calls says nothing of the server."""
SLOW = 1.5
"""A window is slow if its median call took so many times the usual one of its replica."""
MOST = 10
"""So many are told: who needs more looks at the history itself."""


@dataclass(frozen=True, slots=True)
class SlowSpell:
    """One window of one replica that was slow."""

    begin: datetime
    replica: str
    calls: int
    client_s: float
    """The median of the calls that ended in it."""
    usual_s: float
    """The median of all calls to this replica."""
    cause: Cause
    evidence: str


def slow_spells(
    events: pl.DataFrame,
    table: pl.DataFrame,
    models: Mapping[str, str],
    every: timedelta,
    limits: VerdictsConfig | None = None,
) -> list[SlowSpell]:
    """The slowest windows, the worst first, and MOST of them.

    `events`: EVENTS; `table`: `sampled_windows.windows` of this length; `models`: replica → model, for who its
    equals are.

    A call is counted where it ended: what the server says of that window is what made it late, as long as windows are
    longer than calls.
    """
    calls = events.filter(
        pl.col("type").cast(pl.String).is_in(CALLS) & pl.col("at").is_not_null() & pl.col("replica").is_not_null()
    ).select(
        "at",
        pl.col("replica").cast(pl.String),
        took_s=pl.col("duration_ms") / 1000,
        error=pl.col("error").fill_null(value=False),
    )
    calls = calls.filter(~pl.col("error"))
    usual = calls.group_by("replica").agg(usual_s=pl.col("took_s").median())
    slow = (
        calls.group_by("replica", pl.col("at").dt.truncate(every).alias("window"))
        .agg(calls=pl.len(), client_s=pl.col("took_s").median())
        .join(usual, on="replica")
        .filter((pl.col("calls") >= LEAST_CALLS) & (pl.col("client_s") >= SLOW * pl.col("usual_s")))
        .with_columns(times=pl.col("client_s") / pl.col("usual_s"))
        .sort("times", "window", "replica", descending=[True, False, False])
        .head(MOST)
    )
    if slow.is_empty():
        return []
    seen = {(row["replica"], row["window"]): row for row in table.iter_rows(named=True)}
    habits = {
        row["replica"]: row
        for row in table.group_by("replica")
        .agg(pl.col("prefix_hit_share").median(), pl.col("answer_tokens").median())
        .iter_rows(named=True)
    }
    found = []
    for row in slow.iter_rows(named=True):
        stretch = _stretch(row, seen, habits.get(row["replica"], {}), models)
        cause, evidence = explain(stretch, limits)
        found.append(
            SlowSpell(row["window"], row["replica"], row["calls"], row["client_s"], row["usual_s"], cause, evidence)
        )
    return found


def _stretch(
    row: Mapping[str, Any],
    seen: Mapping[tuple[str, datetime], Mapping[str, Any]],
    habit: Mapping[str, Any],
    models: Mapping[str, str],
) -> Stretch:
    replica, window = row["replica"], row["window"]
    here = seen.get((replica, window))
    if here is None:
        return Stretch(row["client_s"], row["usual_s"], sampled=False)
    equals = [other for other in models if other != replica and models[other] == models.get(replica)]
    others = pl.Series([_busy(seen.get((other, window))) for other in equals], dtype=pl.Float64).drop_nulls().median()
    return Stretch(
        client_s=row["client_s"],
        usual_client_s=row["usual_s"],
        server_most_s=here["e2e_p50_most_s"],
        kv_cache=here["kv_cache"],
        waiting=here["waiting_most"],
        preemptions=here["preemptions"],
        queue_s=here["queue_s"],
        busy=_busy(here),
        busy_others=others if isinstance(others, float) else None,
        hit_share=here["prefix_hit_share"],
        usual_hit_share=habit.get("prefix_hit_share"),
        answer_tokens=here["answer_tokens"],
        usual_answer_tokens=habit.get("answer_tokens"),
    )


def _busy(row: Mapping[str, Any] | None) -> float | None:
    """Requests that ran or waited, in the mean."""
    return None if row is None or row["running"] is None else row["running"] + (row["waiting"] or 0.0)
