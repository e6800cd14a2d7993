"""The profile lines of one stretch of a log, as far as they can be read fast: what a process of its own can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tau2tui.analysis.places import Places
from tau2tui.analysis.usual_lines import WHOLE, UsualLines, read_usual_lines


@dataclass(frozen=True, slots=True)
class ProfileLines:
    """What stands in a stretch of a log's profile lines, as far as it can be read fast."""

    usual: UsualLines
    left: Sequence[str]
    """The lines that are laid out in another way."""
    left_begin: Sequence[int]
    """Where they begin."""
    length: int
    """Bytes of the stretch."""


def read_profile_lines(places: Places, file_domain: str, columns: Sequence[str]) -> ProfileLines:
    """Read the lines with a mark of profile lines, and only the usual ones, to know these columns of the events."""
    usual = read_usual_lines(places, _of_lines(columns, file_domain))
    others = np.zeros(places.ends.size, np.bool_)
    others[places.marks.lines] = True
    others[usual.line] = False
    left = np.flatnonzero(others)
    return ProfileLines(usual, places.texts(left), places.begins(left).tolist(), len(places.data))


def _of_lines(columns: Sequence[str], file_domain: str) -> frozenset[str]:
    """What must be read of usual lines to know these columns of the events."""
    wanted = set(columns) & WHOLE
    if "task_id" in columns or ("domain" in columns and not file_domain):
        wanted.add("task")
    if "timed" in columns:
        wanted.add("at")
    return frozenset(wanted)
