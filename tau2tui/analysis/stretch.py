"""What a stretch of a log says, as far as the stretch alone tells it: NumPy's part of reading, in whatever process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tau2tui.analysis.places import Places, find_places
from tau2tui.analysis.profile_lines import ProfileLines, read_profile_lines
from tau2tui.analysis.words import Buffer

ANCHOR = 64

RareLines: TypeAlias = Callable[[Places], tuple[list[str], list[str]]]
"""Finds the lines with markers, and those that may be errors."""


@dataclass(frozen=True, slots=True)
class StretchQuestion:
    """What is asked of stretches of a log."""

    domain: str
    """That of the whole log, or ""."""
    columns: Sequence[str]
    """Of the events."""
    error_patterns: tuple[tuple[str, str], ...] | None
    """Name and pattern of each, where the rare lines are asked for: markers and errors."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a stretch says; only its usual profile lines are read until several are joined."""

    length: int
    """Bytes of it."""
    end: bytes
    """Its last ANCHOR bytes, or all."""
    profile: ProfileLines
    markers: list[str]
    errors: list[str]

    @property
    def kept(self) -> int:
        """Lines that are read later."""
        return len(self.profile.left) + len(self.markers) + len(self.errors)


def read_stretch(data: Buffer, question: StretchQuestion, rare_lines: RareLines | None) -> Stretch:
    """Read whole lines, in whatever bytes they are; `rare_lines` if the question asks for them."""
    places = find_places(data)
    profile = read_profile_lines(places, question.domain, question.columns)
    markers, errors = rare_lines(places) if rare_lines else ([], [])
    return Stretch(len(data), bytes(data[-ANCHOR:]), profile, markers, errors)
