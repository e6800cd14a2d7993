"""The lines of a stretch of a log that may say something, found as bytes: no other line becomes text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from tau2tui.analysis.events import LEVELS
from tau2tui.analysis.markers import MARKS
from tau2tui.analysis.words import Flags, Positions, word, words_of

Buffer: TypeAlias = bytes | bytearray | memoryview

_PROFILE_MARKS = tuple(f"[{level}] " for level in LEVELS)
_LINE_END = 10
_WORD = 8
_BLOCK = 512 << 10
"""Bytes that are looked through at once: they stay in a core's cache, and memory for them need not be mapped anew."""
_SEVEN_BITS = np.uint8(0x7F)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Lines in their order, the last without a line end."""

    profile: bytes
    """UTF-8, lines with a mark of profile lines; what was not UTF-8 is U+FFFD."""
    others: list[str]
    """Lines with one of MARKS or with one of the other texts that were sought; some of them are profile lines too."""


class LineFinder:
    """Looks for many texts in one go (Aho–Corasick, with the vector instructions of its Rust implementation)."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        """`texts` are ASCII. Raises ValueError for one that can overlap with a mark, so that one hides the other."""
        for text in texts:
            if not text.isascii() or any(_can_overlap(text, mark) for mark in _PROFILE_MARKS):
                raise ValueError(f"cannot be sought together with the marks of profile lines: {text!r}")
        self._texts = [*_PROFILE_MARKS, *MARKS, *texts]
        self._longest = max(map(len, self._texts))

    def find(self, data: Buffer) -> Candidates:
        """The candidates among whole lines of any bytes."""
        hits = self._hits(data)
        if not hits.size:
            return Candidates(b"", [])
        ends = _line_ends(data)
        lines = np.searchsorted(ends, hits)
        of_profile = _profile_marks(data, hits)
        return Candidates(_joined(data, ends, lines[of_profile]), _texts(data, ends, lines[~of_profile]))

    def _hits(self, data: Buffer) -> Positions:
        """Where one of the texts stands, ascending. Bytes that are no ASCII are made so, which keeps all places."""
        begins = range(0, len(data), _BLOCK)
        text = np.frombuffer(data, np.uint8)
        blocks = [(text[begin : begin + _BLOCK + self._longest] & _SEVEN_BITS).tobytes() for begin in begins]
        found = (
            pl.DataFrame(
                {"text": pl.Series(blocks, dtype=pl.Binary).cast(pl.String), "at": pl.Series(begins, dtype=pl.Int64)}
            )
            .lazy()
            .select("at", pl.col("text").str.find_many(self._texts, leftmost=True))
            .explode("text", empty_as_null=False)
            .filter(pl.col("text") < _BLOCK)  # what begins behind that is found with the next block
            .select(pl.col("at") + pl.col("text"))
            .collect()
        )
        return found.to_series().to_numpy()


def _line_ends(data: Buffer) -> Positions:
    """Where each line ends."""
    text = np.frombuffer(data, np.uint8)
    ends = [np.flatnonzero(text[at : at + _BLOCK] == _LINE_END) + at for at in range(0, text.size, _BLOCK)]
    return np.concatenate(ends if text[-1] == _LINE_END else [*ends, [text.size]])


def _profile_marks(data: Buffer, hits: Positions) -> Flags:
    """Which of the hits are marks of profile lines (a byte that only looks like ASCII makes none)."""
    if len(data) < _WORD:
        return np.zeros(hits.size, np.bool_)
    words, last = words_of(data), len(data) - _WORD
    first = words[np.minimum(hits, last)]
    found = np.zeros(hits.size, np.bool_)
    for mark in map(str.encode, _PROFILE_MARKS):
        end = words[np.minimum(hits + len(mark) - _WORD, last)]
        found |= (first == word(mark[:_WORD])) & (end == word(mark[-_WORD:]))
    return found


def _joined(data: Buffer, ends: Positions, lines: Positions) -> bytes:
    """These lines as UTF-8; neighbours are copied in one go."""
    if not lines.size:
        return b""
    lines = lines[np.diff(lines, prepend=-1) > 0]
    first = np.diff(lines, prepend=-2) > 1
    last = np.append(first[1:], True)
    begins, stops = _begins(ends, lines[first]).tolist(), ends[lines[last]].tolist()
    view = memoryview(data)
    joined = b"\n".join([view[begin:stop] for begin, stop in zip(begins, stops, strict=True)])
    return joined if joined.isascii() else joined.decode("utf-8", "replace").encode()


def _texts(data: Buffer, ends: Positions, lines: Positions) -> list[str]:
    lines = lines[np.diff(lines, prepend=-1) > 0]
    begins, stops = _begins(ends, lines).tolist(), ends[lines].tolist()
    view = memoryview(data)
    return [bytes(view[begin:stop]).decode("utf-8", "replace") for begin, stop in zip(begins, stops, strict=True)]


def _begins(ends: Positions, lines: Positions) -> Positions:
    return np.where(lines > 0, ends[lines - 1] + 1, 0)


def _can_overlap(one: str, other: str) -> bool:
    """Whether the texts can share characters where both stand."""
    if one in other or other in one:
        return True
    shorter = min(len(one), len(other))
    return any(one[-size:] == other[:size] or other[-size:] == one[:size] for size in range(1, shorter))
