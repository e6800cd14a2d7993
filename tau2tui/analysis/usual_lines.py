"""The usual profile lines, read without making text of them: pairs that blanks part, in any order.

The idea is that of simdjson (G. Langdale and D. Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019):
first the places of all characters that structure a line, and then whole columns between these places. A line whose
characters do not alternate as they should, or in which any value is not written as usual, is left to the slower reader
of `events`, which takes everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tau2tui.analysis.frames import CALL_TYPES
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

SPELLINGS = {
    "duration_ms": ("duration_ms", "total_duration_ms"),
    "prefill_ms": ("prefill_ms", "vllm_prefill_ms", "toolorchestra_vllm_prefill_ms"),
    "decode_ms": ("decode_ms", "vllm_decode_ms", "toolorchestra_vllm_decode_ms"),
    "input_tokens": ("input_tokens", "vllm_prefill_len", "toolorchestra_vllm_prefill_len"),
    "output_tokens": ("output_tokens", "vllm_decode_len", "toolorchestra_vllm_decode_len"),
}
"""Column → the keys that mean it, the first of them that a line has counts."""
MILLISECONDS = ("duration_ms", "prefill_ms", "decode_ms")
COUNTS = ("step", "input_tokens", "output_tokens")
NAMES = ("model", "function", "call_type", "from_role", "to_role", "expert", "replica")
FLAGS = ("has_tool_calls", "error")

_COLUMNS = (*MILLISECONDS, *COUNTS, *NAMES, *FLAGS)
_MARKS = (b"[PROFILE] ", b"[USER_JUDGE] ")
_BLANK, _EQUALS, _END, _BRACKET = b" =\n["
_BLANKS_BEFORE = {0: 0, 21: 2, 22: 2, 43: 4, 5: 0, 26: 2, 27: 2, 48: 4}
"""Length of what the driver puts before a child's line, without and with a colour → blanks in it."""
_RETURN, _COLOUR, _NO_COLOUR = 13, b"\x1b[36m", b"\x1b[0m"


class _Keys:
    """Which column a key means: a table without collisions, in which a key is compared whole."""

    _BITS = 10

    def __init__(self) -> None:
        keys = [(key, column) for column in _COLUMNS for key in SPELLINGS.get(column, (column,))]
        texts = [key.encode() for key, _ in keys]
        self.length = np.array([0, *map(len, texts)], np.int64)
        self.first = np.array([0, *(word(text[:8]) for text in texts)], np.uint64)
        self.last = np.array([0, *(word(text[-8:]) for text in texts)], np.uint64)
        self.middle = [np.array([0, *(word(text[at : at + 8]) for text in texts)], np.uint64) for at in (8, 16)]
        self.column = np.array([len(_COLUMNS), *(_COLUMNS.index(column) for _, column in keys)], np.uint8)
        self.factor, slots = self._without_collision()
        self.table = np.zeros(1 << self._BITS, np.uint8)
        self.table[slots] = np.arange(1, len(slots) + 1)

    def _without_collision(self) -> tuple[np.uint64, NDArray[np.int64]]:
        for factor in np.random.default_rng(0).integers(1, 2**64 - 1, 1000, np.uint64):
            slots = self._slots(self.first[1:], self.last[1:], factor | np.uint64(1))
            if len(set(slots.tolist())) == len(slots):
                return factor | np.uint64(1), slots
        raise AssertionError("a thousand factors, and each has a collision")

    def _slots(self, first: Words, last: Words, factor: np.uint64) -> NDArray[np.int64]:
        mixed: Words = (first * factor) ^ (last + (last >> np.uint64(7))) * (factor ^ np.uint64(0xAAAA))
        return (mixed >> np.uint64(64 - self._BITS)).view(np.int64)

    def columns(self, words: Words, start: Positions, length: Positions) -> NDArray[np.uint8]:
        """The number of the column that each key means; len(_COLUMNS) for a key that means none."""
        first = words[start] & FIRST.take(length, mode="clip")
        last = np.where(length < 8, first, words[start + length - 8])
        key = self.table.take(self._slots(first, last, self.factor))
        known = (self.length.take(key) == length) & (self.first.take(key) == first) & (self.last.take(key) == last)
        for at, middle in zip((8, 16), self.middle, strict=True):
            if (long := np.flatnonzero(known & (length > at + 8))).size:
                rest = FIRST[np.minimum(length[long] - at, 8)]
                known[long] = words[start[long] + at] & rest == middle[key[long]]
        return np.where(known, self.column.take(key), np.uint8(len(_COLUMNS)))


