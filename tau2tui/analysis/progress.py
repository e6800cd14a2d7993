"""How far a run was at a moment, and how long it still takes, from its logs alone as they stood then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tau2tui.analysis.frames import Logs
from tau2tui.analysis.marks import Marks, read_marks
from tau2tui.analysis.moment import Moment
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.timeline import COLUMNS, unit_runs
from tau2tui.analysis.wanted import Wanted
from tau2tui.core.durations import Durations
from tau2tui.core.outlook import Outlook
from tau2tui.errors import NothingToRead

_AT_LAST = datetime(9999, 1, 1)  # noqa: DTZ001 - as the logs: local, without zone
_LIVE = timedelta(days=1)


def progress_of(
    files: Sequence[Path],
    now: datetime | None = None,
    concurrency: int | None = None,
    earlier: Durations = (),
    *,
    use_cache: bool = False,
) -> Outlook:
    """How far the run of these logs was at `now`.

    Without `now` it is the present if the logs are of today, else the last time in them. `concurrency`: units at once,
    else what the driver said last, else the most that ran side by side of late. `use_cache` as in `read_logs`. Raises
    NothingToRead.
    """
    logs, marks = _read(files, use_cache)
    newest = _newest(logs, marks)
    if now is None:
        present = datetime.now()
        now = present if newest is None or present - newest < _LIVE else newest
    return Moment(logs, marks, now, concurrency, earlier).outlook()


def durations_of(files: Sequence[Path], *, use_cache: bool = False) -> Durations:
    """How long the units of these logs took, by domain: of an earlier run. Raises NothingToRead."""
    logs, marks = _read(files, use_cache)
    runs = unit_runs(logs, marks, _AT_LAST)
    return tuple((run.domain, (run.ended_at - run.started_at).total_seconds()) for run in runs if run.ended_at)


def _read(files: Sequence[Path], use_cache: bool) -> tuple[Logs, Marks]:
    # Of the events only what tells units is read: what ended stands among the marks.
    logs = read_logs(files, use_cache=use_cache, wanted=Wanted(COLUMNS))
    if logs.empty:
        raise NothingToRead(f"{', '.join(map(str, files))}: no line of an evaluation")
    try:
        return logs, read_marks(files)
    except OSError as error:
        raise NothingToRead(f"{error.filename}: {error.strerror}") from None


def _newest(logs: Logs, marks: Marks) -> datetime | None:
    """The last time in the logs; what only has the time of a line before it does not count."""
    events = max((at for part in logs.event_parts(("at",)) if (at := part["at"].max()) is not None), default=None)
    times = [one.at for one in marks.ended if one.at] + [one.at for one in marks.etas if one.at]
    times += marks.simulations
    return max([*times, *([events] if isinstance(events, datetime) else [])], default=None)
