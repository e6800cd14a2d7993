"""Logs → causes: the failure signatures as data, and what of them a log shows, with remedy and command.

`diagnose` reads lines; a file is fed to a `LogScan` in stretches. Both are pure: `remote.diagnosis` reads files.
"""

from __future__ import annotations

from collections.abc import Iterable

from tau2tui.config import LogKind
from tau2tui.core.diagnosis.finding import Action, Finding, Place
from tau2tui.core.diagnosis.page import markdown
from tau2tui.core.diagnosis.scan import LogScan
from tau2tui.core.diagnosis.table import Table, table

__all__ = ["Action", "Finding", "LogScan", "Place", "Table", "diagnose", "markdown", "table"]


def diagnose(
    lines: Iterable[str | bytes], place: Place | None = None, kind: LogKind | None = None, known: Table | None = None
) -> tuple[Finding, ...]:
    """What these lines of one log show: what ends a server first, wrappers last; one finding for each cause."""
    scan = LogScan(known or table(), place or Place(), kind)
    for line in lines:
        raw = line.encode(errors="replace") if isinstance(line, str) else line
        scan.feed(raw if raw.endswith(b"\n") else raw + b"\n")
    return scan.finish()