_KEYS = _Keys()


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
    offset: Positions
    """Bytes of a line before the text behind its level."""
    length: Positions
    """Bytes of that text, without what stands behind it."""
    rows: pl.DataFrame
    """at, level, task, thread, type, and a column for each that a key may mean."""


def read_usual_lines(lines: pl.Series) -> UsualLines | None:
    """Read those lines, of text without line ends inside, that are laid out as usual; None if there are none."""
    joined = lines.str.join("\n").cast(pl.Binary).item()
    data = b"".join((b"\0" * PADDING, b"\n", joined, b"\n", b"\0" * PADDING))
    text = np.frombuffer(data, np.uint8)
    words = words_of(data)
    places = np.flatnonzero((text == _BLANK) | (text == _EQUALS) | (text == _END))
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
    rows = pl.DataFrame(columns).with_columns(
        *(pl.when(pl.col(name) >= 0).then(pl.col(name)).alias(name) for name in COUNTS),
        *(pl.when(pl.col(name) >= 0).then(pl.col(name) == 1).alias(name) for name in FLAGS),
    )
    if kept.size < usual.size:
        rows = rows[kept]
    line, body = heads.line[kept], heads.begin[kept] + 1
    return UsualLines(line, body - starts[line], places[ends[line + 1]] - body, rows)


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
    blanks = np.zeros(line.size, np.int64)
    for length, count in _BLANKS_BEFORE.items():
        blanks[before == length] = count
    structure = ends[line] + 1 + blanks
    structure = np.minimum(structure, places.size - 1)
    if (other := np.flatnonzero(places[structure] != begin)).size:
        structure[other] = np.searchsorted(places, begin[other])
    end = ends[line + 1]

    fits = structure + 8 <= end
    line, judge, begin, structure, end = line[fits], judge[fits], begin[fits], structure[fits], end[fits]
    task, thread, kind = places[structure + 3], places[structure + 4], places[structure + 6]
    repeated = np.concatenate(([0], np.cumsum(kinds[1:] == kinds[:-1])))
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
    for name, place in (("task", 3), ("type", 7)):
        start, length = value(place)
        usual &= length <= LONGEST_NAME
        columns[name] = _named(*names(data, words, start, np.minimum(length, LONGEST_NAME)))
    usual &= columns["type"].cast(pl.String).is_in(CALL_TYPES).to_numpy()
    columns |= _pairs(data, words, places, heads, usual)
    return usual, columns


def _pairs(data: bytes, words: Words, places: Positions, heads: _Heads, usual: Flags) -> dict[str, pl.Series]:
    """A column for each name in _COLUMNS; lines with an unusual value are struck from `usual`."""
    count = (heads.end - heads.structure - 8) >> 1
    row = np.repeat(np.arange(count.size), count)
    before = np.cumsum(count) - count
    equals = (heads.structure + 9 - 2 * before).take(row) + 2 * np.arange(row.size)
    key = places.take(equals - 1) + 1
    value = places.take(equals) + 1
    column = _KEYS.columns(words, key, value - 1 - key)
    order = np.argsort(column, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=len(_COLUMNS)))))
    lines = usual.size
    found: dict[str, pl.Series] = {}
    for number, name in enumerate(_COLUMNS):
        which = order[bounds[number] : bounds[number + 1]]
        rows, start = row.take(which), value.take(which)
        stop = places.take(equals.take(which) + 1)
        length = stop - start
        usual[rows[1:][rows[1:] == rows[:-1]]] = False
        if name in MILLISECONDS:
            numbers, known = two_decimals(words, stop, length)
            filled = np.full(lines, np.nan)
            filled[rows] = numbers
            found[name] = pl.Series(filled, nan_to_null=True)
        elif name in COUNTS:
            whole, known = whole_numbers(words, stop, length)
            counts = np.full(lines, -1)
            counts[rows] = whole
            found[name] = pl.Series(counts)
        elif name in NAMES:
            known = length <= LONGEST_NAME
            codes, texts = names(data, words, start, np.minimum(length, LONGEST_NAME))
            coded = np.zeros(lines, np.uint32)
            coded[rows] = codes + np.uint32(1)
            found[name] = _named(coded, [None, *texts])
        else:
            known = np.ones(length.size, np.bool_)
            said = np.full(lines, -1, np.int8)
            said[rows] = (length != 5) | (words[start] & FIRST[5] != word(b"False"))
            found[name] = pl.Series(said)
        if not known.all():
            usual[rows[~known]] = False
    usual &= found["duration_ms"].is_not_null().to_numpy()
    return found


def _named(codes: NDArray[np.uint32], texts: list[str] | list[str | None]) -> pl.Series:
    return pl.Series(texts, dtype=pl.Categorical)[pl.Series(codes)]
