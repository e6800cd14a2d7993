"""The characters that structure a stretch of a log, found as bytes: lines and the marks of profile lines among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tau2tui.analysis.words import Buffer, Flags, Positions, word, words_at, words_of

LEVELS = ("PROFILE", "USER_JUDGE")
_PROFILE_MARKS = tuple(f"[{level}] ".encode() for level in LEVELS)
LINE_END, EQUALS, BRACKET = b"\n=["
_WORD = 8
_BLOCK = 512 << 10
"""Bytes that are looked through at once: they stay in a core's cache, and memory for them need not be mapped anew."""


@dataclass(frozen=True, slots=True)
class Places:
    """The characters that structure a stretch: line ends, equals signs, opening brackets, and the marks among them."""

    data: Buffer
    ends: Positions
    """Where each line ends; the last one with the stretch, if no line end does it."""
    equals: Positions
    brackets: Positions
    marks: Positions
    """Where the marks of profile lines stand."""
    judges: Flags
    """Whether that of USER_JUDGE."""
    mark_lines: Positions
    """The numbers of their lines."""

    def begins(self, lines: Positions) -> Positions:
        """Where lines begin."""
        return np.where(lines > 0, self.ends[lines - 1] + 1, 0)

    def texts(self, lines: Positions) -> list[str]:
        """Lines as text, without their ends; what is not UTF-8 becomes U+FFFD."""
        view = memoryview(self.data)
        bounds = zip(self.begins(lines).tolist(), self.ends[lines].tolist(), strict=True)
        return [str(view[begin:stop], "utf-8", "replace") for begin, stop in bounds]


def find_places(data: Buffer) -> Places:
    """Look through whole lines of any bytes."""
    text = np.frombuffer(data, np.uint8)
    found = [_structure(text[at : at + _BLOCK]) + at for at in range(0, text.size, _BLOCK)]
    places = np.concatenate(found) if found else np.zeros(0, np.int64)
    kinds = text[places]
    # Boolean arrays as an index take three times as long.
    ends, equals, brackets = (places.take(np.flatnonzero(kinds == kind)) for kind in (LINE_END, EQUALS, BRACKET))
    if text.size and text[-1] != LINE_END:
        ends = np.append(ends, text.size)
    is_mark, judges = _read_marks(data, brackets)
    marks = brackets[is_mark]
    return Places(data, ends, equals, brackets, marks, judges[is_mark], np.searchsorted(ends, marks))


def _structure(text: NDArray[np.uint8]) -> Positions:
    found = text == LINE_END
    found |= text == EQUALS
    found |= text == BRACKET
    return np.flatnonzero(found)


def _read_marks(data: Buffer, brackets: Positions) -> tuple[Flags, Flags]:
    """At which brackets a mark of profile lines stands, and at which that of USER_JUDGE."""
    words = words_of(data)
    first = words_at(words, brackets)
    is_mark = []
    for mark in _PROFILE_MARKS:
        flags = first == word(mark[:_WORD])
        maybe = np.flatnonzero(flags)
        flags[maybe] = words_at(words, brackets[maybe] + len(mark) - _WORD) == word(mark[-_WORD:])
        is_mark.append(flags)
    return is_mark[0] | is_mark[1], is_mark[1]
