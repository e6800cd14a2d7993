"""Logs that are read for a diagnosis: files and directories on this machine, or those of a run, wherever it lies."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tau2tui.config import LogKind
from tau2tui.core import layout, wire
from tau2tui.core.diagnosis import Finding, LogScan, Place, Table
from tau2tui.core.log_names import JOB_OUTPUT, SERVER_LOG, is_of_evaluation
from tau2tui.core.model import Replica
from tau2tui.errors import NothingToRead, Tau2TuiError
from tau2tui.remote.logfiles import LogFiles

STRETCH_BYTES = 256 << 10
"""Fits into a processor's cache, in which each anchor is looked for."""
STDIN = "-"
_GZIP_MAGIC = b"\x1f\x8b"
_LOG_NAME = re.compile(r"(?:\.(?:log|out|err|txt)(?:\.\d+)?|^slurm-\S+)(?:\.gz)?$")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found in some logs, and what could not be read."""

    findings: tuple[Finding, ...]
    files: int
    """Logs that were read to their end."""
    unread: tuple[str, ...]
    """One line for each that was not, with the reason."""


def diagnose_paths(paths: Sequence[str], table: Table) -> Diagnosis:
    """Read logs on this machine. Raises NothingToRead for a path that is not there, or a directory without logs."""
    found: list[Finding] = []
    unread: list[str] = []
    files = list(_log_files(paths))
    for name in files:
        path = Path(name)
        try:
            scan = LogScan(table, *_place_and_kind(name, _replica_beside(path), shown=name))
            with _opened(name) as file:
                while data := file.read(STRETCH_BYTES):
                    scan.feed(data)
        except (OSError, EOFError, zlib.error) as error:
            unread.append(f"{name}: {getattr(error, 'strerror', None) or error}")
        found += scan.finish()
    if len(unread) == len(files):
        raise NothingToRead("; ".join(unread[:3]))
    return Diagnosis(tuple(found), len(files) - len(unread), tuple(unread))


async def diagnose_run(logs: LogFiles, replicas: Iterable[Replica], table: Table, directory: str = "") -> Diagnosis:
    """Read the logs of a run: each replica's latest attempt, the jobs' output, the evaluation. Raises NothingToRead."""
    known = {replica.name: replica for replica in replicas}
    nodes = {replica.job: replica.node for replica in known.values()}
    names = latest_attempts(await logs.names())
    if not names:
        raise NothingToRead("the run has no logs yet", "tau2tui status")
    found: list[Finding] = []
    unread: list[str] = []
    for name in names:
        place, kind = _place_and_kind(name, known, nodes, shown=f"{directory}/{name}" if directory else name)
        scan, offset = LogScan(table, place, kind), 0
        try:
            while data := await logs.read(name, offset, 8 << 20):
                offset += len(data)
                for start in range(0, len(data), STRETCH_BYTES):
                    scan.feed(data[start : start + STRETCH_BYTES])
        except (OSError, Tau2TuiError) as error:
            unread.append(f"{name}: {error}")
        found += scan.finish()
    if len(unread) == len(names):
        raise NothingToRead("; ".join(unread[:3]))
    return Diagnosis(tuple(found), len(names) - len(unread), tuple(unread))


def latest_attempts(names: Iterable[str]) -> tuple[str, ...]:
    """The same logs without those of attempts that were followed by another."""
    names = tuple(names)
    newest: dict[str, int] = {}
    for name in names:
        if found := SERVER_LOG.fullmatch(Path(name).name):
            newest[found["replica"]] = max(newest.get(found["replica"], 0), int(found["attempt"]))

    def is_old(name: str) -> bool:
        found = SERVER_LOG.fullmatch(Path(name).name)
        return found is not None and int(found["attempt"]) < newest[found["replica"]]

    return tuple(name for name in names if not is_old(name))


def _log_files(paths: Sequence[str]) -> Iterator[str]:
    """The files at these paths; of a directory those that are named as logs are, in order."""
    for name in dict.fromkeys(paths):
        path = Path(name)
        if name == STDIN:
            yield name
        elif path.is_dir():
            inside = sorted(str(each) for each in path.rglob("*") if _LOG_NAME.search(each.name) and each.is_file())
            if not inside:
                raise NothingToRead(
                    f"{name} holds no logs", "files named *.log, *.out, *.err, *.txt or slurm-*; or name them"
                )
            yield from inside
        elif path.exists():
            yield name
        else:
            raise NothingToRead(f"{name}: no such file or directory")


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """A log to read from; what is compressed is known by its first bytes, whatever its name."""
    with nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as opened:
        file = cast(io.BufferedReader, opened)
        if file.peek(2)[:2] == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield file


def _place_and_kind(
    name: str, known: Mapping[str, Replica], nodes: Mapping[str, str] | None = None, *, shown: str
) -> tuple[Place, LogKind | None]:
    """Where a log belongs and what wrote it, as far as its name tells; a name that nobody knows tells nothing."""
    base = Path(name).name
    if found := SERVER_LOG.fullmatch(base):
        replica = known.get(found["replica"])
        job, node = (replica.job, replica.node) if replica else ("", "")
        return Place(shown, found["replica"], job, node), "server"
    if is_of_evaluation(base):
        return Place(shown), "evaluation"
    if (found := JOB_OUTPUT.fullmatch(base)) and Path(name).parent.name == layout.JOBS:
        node = (nodes or {r.job: r.node for r in known.values()}).get(found["job"], "")
        return Place(shown, "", found["job"], node), "job"
    return Place(shown), None


def _replica_beside(log: Path) -> dict[str, Replica]:
    """What the node agents say of the replicas of the run in which a log lies; nothing, if it lies in none."""
    found = {}
    for file in (log.parent.parent / layout.REPLICAS).glob("*.json"):
        try:
            replica = wire.replica_from(json.loads(file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        found[replica.name] = replica
    return found
