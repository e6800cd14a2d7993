"""Read logs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tau2tui.analysis.cache import LogCache
from tau2tui.analysis.copies import merge
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, TASKS, Logs, Skipped
from tau2tui.analysis.kept import Spill
from tau2tui.analysis.log_paths import find_logs, logs_below
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.wanted import ALL, Wanted
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
