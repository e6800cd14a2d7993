"""What a log is, by its name: a server's attempt, a job's output, the evaluation's; and the order of the list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tau2tui.core.log_names import JOB_OUTPUT, SERVER_LOG, is_of_evaluation
from tau2tui.remote.loglist import LogEntry

_NUMBER = re.compile(r"(\d+)")


class Kind(StrEnum):
    """Who writes a log; the order is that of the list."""

    EVALUATION = "eval"
    SERVER = "server"
    JOB = "slurm"
    OTHER = "other"


_RANKS = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log and what its name says of it."""

    entry: LogEntry
    kind: Kind = Kind.OTHER
    replica: str = ""
    attempt: int = 0
    job: str = ""
    """The name of the job whose output it is."""
    stream: str = ""
    """out or err, of a job."""

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def file(self) -> str:
        """The name without its directory, which the kind already says."""
        return self.name if self.kind is Kind.OTHER else self.name.rpartition("/")[2]

    @property
    def siblings(self) -> str:
        """What the logs that `[` and `]` go through have in common: one expert, one stream of all jobs, one kind."""
        return f"{self.kind}:{self.replica.rpartition('-')[0]}{self.stream}"


def know(entry: LogEntry) -> KnownLog:
    """Tell a log by its name."""
    file = entry.name.rpartition("/")[2]
    if is_of_evaluation(file):
        return KnownLog(entry, Kind.EVALUATION)
    if found := SERVER_LOG.fullmatch(file):
        return KnownLog(entry, Kind.SERVER, found["replica"], int(found["attempt"]))
    if found := JOB_OUTPUT.fullmatch(file):
        return KnownLog(entry, Kind.JOB, job=found["job"], stream=found["stream"])
    return KnownLog(entry)


def catalog(entries: Iterable[LogEntry]) -> tuple[KnownLog, ...]:
    """All logs: the evaluation's, the servers' with the newest attempt of each first, the jobs', the others."""
    return tuple(sorted(map(know, entries), key=_order))


def neighbour(logs: tuple[KnownLog, ...], name: str, step: int) -> str | None:
    """The log before or after one among its siblings, going round; None for one that stands alone."""
    own = next((log for log in logs if log.name == name), None)
    names = [log.name for log in logs if own is not None and log.siblings == own.siblings]
    return names[(names.index(name) + step) % len(names)] if len(names) > 1 else None


def other_stream(logs: tuple[KnownLog, ...], name: str) -> str | None:
    """The standard error of a job whose output this is, or the other way round; None if there is none."""
    stem, dot, stream = name.rpartition(".")
    other = f"{stem}{dot}{'err' if stream == 'out' else 'out'}"
    return other if stream in ("out", "err") and any(log.name == other for log in logs) else None


def _order(log: KnownLog) -> tuple[object, ...]:
    summary = not log.file.startswith("fullrun")
    name = log.replica or log.name
    return (_RANKS[log.kind], summary, natural(name), -log.attempt, natural(log.name))


def natural(words: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts numbers in words by their value: node2 before node10."""
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in _NUMBER.split(words))
