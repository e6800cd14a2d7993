"""What logs say about the course of a run: ends, estimates, starts of drivers, pauses and limits.

Completion markers carry no time of their own. Theirs is that of the last line before them that has one, in the same
file: the logs are written in order, and the driver speaks before each marker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tau2tui.analysis.candidates import TextSearch
from tau2tui.analysis.markers import ETA_MARK, TASK_MARK, parse_markers
from tau2tui.analysis.stretches import text_blocks

BEFORE_ALL = datetime(1, 1, 1)  # noqa: DTZ001 - as the logs: local, without zone
_STRETCH = 16 << 20
_LOOK_BACK = 1 << 12
_MARK = re.compile(f"{re.escape(TASK_MARK)}|{re.escape(ETA_MARK)}|FINISHED SIMULATION".encode())
_TURNS = ("Evaluation starts: ", "Paused: ", "Request pause: ", "Request resume: ", "Request concurrency: ")
_SEARCH = TextSearch([TASK_MARK, ETA_MARK, "FINISHED SIMULATION", *(f"] {text}" for text in _TURNS)])
"""Every line of interest holds one of these: the expressions are slow, and see no other line."""
_STAMP = re.compile(rb"\[(?:[A-Z_]+\] )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)")
_TURN = re.compile(
    rb"\[(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] (?:"
    rb"(?P<start>Evaluation starts: )(?:[^\n]*?, at most (?P<limit>\d+) at once)?"
    rb"|(?P<pause>Paused: |Request pause: )|(?P<resume>Request resume: )"
    rb"|Request concurrency: at most (?P<changed>\d+) units)"
)
"""What a driver does to its schedule."""


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
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    """From when to when a driver began no more units; None: until now."""
    limits: tuple[tuple[datetime, int], ...] = ()
    """How many units at once a driver said it would run, and when it said so."""
    first_at: datetime | None = None
    """The first time in any of the logs."""

    def paused_s(self, since: datetime, until: datetime) -> float:
        """How much of this time was a pause."""
        spans = ((max(begin, since), min(end or until, until)) for begin, end in self.pauses)
        return sum(max(0.0, (end - begin).total_seconds()) for begin, end in spans)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a driver did to its schedule."""

    at: datetime
    starts: bool
    paused: bool
    resumed: bool
    limit: int | None


def read_marks(files: Iterable[Path]) -> Marks:
    """Read the marks of logs. Raises OSError."""
    ended: dict[tuple[object, ...], Ended] = {}
    etas: dict[tuple[int, int, float | None], SeedEta] = {}
    simulations: set[datetime] = set()
    turns: set[_Turn] = set()
    first: list[datetime] = []
    for path in files:
        lines: list[str] = []
        for line in _marked_lines(path, first):
            if isinstance(line, _Turn):
                turns.add(line)
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
    in_order = sorted(turns, key=lambda turn: turn.at)
    return Marks(
        tuple(sorted(ended.values(), key=_order)),
        tuple(sorted(etas.values(), key=_order)),
        tuple(sorted(simulations)),
        tuple(turn.at for turn in in_order if turn.starts),
        _pauses(in_order),
        tuple((turn.at, turn.limit) for turn in in_order if turn.limit),
        min(first, default=None),
    )


def _pauses(turns: Iterable[_Turn]) -> tuple[tuple[datetime, datetime | None], ...]:
    pauses: list[tuple[datetime, datetime | None]] = []
    since: datetime | None = None
    for turn in turns:
        if turn.paused:
            since = since or turn.at
        elif since and (turn.resumed or turn.starts):
            pauses.append((since, turn.at))
            since = None
    return (*pauses, (since, None)) if since else tuple(pauses)


def _order(one: Ended | SeedEta) -> tuple[bool, datetime, int]:
    done = one.completed if isinstance(one, Ended) else one.done
    return (one.at is not None, one.at or BEFORE_ALL, done or 0)


def _marked_lines(path: Path, first: list[datetime]) -> Iterator[str | _Turn]:
    """Lines with a mark, with the time in front if they had none; and what a driver did to its schedule."""
    stamp = b""
    for stretch in _stretches(path):
        if not first or not stamp:
            found = _STAMP.search(stretch)
            first += [at for at in [_time(found[1]) if found else None] if at]
        done = 0
        for begin, line in _lines_of_interest(stretch):
            yield from _turns(line)
            if not (mark := _MARK.search(line)):
                continue
            stamp = _last_stamp(stretch, done, begin) or stamp
            done = begin + len(line)
            own = _STAMP.search(line, 0, mark.start())
            stamp = own[1] if own else stamp
            text = line.decode("utf-8", "replace")
            head = "" if own or not stamp else f"[{stamp.decode()}] "
            yield head + text
        stamp = _last_stamp(stretch, done, len(stretch)) or stamp


def _lines_of_interest(stretch: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each line begins that may hold one of the texts, and the line."""
    behind = 0
    for at in _SEARCH.hits(stretch).tolist():
        if at < behind:
            continue  # a second one in the same line
        begin = stretch.rfind(b"\n", 0, at) + 1
        end = stretch.find(b"\n", at)
        behind = end if end >= 0 else len(stretch)
        yield begin, stretch[begin:behind]


def _turns(line: bytes) -> Iterator[_Turn]:
    for found in _TURN.finditer(line):
        if at := _time(found["at"]):
            limit = found["limit"] or found["changed"]
            yield _Turn(
                at, bool(found["start"]), bool(found["pause"]), bool(found["resume"]), int(limit) if limit else None
            )


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
    for block in text_blocks(path, _STRETCH):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline


def _time(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:
        return None
