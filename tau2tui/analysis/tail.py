"""Logs that are being written: each look costs the bytes that are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tau2tui.analysis.copies import merge
from tau2tui.analysis.errorlines import DEFAULT_ERROR_PATTERNS, ErrorPatterns
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.scan import logs_below
from tau2tui.errors import NothingToRead


class LogTail:
    """Follows files, and the logs in directories, those too that appear later. One caller at a time."""

    def __init__(
        self, files: Sequence[Path] | Path, error_patterns: Mapping[str, str] = DEFAULT_ERROR_PATTERNS
    ) -> None:
        self._paths = (files,) if isinstance(files, Path) else tuple(files)
        self._patterns = ErrorPatterns(error_patterns)
        self._logs: dict[Path, LogFile] = {}

    def poll(self) -> Logs | None:
        """All that the logs have said so far, or None if no line was completed since the last call.

        A file that has vanished keeps what it said; one that does not exist yet is waited for. Raises NothingToRead for
        a file that is there and cannot be read.
        """
        changed = False
        for path in self._present():
            log = self._logs.setdefault(path, LogFile(path))
            try:
                changed |= log.advance(self._patterns)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise NothingToRead(f"{path}: {error.strerror}") from None
        if not changed:
            return None
        return merge([(log.domain, log.records()) for log in self._logs.values()], self._patterns.names)

    def _present(self) -> list[Path]:
        files: list[Path] = []
        for path in self._paths:
            files += logs_below(path) if path.is_dir() else [path]
        return list(dict.fromkeys(files))
