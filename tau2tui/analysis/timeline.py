"""When each unit began and ended, as far as logs tell: what progress at any moment is computed from.

Completion markers carry no time of their own. Theirs is that of the last line before them that has one, in the same
file: the logs are written in order, and the driver speaks before each marker.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from tau2tui.analysis.frames import Logs
from tau2tui.analysis.markers import ETA_MARK, TASK_MARK, parse_markers

BEFORE_ALL = datetime(1, 1, 1)  # noqa: DTZ001 - as the logs: local, without zone
_STRETCH = 16 << 20
_LOOK_BACK = 1 << 12
_MARK = re.compile(f"{re.escape(TASK_MARK)}|{re.escape(ETA_MARK)}|FINISHED SIMULATION".encode())
_STAMP = re.compile(rb"\[(?:[A-Z_]+\] )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)")
_STARTED = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] Evaluation starts: ")
_AFTERWARDS = timedelta(seconds=2)
"""Clocks of two files are read at different moments: a unit's last event may seem that much later than its marker."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A completion marker; `at` is None if no line before it has a time."""

    at: datetime | None
    domain: str
    trial: int
    task_id: str
    status: str
    scope: str
    completed: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class SeedEta:
    """An `[OVERALL_ETA]` line."""

    at: datetime | None
    done: int
    total: int
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Marks:
    """What the logs say about ends, each once, in the order of time."""

    ended: tuple[Ended, ...] = ()
    etas: tuple[SeedEta, ...] = ()
    simulations: tuple[datetime, ...] = ()
    """Times of `FINISHED SIMULATION` lines, for logs without markers."""
    begun: tuple[datetime, ...] = ()
    """Times at which a driver began."""
    first_at: datetime | None = None
    """The first time in any of the logs."""


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


def read_marks(files: Iterable[Path]) -> Marks:
    """Read the marks of logs. Raises OSError."""
    ended: dict[tuple[object, ...], Ended] = {}
    etas: dict[tuple[int, int, float | None], SeedEta] = {}
    simulations: set[datetime] = set()
    begun: set[datetime] = set()
    first: list[datetime] = []
    for path in files:
        lines: list[str] = []
        for line, started in _marked_lines(path, first):
            if started:
                begun.add(started)
            else:
                lines.append(line)
        tasks, driver, _ = parse_markers(lines)
        for row in tasks.drop("record", "timed").iter_rows(named=True):
            one = Ended(**{**row, "domain": str(row["domain"]), "scope": row["scope"] or ""})
            # A file without times may hold a copy of what another has with them.
            key = (one.domain, one.trial, one.task_id, one.status, one.completed)
            if key not in ended or (ended[key].at is None and one.at is not None):
                ended[key] = one
        for row in driver.filter(pl.col("kind") == "overall_eta").iter_rows(named=True):
            if row["done"] is not None and row["total"] is not None:
                etas.setdefault(
                    (row["done"], row["total"], row["eta_s"]),
                    SeedEta(row["at"], row["done"], row["total"], row["eta_s"]),
                )
        simulations |= set(driver.filter(pl.col("kind") == "finished_simulation")["at"].drop_nulls())
    return Marks(
        tuple(sorted(ended.values(), key=_order)),
        tuple(sorted(etas.values(), key=_order)),
        tuple(sorted(simulations)),
        tuple(sorted(begun)),
        min(first, default=None),
    )


def unit_runs(logs: Logs, marks: Marks, now: datetime) -> tuple[UnitRun, ...]:
    """The units that had begun by then, in the order of their starts.

    A run is the events of one task in one thread, up to where its steps begin again. A marker ends the last run of its
    task before it. What has not ended, and cannot end any more because a new driver began since or because its only
    trial is done, is left out.
    """
    runs = defaultdict(list)
    for run in _runs(logs.events.filter(pl.col("at") <= now)):
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
    busiest = 0
    for run in runs:
        if run.started_at >= since:
            at = run.started_at
            busiest = max(busiest, sum(other.started_at <= at < (other.ended_at or now) for other in runs))
    return busiest


def _order(one: Ended | SeedEta) -> tuple[bool, datetime, int]:
    done = one.completed if isinstance(one, Ended) else one.done
    return (one.at is not None, one.at or BEFORE_ALL, done or 0)


def _marked_lines(path: Path, first: list[datetime]) -> Iterator[tuple[str, datetime | None]]:
    """Lines with a mark, with the time in front if they had none; and, instead, when a driver began."""
    stamp = b""
    for stretch in _stretches(path):
        if not first or not stamp:
            found = _STAMP.search(stretch)
            first += [at for at in [_time(found[1]) if found else None] if at]
        done = 0
        for found in _STARTED.finditer(stretch):
            yield "", _time(found[1])
        for found in _MARK.finditer(stretch):
            begin = stretch.rfind(b"\n", 0, found.start()) + 1
            if begin < done:
                continue  # a second mark in the same line
            end = stretch.find(b"\n", found.end())
            line = stretch[begin : end if end >= 0 else len(stretch)]
            stamp = _last_stamp(stretch, done, begin) or stamp
            done = begin + len(line)
            own = _STAMP.search(line, 0, found.start() - begin)
            stamp = own[1] if own else stamp
            text = line.decode("utf-8", "replace")
            head = "" if own or not stamp else f"[{stamp.decode()}] "
            yield head + text, None
        stamp = _last_stamp(stretch, done, len(stretch)) or stamp


def _last_stamp(data: bytes, begin: int, end: int) -> bytes:
    """The last time between two places."""
    size = _LOOK_BACK
    while True:
        start = max(begin, end - size)
        if found := _STAMP.findall(data, start, end):
            return bytes(found[-1])
        if start == begin:
            return b""
        size *= 8


def _stretches(path: Path) -> Iterator[bytes]:
    """Whole lines, about _STRETCH bytes at a time; an unfinished last line is not read."""
    rest = b""
    with path.open("rb") as file:
        while data := file.read(_STRETCH):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                yield whole + newline


def _time(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:
        return None
