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
    marks: Marks

    def begins(self, lines: Positions) -> Positions:
        """Where lines begin."""
        return np.where(lines > 0, self.ends[lines - 1] + 1, 0)

    def texts(self, lines: Positions) -> list[str]:
        """Lines as text, without their ends; what is not UTF-8 becomes U+FFFD."""
        view = memoryview(self.data)
        bounds = zip(self.begins(lines).tolist(), self.ends[lines].tolist(), strict=True)
        return [str(view[begin:stop], "utf-8", "replace") for begin, stop in bounds]


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the marks of profile lines stand, in their order, and which of the other characters stand behind them."""

    at: Positions
    judges: Flags
    """Whether that of USER_JUDGE."""
    lines: Positions
    """The numbers of their lines."""
    equals: Positions
    """The number of the first equals sign behind each mark."""
    end_equals: Positions
    """The number of the first one behind its line."""
    end_brackets: Positions
    """The number of the first bracket behind its line."""


def find_places(data: Buffer) -> Places:
    """Look through whole lines of any bytes."""
    text = np.frombuffer(data, np.uint8)
    found = [_structure(text[at : at + _BLOCK]) + at for at in range(0, text.size, _BLOCK)]
    every = np.concatenate(found) if found else np.zeros(0, np.int64)
    kinds = text.take(every)
    end_numbers, bracket_numbers = (np.flatnonzero(kinds == kind) for kind in (LINE_END, BRACKET))
    ends, brackets = every.take(end_numbers), every.take(bracket_numbers)
    if text.size and text[-1] != LINE_END:
        ends, end_numbers = np.append(ends, text.size), np.append(end_numbers, every.size)

    mark_brackets, judges = _read_marks(data, brackets)
    mark_numbers = bracket_numbers.take(mark_brackets)
    lines = np.cumsum(kinds == LINE_END, dtype=np.int32).take(mark_numbers).astype(np.int64)
    line_ends = end_numbers.take(lines)
    end_brackets = np.searchsorted(bracket_numbers, line_ends)
    # What is neither a line end nor a bracket is an equals sign, so these need not be counted.
    marks = Marks(
        brackets.take(mark_brackets),
        judges,
        lines,
        mark_numbers - lines - mark_brackets,
        line_ends - lines - end_brackets,
        end_brackets,
    )
    return Places(data, ends, every.compress(kinds == EQUALS), brackets, marks)


def _structure(text: NDArray[np.uint8]) -> Positions:
    found = text == LINE_END
    found |= text == EQUALS
    found |= text == BRACKET
    return np.flatnonzero(found)


def _read_marks(data: Buffer, brackets: Positions) -> tuple[Positions, Flags]:
    """The numbers of the brackets with which a mark of profile lines begins, and whether it is that of USER_JUDGE."""
    words = words_of(data)
    letters = np.frombuffer(data, np.uint8).take(brackets + 1, mode="clip")
    maybe = np.flatnonzero((letters == ord("P")) | (letters == ord("U")))
    begins = brackets.take(maybe)
    first = words_at(words, begins)
    is_mark, is_judge = np.zeros((2, maybe.size), np.bool_)
    for mark, flags in zip(_PROFILE_MARKS, (is_mark, is_judge), strict=True):
        numbers = np.flatnonzero(first == word(mark[:_WORD]))
        rest = words_at(words, begins.take(numbers) + len(mark) - _WORD)
        flags[numbers.compress(rest == word(mark[-_WORD:]))] = True
    is_mark |= is_judge
    return maybe.compress(is_mark), is_judge.compress(is_mark)
