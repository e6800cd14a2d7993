"""The place where a diagnosis of log lines is joined to the screen: what it is asked, and where its answer is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tau2tui.config import DiagnosisConfig
from tau2tui.core import diagnosis
from tau2tui.tui.log_lines import LogLine


class Finding(Protocol):
    """A cause that was found in lines of a log."""

    @property
    def cause(self) -> str:
        """What happened, in a sentence."""
        ...

    @property
    def remedy(self) -> str:
        """What to do about it."""
        ...

    @property
    def line(self) -> int:
        """The number of the line that shows it, from 1."""
        ...


Diagnose = Callable[[Sequence[str]], Sequence[Finding]]
"""Lines of one log in order → what they show; called in a thread."""


def nothing(lines: Sequence[str]) -> Sequence[Finding]:
    """The diagnosis of somebody who knows no causes."""
    return ()


def diagnosing(settings: DiagnosisConfig) -> Diagnose:
    """The diagnosis by the causes that these settings know, which are put together when something is asked first."""

    def diagnose(lines: Sequence[str]) -> Sequence[Finding]:
        return diagnosis.diagnose(lines, known=diagnosis.table(settings))

    return diagnose


def found_in(lines: Sequence[LogLine], diagnose: Diagnose) -> dict[int, list[str]]:
    """What is to be said below lines of a log, by their offset."""
    own = [line for line in lines if not line.note]
    said: dict[int, list[str]] = {}
    for finding in diagnose([line.text for line in own]):
        if 1 <= finding.line <= len(own):
            words = f"└ {finding.cause}"
            said.setdefault(own[finding.line - 1].offset, []).extend((words, f"  {finding.remedy}"))
    return said
