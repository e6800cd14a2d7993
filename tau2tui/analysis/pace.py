"""How fast a run went: steps and tasks over time, inside and outside the stretch in which the fleet was busy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tau2tui.analysis.frames import Logs

ACTIVE_KV = 0.7
"""The share of the KV cache in use above which a fleet counts as busy."""

TIMELINE = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        **dict.fromkeys(("calls", "steps", "tasks", "errors"), pl.Int64()),
    }
)
"""Counts in windows of equal length, those without anything too."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Counts within a stretch of time; the rates are null where it has no length."""

    begin: datetime
    end: datetime
    steps: int
    tasks: int

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()

    @property
    def steps_per_s(self) -> float | None:
        return self.steps / self.seconds if self.seconds > 0 else None

    @property
    def tasks_per_min(self) -> float | None:
        return 60 * self.tasks / self.seconds if self.seconds > 0 else None


def active_window(samples: pl.DataFrame, above: float = ACTIVE_KV) -> tuple[datetime, datetime] | None:
    """From the first to the last sample (of any replica) with KV-cache usage above the share; None without one."""
    busy = samples.filter(pl.col("kv_cache") > above)["at"].drop_nulls()
    first, last = busy.min(), busy.max()
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def pace(logs: Logs, finished: pl.Series, window: tuple[datetime, datetime] | None = None) -> Pace | None:
    """Steps and tasks in a window, ends included, or in the whole run, from its first call to its last event.

    Steps are `step_complete` events, or where a log has none the orchestrator's calls; `finished`: when each task
    ended. None if no event has a time.
    """
    whole = span(logs.events)
    begin, end = window or whole or (None, None)
    if begin is None or end is None:
        return None
    steps = step_times(logs.events)
    return Pace(begin, end, *(int(times.is_between(begin, end).sum()) for times in (steps, finished.drop_nulls())))


def span(events: pl.DataFrame) -> tuple[datetime, datetime] | None:
    """When the first call began and when the last event ended: a profile line is written at the end of its call."""
    times = events.select(
        first=(pl.col("at") - pl.duration(microseconds=pl.col("duration_ms") * 1000)).min(), last=pl.col("at").max()
    ).row(0)
    return (times[0], times[1]) if times[0] is not None else None


def step_times(events: pl.DataFrame) -> pl.Series:
    """When each step ended."""
    kinds = set(events["type"].unique())
    kind = "step_complete" if "step_complete" in kinds else "llm_call"
    return events.filter(pl.col("type") == kind)["at"].drop_nulls()


def finish_times(logs: Logs, outcomes: pl.DataFrame) -> pl.Series:
    """When each task ended: as its unit says, else as its marker is stamped, else its last event."""
    if outcomes["finished_at"].drop_nulls().len():
        return outcomes["finished_at"].drop_nulls()
    if logs.tasks["at"].drop_nulls().len():
        return logs.tasks.filter(pl.col("status") != "skipped")["at"].drop_nulls()
    done = logs.tasks.filter(pl.col("status") != "skipped").select(pl.col("domain").cast(pl.String), "task_id").unique()
    last = logs.events.group_by(pl.col("domain", "task_id").cast(pl.String)).agg(pl.col("at").max())
    return done.join(last, on=["domain", "task_id"])["at"].drop_nulls()


def timeline(logs: Logs, finished: pl.Series, errors: pl.Series, windows: int = 60) -> pl.DataFrame:
    """About so many windows of TIMELINE over the whole run, each a round number of seconds long.

    `finished`: when each task ended; `errors`: when each error was.
    """
    whole = span(logs.events)
    if whole is None:
        return TIMELINE.to_frame()
    every = f"{round_seconds((whole[1] - whole[0]).total_seconds() / windows)}s"
    calls = logs.events.filter(pl.col("type").is_in(["llm_call", "expert_call"]))["at"]
    counted = {"calls": calls, "steps": step_times(logs.events), "tasks": finished, "errors": errors}
    begin, end = (pl.Series([moment]).cast(pl.Datetime("ms")).dt.truncate(every)[0] for moment in whole)
    table = pl.datetime_range(begin, end, every, time_unit="ms", eager=True).alias("at").to_frame()
    for name, times in counted.items():
        in_window = times.drop_nulls().cast(pl.Datetime("ms")).dt.truncate(every).value_counts(name=name)
        in_window.columns = ["at", name]
        table = table.join(in_window, on="at", how="left", maintain_order="left").with_columns(
            pl.col(name).fill_null(0)
        )
    return table.cast(TIMELINE)


def round_seconds(seconds: float) -> int:
    """The next of 1, 2, 5, 10, 15, 30 s, 1, 2, 5 … min that is at least so long."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if step >= seconds), 3600 * max(round(seconds / 3600), 1))
