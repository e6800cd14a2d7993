"""Find logs and read them once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tau2tui.analysis.cache import LogCache
from tau2tui.analysis.copies import merge
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, TASKS, Logs, Skipped
from tau2tui.analysis.kept import Spill
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.defaults import ERROR_PATTERNS
from tau2tui.errors import NothingToRead

__all__ = ["DRIVER", "ERRORS", "EVENTS", "TASKS", "Logs", "Skipped", "find_logs", "logs_below", "read_logs"]

_LOG_NAME = re.compile(r"(?P<name>.+\.(?:log|out|err|txt))(?:(?<=\.log)\.(?P<age>\d+))?(?:\.(?:gz|zst))?")


def find_logs(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The logs among files and, recursively, directories; a file that is named is taken whatever it is called.

    Each file once, rotated ones (`.log.2`, `.log.1`) before their successors. Raises NothingToRead for a path that does
    not exist, and if there is no log at all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise NothingToRead(f"{path}: no such file or directory")
        found += logs_below(path) if path.is_dir() else [path]
    if not found:
        where = ", ".join(str(path) for path in paths) or "no path given"
        raise NothingToRead(
            f"{where}: no logs", "looked for *.log, *.log.N, *.out, *.err and *.txt, also with .gz or .zst"
        )
    return _each_once(found)


def logs_below(directory: Path) -> list[Path]:
    """Files in a directory, and in those below it, that are named like logs, oldest rotation first."""
    files = [path for path in directory.rglob("*") if _LOG_NAME.fullmatch(path.name) and path.is_file()]
    return sorted(files, key=_age)


def read_logs(
    files: Sequence[Path],
    error_patterns: Mapping[str, str] = ERROR_PATTERNS,
    *,
    use_cache: bool = False,
    wanted: Wanted = ALL,
) -> Logs:
    """Read logs as they are now, whatever bytes they hold; records that stand in several files count once.

    With `use_cache` what earlier readings have found is taken from the cache, and what this one finds is put there, so
    that everything is read; without it only what is `wanted`.

    What was read lies on disk where it is much, in the cache or in a temporary file, and is brought into memory when
    one of the frames is looked at; `Logs.event_parts` gives a few columns without that.

    An unfinished last line is not read: a torn number looks like a number. Raises NothingToRead for a file that cannot
    be opened.
    """
    patterns = ErrorPatterns(error_patterns)
    cache = LogCache(error_patterns) if use_cache else None
    read, spill = [], Spill()
    wanted = wanted if len(files) == 1 else wanted.in_several()
    for path in files:
        log = LogFile(path, cache=cache, spill=spill, wanted=wanted)
        try:
            log.advance(patterns)
            read.append(log.said_with_unfinished())
        except OSError as error:
            raise NothingToRead(f"{path}: {error.strerror}") from None
    return merge(read, patterns.names)


def _age(path: Path) -> tuple[Path, str, int]:
    name = _LOG_NAME.fullmatch(path.name)
    return (path.parent, name["name"], -int(name["age"] or 0)) if name else (path.parent, path.name, 0)


def _each_once(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Without further names of a file that is already there."""
    by_file: dict[tuple[int, int], Path] = {}
    for path in paths:
        status = path.stat()
        by_file.setdefault((status.st_dev, status.st_ino), path)
    return tuple(by_file.values())
