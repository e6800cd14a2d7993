"""The usual profile lines, read without making text of them: pairs that blanks part, in any order.

The idea is that of simdjson (G. Langdale and D. Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019):
first the places of all characters that structure a stretch, and then whole columns between these places. A line in
which anything is not laid out or written as usual is left to the slower reader of `events`, which takes everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tau2tui.analysis.layouts import by_layout
from tau2tui.analysis.line_keys import (
    CALL_TYPES,
    COLUMN_OF,
    COLUMNS,
    COUNTS,
    FLAGS,
    KEYS,
    LONGEST_KEY,
    MILLISECONDS,
    NAMES,
)
from tau2tui.analysis.places import LEVELS, Places
from tau2tui.analysis.words import (
    FIRST,
    LONGEST_NAME,
    Buffer,
    Flags,
    Positions,
    Words,
    behind_last_blank,
    hashes,
    moments,
    names,
    two_decimals,
    whole_numbers,
    word,
    words_at,
    words_of,
)

_PAGE = 4 << 10
_HIGHEST = word(b"\x80" * 8)
_RETURN, _COLOUR_END = 13, b"\x1b[0m"
_LEVEL_LENGTHS = [len(f"[{level}] ") for level in LEVELS]
_TIME_LENGTH = len("2025-12-24 04:28:25.388 ")

PLACED = ("at", "task", "thread", "type")
"""What stands at the beginning of each line."""
NEEDED = frozenset({"duration_ms"})
"""What each usual line has, whether it is wanted or not."""
WHOLE = frozenset((*PLACED, *COLUMNS, "record"))
"""Everything that can be read of a line; `record` is the hash of what it says."""


@dataclass(frozen=True, slots=True)
class UsualLines:
    """The lines that were read, as columns: those of WHOLE that are wanted.

    What a line does not say is NaN or -1; of `task` and those of NAMES there are numbers of `texts`, and 0 for nothing.
    """

    line: Positions
    """Which of the lines they are, ascending."""
    begin: Positions
    """Where they begin."""
    judge: Flags
    """Whether the level is that."""
    columns: Mapping[str, NDArray[Any]]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Heads:
    """Where things stand in the lines that are laid out as usual, one element for each of these lines."""

    line: Positions
    judge: Flags
    begin: Positions
    """Behind the level."""
    first: Positions
    """The number of the equals sign of the task among all of them; those of thread and type follow."""
    end: Positions
    """The number of the first one behind the line."""
    stop: Positions
    """Where the last value ends."""


@dataclass(frozen=True, slots=True)
class _Values:
    """Some values of one column: the numbers of their lines, where they begin and where they end."""

    row: Positions
    start: Positions
    stop: Positions


@dataclass(frozen=True, slots=True)
class _Cells:
    """Values by column; one element for each value that is wanted."""

    row: Positions
    """The number of the line."""
    start: Positions
    stop: Positions
    bounds: Positions
    """Where each of COLUMNS begins."""
    kind_stop: Positions
    """For each line, where its type ends."""

    @classmethod
    def of(cls, values: Mapping[str, Sequence[_Values]], kind_stop: Positions) -> _Cells:
        """Put together what was found of each column."""
        nothing = np.zeros(0, np.int64)
        every = [part for name in COLUMNS for part in values.get(name, ())]
        sizes = [sum(part.row.size for part in values.get(name, ())) for name in COLUMNS]
        return cls(
            np.concatenate([nothing, *(part.row for part in every)]),
            np.concatenate([nothing, *(part.start for part in every)]),
            np.concatenate([nothing, *(part.stop for part in every)]),
            np.cumsum([0, *sizes]),
            kind_stop,
        )

    def span(self, columns: tuple[str, ...]) -> slice:
        """The elements of neighbouring columns."""
        first = COLUMNS.index(columns[0])
        return slice(self.bounds[first], self.bounds[first + len(columns)])


def read_usual_lines(places: Places, wanted: frozenset[str] = WHOLE) -> UsualLines:
    """Read those lines that are laid out as usual."""
    words = words_of(places.data)
    heads = _heads(places, words)
    usual = np.ones(heads.line.size, np.bool_)
    cells = _cells(places, words, heads, usual, wanted | NEEDED)
    read = _Reader(places.data, words, usual, cells)
    columns, texts = read.columns(places, heads, wanted)
    begin, line, judge = places.begins(heads.line), heads.line, heads.judge
    if not usual.all():
        kept = np.flatnonzero(usual)
        begin, line, judge = begin[kept], line[kept], judge[kept]
        columns = {name: values[kept] for name, values in columns.items()}
    return UsualLines(line, begin, judge, columns, texts)


def _heads(places: Places, words: Words) -> _Heads:
    """The lines with one level in them, a time, a task, a thread and a type, and then pairs only."""
    text = np.frombuffer(places.data, np.uint8)
    marks = places.marks
    fits = marks.end_equals - marks.equals >= 4
    another = marks.lines[1:] != marks.lines[:-1]
    fits[1:] &= another
    fits[:-1] &= another
    fits &= _ascii(text, places.ends).take(marks.lines)
    kept = np.flatnonzero(fits)
    line, first, end = (part.take(kept) for part in (marks.lines, marks.equals, marks.end_equals))
    judge = marks.judges.take(kept)
    begin = marks.at.take(kept) + np.where(judge, *reversed(_LEVEL_LENGTHS))

    stop = places.ends.take(line)
    stop -= text.take(stop - 1) == _RETURN
    coloured = words[stop - 8] >> np.uint64(32) == word(_COLOUR_END)
    stop -= coloured * len(_COLOUR_END)
    task, thread, kind = (places.equals.take(first + place) for place in range(3))
    last_bracket = places.brackets.take(marks.end_brackets.take(kept) - coloured - 1)
    last = text.take(stop - 1)
    fits = (
        (task == begin + (_TIME_LENGTH + len("task")))
        & (words[task - 7] >> np.uint64(16) == word(b" task="))
        & (words[thread - 7] == word(b" thread="))
        & (words_at(words, kind - 5) & FIRST[6] == word(b" type="))
        & (last_bracket < kind)
        & (last > ord(" "))
        & (last <= ord("~"))
    )
    kept = np.flatnonzero(fits)
    line, begin, first, end, stop = (part.take(kept) for part in (line, begin, first, end, stop))
    return _Heads(line, judge.take(kept), begin, first, end, stop)


def _ascii(text: NDArray[np.uint8], ends: Positions) -> Flags:
    """Which of the lines hold no other characters."""
    flags = np.ones(ends.size, np.bool_)
    whole = text.size // _PAGE
    pages = text[: whole * _PAGE].reshape(whole, _PAGE)
    strange = np.flatnonzero(np.bitwise_or.reduce(pages.view(np.uint64), axis=1) & _HIGHEST)
    found = np.flatnonzero(pages.take(strange, axis=0) > 0x7F)
    page = strange.take(found // _PAGE)
    rest = np.flatnonzero(text[whole * _PAGE :] > 0x7F)
    at = np.concatenate([page * _PAGE + found % _PAGE, rest + whole * _PAGE])
    flags[np.searchsorted(ends, at)] = False
    return flags


def _cells(places: Places, words: Words, heads: _Heads, usual: Flags, wanted: frozenset[str]) -> _Cells:
    """The wanted pairs of these lines; those in which they do not alternate with blanks are struck from `usual`."""
    kind_stop = np.empty_like(heads.stop)
    values = defaultdict[str, list[_Values]](list)
    laid, left = by_layout(places, words, heads.first + 3, heads.end - heads.first - 3)
    for each in laid:
        kind_stop[each.lines] = each.begins(0) - 1
        columns = [COLUMN_OF.get(key) for key in each.keys]
        for number, name in enumerate(columns):
            if name is not None and name in wanted:
                last = number + 1 == len(columns)
                stop = heads.stop.take(each.lines) if last else each.begins(number + 1) - 1
                values[name].append(_Values(each.lines, each.signs[number] + 1, stop))
                if columns.count(name) > 1:
                    usual[each.lines] = False
    if left.size:
        kind_stop[left] = _in_any_order(places, words, heads, left, usual, wanted, values)
    return _Cells.of(values, kind_stop)


def _in_any_order(
    places: Places,
    words: Words,
    heads: _Heads,
    lines: Positions,
    usual: Flags,
    wanted: frozenset[str],
    values: Mapping[str, list[_Values]],
) -> Positions:
    """Add the values of some lines, whatever order their keys are in; where the types of these lines end."""
    first = heads.first.take(lines) + 3
    count = heads.end.take(lines) - first
    before = np.cumsum(count) - count
    row = np.repeat(lines, count)
    number = np.repeat(first - before, count)
    number += np.arange(row.size)
    sign = places.equals.take(number)
    length, last = behind_last_blank(words, sign, LONGEST_KEY)
    key = sign - length
    odd = length < 0
    number -= 1
    odd |= key - 1 <= places.equals.take(number)  # no blank since the last pair
    usual[row.take(np.flatnonzero(odd))] = False

    stop = np.empty_like(key)
    stop[:-1] = key[1:] - 1
    stop[before + count - 1] = heads.stop.take(lines)
    column = KEYS.columns(words, key, length, last, wanted)
    named = np.flatnonzero(column < len(COLUMNS))
    column = column.take(named)
    bounds = np.cumsum([0, *np.bincount(column, minlength=len(COLUMNS))])
    order = named.take(np.argsort(column, kind="stable"))
    for place, name in enumerate(COLUMNS):
        part = order[bounds[place] : bounds[place + 1]]
        rows = row.take(part)
        usual[rows[1:][rows[1:] == rows[:-1]]] = False  # the same one twice
        values[name].append(_Values(rows, sign.take(part) + 1, stop.take(part)))
    ends: Positions = key.take(before) - 1
    return ends


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values; each method strikes the lines of those that are not written as usual."""

    data: Buffer
    words: Words
    usual: Flags
    cells: _Cells

    def columns(
        self, places: Places, heads: _Heads, wanted: frozenset[str]
    ) -> tuple[dict[str, NDArray[Any]], list[str]]:
        """The wanted columns, and the texts whose numbers stand in them."""
        task, thread, kind = (places.equals[heads.first + place] for place in range(3))
        found: dict[str, NDArray[Any]] = {"type": self._types(kind + 1, self.cells.kind_stop)}
        if "at" in wanted:
            found["at"], known = moments(self.words, heads.begin)
            self.usual[~known] = False
        if "thread" in wanted:
            end = kind - len(" type")
            found["thread"], known = whole_numbers(self.words, end, end - thread - 1)
            self.usual[~known] = False
        if "record" in wanted:
            found["record"] = hashes(self.data, heads.begin, heads.stop - heads.begin)
        found |= self._milliseconds(wanted) | self._counts(wanted) | self._flags(wanted)
        named = {"task": (task + 1, thread - len(" thread"))} if "task" in wanted else {}
        more, texts = self._names(wanted, named)
        return found | more, texts

    def _types(self, start: Positions, stop: Positions) -> NDArray[np.uint8]:
        length = stop - start
        first, last = words_at(self.words, start), self.words[stop - 8]
        kinds = np.full(start.size, len(CALL_TYPES), np.uint8)
        for number, kind in enumerate(map(str.encode, CALL_TYPES)):
            same = (length == len(kind)) & (first == word(kind[:8])) & (last == word(kind[-8:]))
            np.putmask(kinds, same, number)
        self.usual[kinds == len(CALL_TYPES)] = False
        return kinds

    def _milliseconds(self, wanted: frozenset[str]) -> dict[str, NDArray[Any]]:
        span = self.cells.span(MILLISECONDS)
        stop = self.cells.stop[span]
        numbers, known = two_decimals(self.words, stop, stop - self.cells.start[span])
        filled = self._filled(np.nan, MILLISECONDS, numbers, span)
        self._strike(span, known)
        self.usual[np.isnan(filled[0])] = False  # no duration
        return {name: filled[number] for number, name in enumerate(MILLISECONDS) if name in wanted}

    def _counts(self, wanted: frozenset[str]) -> dict[str, NDArray[Any]]:
        span = self.cells.span(COUNTS)
        stop = self.cells.stop[span]
        whole, known = whole_numbers(self.words, stop, stop - self.cells.start[span])
        filled = self._filled(-1, COUNTS, whole, span)
        self._strike(span, known)
        return {name: filled[number] for number, name in enumerate(COUNTS) if name in wanted}

    def _flags(self, wanted: frozenset[str]) -> dict[str, NDArray[Any]]:
        span = self.cells.span(FLAGS)
        start, length = self.cells.start[span], self.cells.stop[span] - self.cells.start[span]
        text = words_at(self.words, start)
        true = (length == 4) & (text & FIRST[4] == word(b"True"))
        known = true | ((length == 5) & (text & FIRST[5] == word(b"False")))
        filled = self._filled(np.int8(-1), FLAGS, true.astype(np.int8), span)
        self._strike(span, known)
        return {name: filled[number] for number, name in enumerate(FLAGS) if name in wanted}

    def _names(
        self, wanted: frozenset[str], named: Mapping[str, tuple[Positions, Positions]]
    ) -> tuple[dict[str, NDArray[Any]], list[str]]:
        """Those of NAMES, and the texts `named`, which are beginnings and ends for each line and may hold blanks."""
        span = self.cells.span(NAMES)
        start = np.concatenate([self.cells.start[span], *(start for start, _ in named.values())])
        length = np.concatenate([self.cells.stop[span], *(stop for _, stop in named.values())]) - start
        known = length <= LONGEST_NAME
        codes, texts = names(self.data, self.words, start, np.minimum(length, LONGEST_NAME))
        plain = np.array([text.isprintable() for text in texts], np.bool_)
        known &= plain.take(codes)
        one = np.array([" " not in text for text in texts], np.bool_)
        codes += np.uint32(1)
        inside, lines = span.stop - span.start, self.usual.size
        self._strike(span, known[:inside] & one.take(codes[:inside] - 1))
        filled = self._filled(np.uint32(0), NAMES, codes[:inside], span)
        found: dict[str, NDArray[Any]] = {name: filled[number] for number, name in enumerate(NAMES) if name in wanted}
        for number, name in enumerate(named):
            part = slice(inside + number * lines, inside + (number + 1) * lines)
            self.usual[~known[part]] = False
            found[name] = codes[part]
        return found, texts

    def _filled(self, missing: Any, columns: tuple[str, ...], values: NDArray[Any], span: slice) -> NDArray[Any]:
        """The values by column and line."""
        filled = np.full((len(columns), self.usual.size), missing, values.dtype)
        for number, name in enumerate(columns):
            part = self.cells.span((name,))
            filled[number, self.cells.row[part]] = values[part.start - span.start : part.stop - span.start]
        return filled

    def _strike(self, span: slice, known: Flags) -> None:
        if not known.all():
            self.usual[self.cells.row[span][~known]] = False
