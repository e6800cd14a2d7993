"""The usual profile lines, read without making text of them: pairs that blanks part, in any order.

The idea is that of simdjson (G. Langdale and D. Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019):
first the places of all characters that structure a line, and then whole columns between these places. A line whose
characters do not alternate as they should, or in which any value is not written as usual, is left to the slower reader
of `events`, which takes everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tau2tui.analysis.frames import CALL_TYPES, EVENTS
from tau2tui.analysis.line_keys import COLUMNS, COUNTS, FLAGS, KEYS, MILLISECONDS, NAMES
from tau2tui.analysis.words import (
    FIRST,
    LONGEST_NAME,
    PADDING,
    Flags,
    Positions,
    Words,
    moments,
    names,
    two_decimals,
    whole_numbers,
    word,
    words_of,
)

_MARKS = (b"[PROFILE] ", b"[USER_JUDGE] ")
_BLANK, _EQUALS, _END, _BRACKET = b" =\n["
_USUAL_PREFIXES = {0: 0, 21: 2, 22: 2, 43: 4, 5: 0, 26: 2, 27: 2, 48: 4}
"""Length of what the driver puts before a child's line, without and with a colour → blanks in it."""
_BLANKS_BEFORE = np.array([_USUAL_PREFIXES.get(length, 0) for length in range(64)])
_RETURN, _COLOUR, _NO_COLOUR = 13, b"\x1b[36m", b"\x1b[0m"


@dataclass(frozen=True, slots=True)
class _Heads:
    """Where things stand in the lines that are laid out as usual, one element for each of these lines."""

    line: Positions
    judge: Flags
    begin: Positions
    """The blank behind the level."""
    structure: Positions
    """The number of that blank among all places of structure."""
    end: Positions
    """The number of the end of the line among them."""


@dataclass(frozen=True, slots=True)
class UsualLines:
    """The lines that were read, as columns."""

    line: Positions
    """Which of the lines they are, ascending."""
    rows: pl.DataFrame
    """`at`, `judge` (whether the level is that), `task`, `thread`, `type`, and a column for each that a key may mean.

    Besides `line`, and `offset` and `length`: bytes of the line before the text behind its level, and bytes of that
    text, without what stands behind it. What a line does not say is NaN or -1, or null for a name.
    """


def read_usual_lines(lines: bytes) -> UsualLines | None:
    """Read those lines of UTF-8, the last without a line end, that are laid out as usual; None if there are none."""
    data = b"".join((b"\0" * PADDING, b"\n", lines, b"\n", b"\0" * PADDING))
    text = np.frombuffer(data, np.uint8)
    words = words_of(data)
    structural = text == _BLANK
    structural |= text == _EQUALS
    structural |= text == _END
    places = np.flatnonzero(structural)
    kinds = text[places]
    ends = np.flatnonzero(kinds == _END)
    starts = places[ends[:-1]] + 1
    _leave_out_what_follows(text, words, places, ends[1:])
    heads = _heads(text, words, places, kinds, ends, starts)
    if not heads.line.size:
        return None
    usual, columns = _columns(data, words, places, heads)
    kept = np.flatnonzero(usual)
    if not kept.size:
        return None
    rows = pl.DataFrame(columns)
    if kept.size < usual.size:
        rows = rows[kept]
    line, body = heads.line[kept], heads.begin[kept] + 1
    rows = rows.with_columns(
        pl.Series("line", line),
        pl.Series("offset", body - starts[line]),
        pl.Series("length", places[ends[line + 1]] - body),
    )
    return UsualLines(line, rows)


