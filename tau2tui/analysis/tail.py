"""Logs that are being written: each look costs the bytes that are new."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tau2tui.analysis.cache import LogCache
from tau2tui.analysis.copies import merge
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.incidents import Incident
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.scan import logs_below
from tau2tui.defaults import ERROR_PATTERNS
from tau2tui.errors import NothingToRead


class LogTail:
    """Follows files, and the logs in directories, those too that appear later. One caller at a time."""

    def __init__(
        self,
        files: Sequence[Path] | Path,
        error_patterns: Mapping[str, str] = ERROR_PATTERNS,
        *,
        use_cache: bool = False,
    ) -> None:
        """With `use_cache` the first look at a log takes from the cache what earlier readings have found."""
        self._paths = (files,) if isinstance(files, Path) else tuple(files)
        self._patterns = ErrorPatterns(error_patterns)
        self._cache = LogCache(error_patterns) if use_cache else None
        self._logs: dict[Path, LogFile] = {}

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What happened to the logs besides that they grew, by file."""
        return tuple(incident for log in self._logs.values() for incident in log.incidents)

    def poll(self) -> Logs | None:
        """All that the logs have said so far, or None if no line was completed since the last call.

        It is put together when one of its frames is looked at first; the call itself costs what the new bytes cost. A
        file that has vanished keeps what it said; one that does not exist yet is waited for. Raises NothingToRead for a
        file that is there and cannot be read.
        """
        present = self._present()
        changed = self._follow_renamed(present)
        for path in present:
            log = self._logs.get(path) or self._logs.setdefault(path, LogFile(path, follow=True, cache=self._cache))
            try:
                changed |= log.advance(self._patterns)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise NothingToRead(f"{path}: {error.strerror}") from None
        if not changed:
            return None
        parts = [(log, log.parts()) for log in self._logs.values()]
        patterns = self._patterns

        def make() -> Logs:
            return merge([log.said(said) for log, said in parts], patterns.names)

        return Logs.made_later(make, patterns.names)

    def close(self) -> None:
        """Let go of the files."""
        for log in self._logs.values():
            log.close()

    def _follow_renamed(self, present: Sequence[Path]) -> bool:
        """A log that was rotated is the same log under its new name, maybe of another domain; whether any was."""
        if all(path in self._logs for path in present):
            return False
        renamed = False
        by_identity = {log.identity: path for path, log in self._logs.items()}
        for path in present:
            if path in self._logs or not path.exists():
                continue
            status = path.stat()
            old = by_identity.get((status.st_dev, status.st_ino))
            if old is not None and not _is_file(old, status):
                log = self._logs.pop(old)
                log.incidents.append(Incident(old, "rotated"))
                log.moved(path)
                self._logs[path] = log
                renamed = True
        return renamed

    def _present(self) -> list[Path]:
        files: list[Path] = []
        for path in self._paths:
            files += logs_below(path) if path.is_dir() else [path]
        return list(dict.fromkeys(files))


def _is_file(path: Path, status: os.stat_result) -> bool:
    """Whether that file still has this name."""
    try:
        return os.path.samestat(path.stat(), status)
    except OSError:
        return False
