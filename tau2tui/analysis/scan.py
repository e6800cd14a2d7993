"""Read logs once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import polars as pl

from tau2tui.analysis.cache import LogCache
from tau2tui.analysis.copies import merge
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, TASKS, EventsApart, Logs, Skipped
from tau2tui.analysis.kept import Spill
from tau2tui.analysis.log_paths import find_logs, logs_below
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.reading import read_all
from tau2tui.analysis.stretches import text_stretches
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.core.log_names import domain_of
from tau2tui.defaults import ERROR_PATTERNS
from tau2tui.errors import NothingToRead

__all__ = ["DRIVER", "ERRORS", "EVENTS", "TASKS", "Logs", "Skipped", "find_logs", "logs_below", "read_logs"]


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

    Where the events are `wanted` once, those of a single log are not kept at all: `Logs.event_parts` reads them.

    An unfinished last line is not read: a torn number looks like a number. Raises NothingToRead for a file that cannot
    be opened.
    """
    patterns = ErrorPatterns(error_patterns)
    if wanted.once and len(files) == 1 and not use_cache:
        return Logs.of(_PassingBy(files[0], patterns, wanted), patterns.names)
    cache = LogCache(error_patterns) if use_cache else None
    read, spill = [], Spill()
    wanted = wanted if len(files) == 1 else wanted.in_several()
    for path in files:
        log = LogFile(path, cache=cache, spill=spill, wanted=wanted)
        with _readable(path):
            log.advance(patterns)
            read.append(log.said_with_unfinished())
    return merge(read, patterns.names)


class _PassingBy(EventsApart):
    """The frames of a log whose events are read each time that somebody looks at them, and not kept."""

    def __init__(self, path: Path, patterns: ErrorPatterns, wanted: Wanted) -> None:
        """Raises NothingToRead if the log cannot be opened."""
        super().__init__(lambda: self._kept)
        self._path, self._patterns, self._wanted = path, patterns, wanted
        with _readable(path):
            path.open("rb").close()

    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        with _readable(self._path):
            size, stretches = self._path.stat().st_size, text_stretches(self._path)
            for part in read_all(stretches, size, domain_of(self._path.name), self._patterns, self._wanted):
                yield part.records.events.select(columns)

    @property
    def events(self) -> pl.DataFrame:
        return self._kept.events

    @cached_property
    def _kept(self) -> Logs:
        patterns = dict(self._patterns.expressions)
        return read_logs((self._path,), patterns, wanted=replace(self._wanted, once=False))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NothingToRead(f"{path}: {error.strerror}") from None
