"""Numbers, names and times out of bytes, many at once: eight bytes of text are one machine word.

A little-endian word holds the first byte of the text in its lowest bits. The digits of a word are added up in three
multiplications (D. Lemire, "Quickly parsing eight digits", 2018), so no value becomes a Python object on its way.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Positions: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.bool_]
Buffer: TypeAlias = bytes | bytearray | memoryview

LONGEST_NAME = 256
_LONGEST_NUMBER = 16
_SLOT_BITS = 14
_NAME_HASH = np.uint64(0x9E3779B97F4A7C15)
_PIECE = 64
_LONG = 4096
_FACTORS = np.array(
    [
        *(0xA30FEBCFD9C2825F, 0x4510BDF882D9D723, 0x0A7D3DA94ECDE8B9, 0x043B27B61342F01F),
        *(0xD0327A782CDE513B, 0xE9AA5979A6401C4F, 0x9B4C7B7180EDB27F, 0xBAC0495FF8829A45),
    ],
    np.uint64,
)
"""Odd numbers by chance, written down: to load NumPy's generators takes longer than to read a short log."""


def _repeated(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte]) * 8, "little"))


_ZEROS, _HIGH_HALVES, _SIX = _repeated(0x30), _repeated(0xF0), _repeated(0x06)
_BLANKS, _SEVENS = _repeated(0x20), _repeated(0x7F)
FIRST = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""FIRST[n] & word: its first n bytes."""
LAST = ~FIRST[::-1]
"""LAST[n] & word: its last n bytes."""


def word(text: bytes) -> np.uint64:
    """At most eight bytes as a word; missing ones are 0."""
    return np.uint64(int.from_bytes(text, "little"))


def words_of(data: Buffer) -> Words:
    """The word that begins at each byte but the last seven."""
    return np.ndarray((max(0, len(data) - 7),), np.dtype("<u8"), data, strides=(1,))


def words_at(words: Words, start: Positions) -> Words:
    """The words that begin at these bytes; what would stand behind the end of the text is 0."""
    last = words.size - 1
    if not start.size or start.max() <= last:
        return words[start]
    if last < 0:
        return np.zeros(start.size, np.uint64)
    found = words[np.minimum(start, last)]
    missing = np.clip(start - last, 0, 8)
    found[missing == 8] = 0
    found >>= np.where(missing < 8, 8 * missing, 0).astype(np.uint64)
    return found


def behind_last_blank(words: Words, end: Positions, longest: int) -> tuple[Positions, Words]:
    """Bytes since the last blank before `end`, at most `longest`, and the last word; -1 where no blank is that near."""
    length = np.full(end.size, -1, np.int64)
    last = words[end - 8]
    rest: Positions | None = None
    for seen in range(0, longest, 8):
        text = (last if rest is None else words[end[rest] - (seen + 8)]) ^ _BLANKS
        # 0x80 in each byte that is 0 now, which are those that were blanks
        text = ~(((text & _SEVENS) + _SEVENS) | text | _SEVENS)
        # The exponent of the number is the place of its highest bit; all bits but that are too low to round it up.
        exponent = (text >> np.uint64(7)).view(np.int64).astype(np.float64).view(np.int64) >> 52
        number = (7 + seen) - ((exponent - 1023) >> 3)
        if rest is None:
            np.copyto(length, number, where=text != 0)
            rest = np.flatnonzero(text == 0)
        else:
            here = np.flatnonzero(text)
            length[rest.take(here)] = number.take(here)
            rest = rest.take(np.flatnonzero(text == 0))
        if not rest.size:
            break
    return length, last


def hashes(data: Buffer, start: Positions, length: Positions) -> Words:
    """A hash of 64 bits of each piece of text; it does not depend on what stands around it."""
    found = length.astype(np.uint64) * _NAME_HASH
    long = np.flatnonzero(length > _LONG)
    for place in long:  # a rare one must not make the others wait
        text = memoryview(data)[int(start[place]) :][: int(length[place])]
        found[place] = word(hashlib.blake2b(text, digest_size=8).digest())
    if long.size:
        length = np.where(length > _LONG, 0, length)
    for seen in range(0, int(length.max(initial=0)), _PIECE):
        longer = np.flatnonzero(length > seen)
        words = _pieces(data, start[longer] + seen)
        rest = length[longer] - seen
        if (last := np.flatnonzero(rest < _PIECE)).size:
            words[last] &= FIRST.take(rest[last, np.newaxis] - 8 * np.arange(_PIECE // 8), mode="clip")
        # Twice, so that bits of each place come into the lowest ones, before what differs in two words is added up.
        words = _mixed(_mixed(words) * _NAME_HASH) * _FACTORS
        found[longer] = _mixed((found[longer] + words.sum(axis=1, dtype=np.uint64)) * _NAME_HASH)
    return found


def _pieces(data: Buffer, start: Positions) -> Words:
    """The _PIECE bytes from each place on, as words; what would stand behind the end of the text is 0."""
    size = len(data) - _PIECE + 1
    inside = start < size
    found = np.zeros((start.size, _PIECE // 8), np.uint64)
    if size > 0:
        pieces = np.ndarray((size,), np.dtype(f"V{_PIECE}"), data, strides=(1,))
        found[inside] = pieces[start[inside]].view("<u8").reshape(-1, _PIECE // 8)
    for place in np.flatnonzero(~inside):
        rest = bytes(memoryview(data)[int(start[place]) :][:_PIECE]).ljust(_PIECE, b"\0")
        found[place] = np.frombuffer(rest, "<u8")
    return found


def _mixed(text: Words) -> Words:
    return text ^ (text >> np.uint64(32))


def whole_numbers(words: Words, end: Positions, length: Positions) -> tuple[Positions, Flags]:
    """The decimal numbers that end before `end`, and which of them are numbers of at most 16 digits, without a sign."""
    value, known = _digits(_last_word(words, end, length))
    known &= (length > 0) & (length <= _LONGEST_NUMBER)
    if (long := np.flatnonzero(known & (length > 8))).size:
        above, digits = _digits(_last_word(words, end[long] - 8, length[long] - 8))
        value[long] += above * 10**8
        known[long] = digits
    return value, known


def two_decimals(words: Words, end: Positions, length: Positions) -> tuple[NDArray[np.float64], Flags]:
    """The numbers `123.45` that end before `end`, and which of them are written so, in at most 16 characters.

    A whole number of hundredths over 100 is what `float` makes of the text: both round the same fraction once.
    """
    text = _last_word(words, end, length)
    known = (length > 3) & (length <= _LONGEST_NUMBER) & ((text >> np.uint64(40)) & np.uint64(0xFF) == np.uint64(0x2E))
    # Without the point: the bytes before it move up by one.
    text = ((text & FIRST[5]) << np.uint64(8)) | (text & LAST[2]) | np.uint64(0x30)
    hundredths, digits = _digits(text)
    known &= digits
    if (long := np.flatnonzero(known & (length > 8))).size:
        above, digits = _digits(_last_word(words, end[long] - 8, length[long] - 8))
        hundredths[long] += above * 10**7
        known[long] = digits
    return hundredths / 100.0, known


def names(data: Buffer, words: Words, start: Positions, length: Positions) -> tuple[NDArray[np.uint32], list[str]]:
    """For each piece of text the number of its name, and the names; texts are compared whole.

    Few names stand in many places, so each is found in a table by its hash, and only the first of a kind is decoded.
    """
    pieces = [words_at(words, start)]
    pieces[0] &= FIRST.take(length, mode="clip")
    hashes = (pieces[0] ^ length.astype(np.uint64)) * _NAME_HASH
    last = np.maximum(length, 8)
    last += start
    last -= 8
    pieces.append(
        words_at(words, last)
    )  # of a name of less than eight bytes what stands behind it: its first word says all
    pieces[1][length < 8] = 0
    hashes ^= hashes >> np.uint64(29)
    hashes += pieces[1]
    hashes *= _NAME_HASH
    longer: list[tuple[Positions, Words]] = []
    for begin in range(8, int(length.max(initial=0)) - 8, 8):
        inside = np.flatnonzero(length > begin + 8)
        piece = words_at(words, start.take(inside) + begin)
        longer.append((inside, piece))
        mixed = hashes.take(inside)
        mixed ^= mixed >> np.uint64(29)
        hashes[inside] = (mixed + piece) * _NAME_HASH
    for inside, piece in longer:
        whole = np.zeros(length.size, np.uint64)
        whole[inside] = piece
        pieces.append(whole)
    hashes ^= hashes >> np.uint64(29)
    return _numbered(data, start, length, pieces, hashes * _NAME_HASH)


def _numbered(
    data: Buffer, start: Positions, length: Positions, pieces: list[Words], hashes: Words
) -> tuple[NDArray[np.uint32], list[str]]:
    """Number the names: in each slot of the table one name settles at a time, the others try again."""
    slots = (hashes >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
    view = memoryview(data)
    numbers, found = np.zeros(length.size, np.uint32), list[str]()
    table, code = np.zeros(1 << _SLOT_BITS, np.int64), np.zeros(1 << _SLOT_BITS, np.uint32)
    rest: Positions | None = None
    size = length.size
    while size:
        slot = slots if rest is None else slots.take(rest)
        every = np.arange(size) if rest is None else rest
        table[slot] = every
        first = table.take(slot)
        kept = every[first == every]
        same = np.ones(size, np.bool_)
        for piece in (length, *pieces):
            same &= piece.take(first) == (piece if rest is None else piece.take(rest))
        code[slots[kept]] = np.arange(len(found), len(found) + kept.size, dtype=np.uint32)
        bounds = zip(start[kept].tolist(), length[kept].tolist(), strict=True)
        found += [str(view[begin : begin + size], "utf-8", "replace") for begin, size in bounds]
        if same.all():
            numbers[every] = code.take(slot)
            break
        numbers[every[same]] = code[slot[same]]
        rest = every[~same]
        size = rest.size
    return numbers, found


def moments(words: Words, start: Positions) -> tuple[Positions, Flags]:
    """Milliseconds from 1970 on of `2025-12-24 04:28:25.388 `, and which of them are written so and exist."""
    date, hour, second = words[start], words[start + 8], words[start + 16]
    known = np.ones(start.size, np.bool_)
    for part, form in ((date, b"0000-00-"), (hour, b"00 00:00"), (second, b":00.000 ")):
        digits = word(bytes(0xFF if byte == 0x30 else 0 for byte in form))
        known &= part & ~digits == word(form) & ~digits
        numbers = (part & digits) | (_ZEROS & ~digits)
        known &= _are_digits(numbers)

    def number(part: Words, *places: int) -> Positions:
        value = np.zeros(start.size, np.int64)
        for place in places:
            value = value * 10 + ((part >> np.uint64(8 * place)) & np.uint64(15)).astype(np.int64)
        return value

    day, day_exists = _days(number(date, 0, 1, 2, 3), number(date, 5, 6), number(hour, 0, 1))
    hours, minutes, seconds = number(hour, 3, 4), number(hour, 6, 7), number(second, 1, 2)
    known &= day_exists & (hours < 24) & (minutes < 60) & (seconds < 60)
    return ((day * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000 + number(second, 4, 5, 6), known


def _days(year: Positions, month: Positions, day: Positions) -> tuple[Positions, Flags]:
    """Days from 1970-01-01 on, and which of the days exist."""
    month_exists = (month >= 1) & (month <= 12) & (year >= 1)
    months = np.where(month_exists, (year - 1970) * 12 + month - 1, 0)
    first, next_first = (
        (months + more).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for more in (0, 1)
    )
    return first + day - 1, month_exists & (day >= 1) & (day <= next_first - first)


def _last_word(words: Words, end: Positions, length: Positions) -> Words:
    """The last eight characters before `end`; those before a shorter number become zeros."""
    keep = LAST.take(length, mode="clip")
    return (words[end - 8] & keep) | (_ZEROS & ~keep)


def _are_digits(text: Words) -> Flags:
    flags: Flags = ((text & _HIGH_HALVES) == _ZEROS) & (((text + _SIX) & _HIGH_HALVES) == _ZEROS)
    return flags


def _digits(text: Words) -> tuple[Positions, Flags]:
    """Eight digits as a number, and which of the words are digits."""
    value = text - _ZEROS
    value = value * np.uint64(10) + (value >> np.uint64(8))
    low, high = np.uint64(0x000000FF000000FF), np.uint64(16)
    value = (value & low) * np.uint64(0x000F424000000064) + ((value >> high) & low) * np.uint64(0x0000271000000001)
    return (value >> np.uint64(32)).astype(np.int64), _are_digits(text)
