"""When each unit began and ended, as far as logs tell: what progress at any moment is computed from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from tau2tui.analysis.frames import EVENTS, Logs
from tau2tui.analysis.marks import Marks

COLUMNS = ("domain", "task_id", "thread", "at", "step", "duration_ms")
"""Of the events: what tells units apart."""
_AFTERWARDS = timedelta(seconds=2)
"""Clocks of two files are read at different moments: a unit's last event may seem that much later than its marker."""


@dataclass(frozen=True, slots=True)
class UnitRun:
    """The events of one unit: in `ended_at` None it has not ended."""

    domain: str
    task_id: str
    started_at: datetime
    last_at: datetime
    ended_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.task_id}"


def unit_runs(logs: Logs, marks: Marks, now: datetime) -> tuple[UnitRun, ...]:
    """The units that had begun by then, in the order of their starts.

    A run is the events of one task in one thread, up to where its steps begin again. A marker ends the last run of its
    task before it. What has not ended, and cannot end any more because a new driver began since or because its only
    trial is done, is left out.
    """
    runs = defaultdict(list)
    parts = [part.filter(pl.col("at") <= now) for part in logs.event_parts(COLUMNS)]
    for run in _runs(pl.concat([EVENTS.to_frame().select(COLUMNS), *parts])):
        runs[run.domain, run.task_id].append(run)
    marked = [one for one in marks.ended if one.status != "skipped" and (one.at is None or one.at <= now)]
    single = all(one.trial == 0 for one in marked)
    settled = {(one.domain, one.task_id) for one in marked if one.status == "ok"}
    finished: list[UnitRun] = []
    for one in marked:
        mine = runs[one.domain, one.task_id]
        before = [run for run in mine if one.at is None or run.last_at <= one.at + _AFTERWARDS]
        if before:
            run = max(before, key=lambda run: run.last_at)
            mine.remove(run)
            finished.append(replace(run, ended_at=max(one.at or run.last_at, run.last_at)))
    open_ = [
        run
        for key, left in runs.items()
        for run in left
        if not (single and key in settled) and not any(at > run.last_at for at in marks.begun)
    ]
    if not marked:
        # Without markers, so many simulations have ended, and those that have been silent longest are taken for them.
        open_.sort(key=lambda run: run.last_at)
        count = sum(at <= now for at in marks.simulations)
        finished = [replace(run, ended_at=run.last_at) for run in open_[:count]]
        open_ = open_[count:]
    return tuple(sorted([*finished, *open_], key=lambda run: run.started_at))


def _runs(events: pl.DataFrame) -> Iterator[UnitRun]:
    key = ["domain", "task_id", "thread"]
    frame = events.select(
        *(pl.col(name).cast(pl.String).fill_null("") for name in ("domain", "task_id")),
        pl.col("thread").fill_null(0),
        "at",
        "step",
        started=pl.col("at") - pl.duration(milliseconds=pl.col("duration_ms").clip(0, 1e9).cast(pl.Int64)),
    ).filter(pl.col("at").is_not_null())
    frame = frame.sort(*key, "at", maintain_order=True)
    before = pl.col("step").forward_fill().shift(1).over(key)
    again = ((pl.col("step") <= 1) & (before >= 3)).fill_null(value=False).cum_sum().over(key)
    runs = frame.with_columns(again=again).group_by(*key, "again", maintain_order=True)
    for row in runs.agg(pl.col("started").min(), pl.col("at").max()).iter_rows(named=True):
        yield UnitRun(row["domain"], row["task_id"], row["started"], row["at"])


def most_at_once(runs: Sequence[UnitRun], since: datetime, now: datetime) -> int:
    """The most units that ran side by side when one started, after `since`; 0 if none started."""
    starts = sorted(run.started_at for run in runs)
    ends = sorted(run.ended_at or now for run in runs)
    # None ends before it starts, so those that ran at a moment had started by then and not ended.
    moments = starts[bisect_left(starts, since) :]
    return max((bisect_right(starts, at) - bisect_right(ends, at) for at in moments), default=0)
