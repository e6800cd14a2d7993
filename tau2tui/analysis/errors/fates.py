"""What became of each error: whether its unit went on, ended in error, or was not heard of again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import polars as pl

from tau2tui.analysis.errors.found import End, Found


class Fate(StrEnum):
    """How it went on after an error."""

    RECOVERED = "recovered"
    """The same task got an answer later, or ended well: at once, or when it was run again."""
    LOST = "lost"
    """Its unit ended in error and was not run again with success; or the run is over, and the unit never came back."""
    OPEN = "open"
    """Nothing was heard of its unit since, and the run goes on."""
    UNKNOWN = "unknown"
    """No line says which task it was, and not all units ended well."""


SILENCE = timedelta(minutes=30)
"""So long after an error, with no sign of its unit while others go on, the unit is taken to be lost. Single calls of
28 minutes have been seen."""
_SECOND = timedelta(seconds=1)

Task = tuple[str, str]
"""Domain and task id."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """An end and the file in which it stands."""

    path: Path
    end: End


class Fates:
    """Decides what became of errors, from the completion markers and the calls of all logs of a run."""

    def __init__(
        self,
        ends: Iterable[tuple[Path, Sequence[End]]],
        events: pl.DataFrame,
        over_at: datetime | None,
        last: datetime | None,
    ) -> None:
        """`events`: EVENTS; `over_at`: when the evaluation said that it is complete; `last`: when the logs
        end, if they know a time.
        """
        self._ends: Mapping[Task, list[_Placed]] = defaultdict(list)
        for path, of_file in ends:
            for end in (one for one in of_file if one.status != "skipped"):
                self._ends[end.domain, end.task_id].append(_Placed(path, end))
        self._calls = _call_times(events)
        self._over_at = over_at
        self._last = last
        self._well: dict[str, bool] = {}
        """By domain (or "" for all): whether every unit ended well at last."""

    def of(self, path: Path, error: Found) -> Fate:
        """The fate of an error of this file."""
        if error.said == "stood_in":
            return Fate.RECOVERED
        if not error.task_id:
            return Fate.RECOVERED if self._all_ended_well(error) else Fate.UNKNOWN
        ends = self._after(path, error)
        if any(end.ok for end in ends[:1]):
            return Fate.RECOVERED
        until = ends[0].at if ends else None
        answered = error.said not in ("permanent", "task_failed") and self._answered(error, until)
        if answered or any(end.ok for end in ends):
            return Fate.RECOVERED
        if ends or error.said == "task_failed" or self._given_up(error):
            return Fate.LOST
        return Fate.OPEN

    def _after(self, path: Path, error: Found) -> list[End]:
        """The ends of its unit that come later: in the same file by their place, else in others by their time."""
        of_unit = [
            placed
            for placed in self._ends.get((error.domain, error.task_id), ())
            if error.trial in (None, placed.end.trial)
        ]
        own = [placed.end for placed in of_unit if placed.path == path and placed.end.line > error.line]
        others = [placed.end for placed in of_unit if placed.path != path]
        return own or [end for end in others if error.at is None or end.at is None or end.at >= error.at]

    def _answered(self, error: Found, until: datetime | None) -> bool:
        """Whether the task got an answer after the error and before its unit ended.

        Where the time of an error has no milliseconds, what happened within the same second does not count.
        """
        times = self._calls.get((error.domain, error.task_id))
        if not times or error.at is None:
            return False
        after = error.at if error.at.microsecond else error.at + _SECOND
        first = bisect_left(times, after)
        # The second of an end without milliseconds is a whole one.
        return first < (bisect_right(times, until + _SECOND) if until else len(times))

    def _all_ended_well(self, error: Found) -> bool:
        """Whether the run is over, and no unit that the error may have been of ended in error for good."""
        if self._over_at is None or (error.at is not None and self._over_at < error.at):
            return False
        if error.domain not in self._well:
            ended: dict[tuple[Task, int], bool] = {}
            for task, placed in self._ends.items():
                for one in placed if error.domain in ("", task[0]) else ():
                    unit = (task, one.end.trial)
                    ended[unit] = ended.get(unit, False) or one.end.ok
            self._well[error.domain] = bool(ended) and all(ended.values())
        return self._well[error.domain]

    def _given_up(self, error: Found) -> bool:
        at = error.at
        if at is None:
            return self._over_at is not None
        return (self._over_at is not None and self._over_at >= at) or (
            self._last is not None and self._last - at > SILENCE
        )


def _call_times(events: pl.DataFrame) -> dict[Task, list[datetime]]:
    """When each task got an answer, ordered."""
    known = events.filter(pl.col("at").is_not_null() & ~pl.col("error"))
    grouped = known.group_by(pl.col("domain").cast(pl.String), pl.col("task_id").cast(pl.String)).agg(
        pl.col("at").sort()
    )
    return {(domain or "", task_id or ""): times for domain, task_id, times in grouped.iter_rows()}