def with_nulls(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of UsualLines with null where a line does not say."""
    return rows.with_columns(
        *(pl.col(name).fill_nan(None) for name in MILLISECONDS),
        *(pl.when(pl.col(name) >= 0).then(pl.col(name)) for name in COUNTS),
        *(pl.when(pl.col(name) >= 0).then(pl.col(name) == 1) for name in FLAGS),
    )


def _leave_out_what_follows(text: NDArray[np.uint8], words: Words, places: Positions, ends: Positions) -> None:
    """Let the places of line ends be before a carriage return and the end of a colour."""
    stops = places[ends]
    stops -= text[stops - 1] == _RETURN
    stops -= np.where(words[stops - 8] >> np.uint64(32) == word(_NO_COLOUR), len(_NO_COLOUR), 0)
    places[ends] = stops


def _heads(
    text: NDArray[np.uint8],
    words: Words,
    places: Positions,
    kinds: NDArray[np.uint8],
    ends: Positions,
    starts: Positions,
) -> _Heads:
    """The lines with one level in them, a time, a task without blanks, a thread and a type, and then pairs only."""
    stops = places[ends[1:]]
    brackets = np.flatnonzero(text == _BRACKET)
    marks, judges = _marks(words, brackets)
    line = np.searchsorted(starts, marks, "right") - 1
    alone = np.bincount(line, minlength=starts.size)[line] == 1
    line, marks, judge = line[alone], marks[alone], judges[alone]

    begin = marks + np.where(judge, len(_MARKS[1]), len(_MARKS[0])) - 1
    before = marks - starts[line]
    structure = ends[line] + 1 + _BLANKS_BEFORE.take(before, mode="clip")
    structure = np.minimum(structure, places.size - 1)
    if (other := np.flatnonzero(places[structure] != begin)).size:
        structure[other] = np.searchsorted(places, begin[other])
    end = ends[line + 1]

    fits = structure + 8 <= end
    line, judge, begin, structure, end = line[fits], judge[fits], begin[fits], structure[fits], end[fits]
    task, thread, kind = places[structure + 3], places[structure + 4], places[structure + 6]
    repeated = np.zeros(kinds.size, np.int32)
    np.cumsum(kinds[1:] == kinds[:-1], dtype=np.int32, out=repeated[1:])
    last_bracket = brackets[np.searchsorted(brackets, stops[line]) - 1]
    fits = (
        (task == begin + 29)
        & (words[begin + 22] >> np.uint64(16) == word(b" task="))
        & (words[thread] == word(b" thread="))
        & (words[kind] & FIRST[6] == word(b" type="))
        & (repeated[end] == repeated[structure + 3])
        & (kinds[structure + 3] == _EQUALS)
        & (kinds[end - 1] == _EQUALS)
        & (last_bracket < kind)
    )
    return _Heads(line[fits], judge[fits], begin[fits], structure[fits], end[fits])


def _marks(words: Words, brackets: Positions) -> tuple[Positions, Flags]:
    """Where a level stands, and whether it is USER_JUDGE."""
    first = words[brackets]
    profile, judge = (first == word(mark[:8]) for mark in _MARKS)
    for flags, mark in ((profile, _MARKS[0]), (judge, _MARKS[1])):
        maybe = np.flatnonzero(flags)
        flags[maybe] = words[brackets[maybe] + len(mark) - 8] == word(mark[-8:])
    either = profile | judge
    return brackets[either], judge[either]


def _columns(data: bytes, words: Words, places: Positions, heads: _Heads) -> tuple[Flags, dict[str, pl.Series]]:
    """The columns of these lines, and in which of the lines all values are written as usual."""
    at, usual = moments(words, heads.begin + 1)

    def value(place: int) -> tuple[Positions, Positions]:
        start = places[heads.structure + place] + 1
        return start, places[heads.structure + place + 1] - start

    thread_start, thread_length = value(5)
    thread, known = whole_numbers(words, thread_start + thread_length, thread_length)
    usual &= known
    columns = {
        "at": pl.Series(at).cast(pl.Datetime("ms")),
        "judge": pl.Series(heads.judge),
        "thread": pl.Series(thread),
    }
    columns |= _pairs(data, words, places, heads, usual, {"task": value(3), "type": value(7)})
    return usual, columns


def _pairs(
    data: bytes,
    words: Words,
    places: Positions,
    heads: _Heads,
    usual: Flags,
    named: Mapping[str, tuple[Positions, Positions]],
) -> dict[str, pl.Series]:
    """A column for each name in COLUMNS and for the texts `named`, which are places and lengths.

    Lines with an unusual value are struck from `usual`.
    """
    count = (heads.end - heads.structure - 8) >> 1
    row = np.repeat(np.arange(count.size), count)
    before = np.cumsum(count) - count
    equals = np.repeat(heads.structure + 9 - 2 * before, count)
    equals += 2 * np.arange(row.size)
    key = places.take(equals - 1) + 1
    value = places.take(equals) + 1
    column = KEYS.columns(words, key, value - 1 - key)
    order = np.argsort(column, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=len(COLUMNS) + 1))))
    order = order[: bounds[len(COLUMNS)]]
    row, start, stop = row.take(order), value.take(order), places.take(equals.take(order) + 1)
    # In the order of columns and, within a column, of lines: where a value stands among all those of all columns.
    cell = column.take(order).astype(np.int64)
    cell *= usual.size
    cell += row
    usual[row[1:][cell[1:] == cell[:-1]]] = False
    values = _Values(data, words, usual, row, cell, start, stop)

    def span(names: tuple[str, ...]) -> slice:
        first = COLUMNS.index(names[0])
        return slice(bounds[first], bounds[first + len(names)])

    found = values.milliseconds(span(MILLISECONDS)) | values.counts(span(COUNTS)) | values.flags(span(FLAGS))
    return found | values.names(span(NAMES), named)


@dataclass(frozen=True, slots=True)
class _Values:
    """Values by column and line; each method reads those of some columns and strikes the lines of unusual ones."""

    data: bytes
    words: Words
    usual: Flags
    row: Positions
    cell: Positions
    """Number of the column times the number of lines, and the number of the line."""
    start: Positions
    stop: Positions

    def milliseconds(self, span: slice) -> dict[str, pl.Series]:
        numbers, known = two_decimals(self.words, self.stop[span], self.stop[span] - self.start[span])
        filled = self._filled(np.nan, MILLISECONDS, numbers, span)
        self._strike(span, known)
        self.usual[np.isnan(filled[0])] = False  # no duration
        return {name: pl.Series(filled[number]) for number, name in enumerate(MILLISECONDS)}

    def counts(self, span: slice) -> dict[str, pl.Series]:
        whole, known = whole_numbers(self.words, self.stop[span], self.stop[span] - self.start[span])
        filled = self._filled(-1, COUNTS, whole, span)
        self._strike(span, known)
        return {name: pl.Series(filled[number]) for number, name in enumerate(COUNTS)}

    def flags(self, span: slice) -> dict[str, pl.Series]:
        start, length = self.start[span], self.stop[span] - self.start[span]
        said = ((length != 5) | (self.words[start] & FIRST[5] != word(b"False"))).astype(np.int8)
        filled = self._filled(np.int8(-1), FLAGS, said, span)
        return {name: pl.Series(filled[number]) for number, name in enumerate(FLAGS)}

    def names(self, span: slice, more: Mapping[str, tuple[Positions, Positions]]) -> dict[str, pl.Series]:
        start = np.concatenate([self.start[span], *(start for start, _ in more.values())])
        length = np.concatenate([self.stop[span] - self.start[span], *(length for _, length in more.values())])
        known = length <= LONGEST_NAME
        codes, texts = names(self.data, self.words, start, np.minimum(length, LONGEST_NAME, out=length))
        codes += np.uint32(1)
        inside, lines = span.stop - span.start, self.usual.size
        self._strike(span, known[:inside])
        filled = self._filled(np.uint32(0), NAMES, codes[:inside], span)
        all_texts = pl.Series([None, *texts], dtype=pl.Categorical)
        found = {name: all_texts[pl.Series(filled[number])] for number, name in enumerate(NAMES)}
        for number, name in enumerate(more):
            part = slice(inside + number * lines, inside + (number + 1) * lines)
            self.usual[~known[part]] = False
            if name == "type":
                kind = np.array(
                    [-1, *(CALL_TYPES.index(text) if text in CALL_TYPES else -1 for text in texts)], np.int8
                )
                kinds = kind.take(codes[part])
                self.usual[kinds < 0] = False
                found[name] = pl.Series(np.maximum(kinds, 0).astype(np.uint8)).cat.to(EVENTS["type"])
            else:
                found[name] = all_texts[pl.Series(codes[part])]
        return found

    def _filled(self, missing: Any, columns: tuple[str, ...], values: NDArray[Any], span: slice) -> NDArray[Any]:
        """The values by column and line."""
        lines = self.usual.size
        filled = np.full(len(columns) * lines, missing, values.dtype)
        filled[self.cell[span] - COLUMNS.index(columns[0]) * lines] = values
        return filled.reshape(len(columns), lines)

    def _strike(self, span: slice, known: Flags) -> None:
        if not known.all():
            self.usual[self.row[span][~known]] = False
