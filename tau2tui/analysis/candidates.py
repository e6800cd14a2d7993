"""The lines of a stretch of a log, and those of them in which one of a few rare texts may stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from tau2tui.analysis.markers import MARKS
from tau2tui.analysis.places import Places
from tau2tui.analysis.words import Buffer, Positions, word, words_at, words_of

_BRACKETED = tuple(mark for mark in MARKS if mark.startswith("["))
_WORD = 8
_BLOCK = 128 << 10
"""Bytes that are looked through at once: they stay in a core's cache."""
_LITTLE = 128 << 10
"""Up to so many bytes a search one text after the other is quicker than to prepare one for all."""
_SEVEN_BITS = np.uint8(0x7F)
_SEPARATOR = b"\x1e"


class TextSearch:
    """Looks for many texts in one go (Aho–Corasick, with the vector instructions of its Rust implementation)."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises ValueError for a text that is not ASCII."""
        if strange := [text for text in texts if not text.isascii()]:
            raise ValueError(f"cannot be sought among bytes: {strange[0]!r}")
        self._texts = list(texts)
        self._encoded = [text.encode() for text in texts]
        self._longest = max(map(len, texts))

    def hits(self, data: Buffer) -> Positions:
        """Where one of the texts stands, ascending; of several that overlap one is told at least.

        Bytes that are no ASCII are made so, which keeps all places, and may make a hit of what is none.
        """
        if len(data) <= _LITTLE:
            text = _seven_bits(bytes(data))
            return np.array(sorted({at for sought in self._encoded for at in _places_of(sought, text)}), np.int64)
        view = memoryview(data)
        begins = range(0, len(data), _BLOCK)
        blocks = [_seven_bits(bytes(view[begin : begin + _BLOCK + self._longest])) for begin in begins]
        # "leftmost" is the kind of search for which there are vector instructions
        texts = pl.Series(blocks, dtype=pl.Binary).cast(pl.String).str.find_many(self._texts, leftmost=True)
        hits = [begin + at for begin, found in zip(begins, texts.to_list(), strict=True) for at in found]
        return np.unique(np.array(hits, np.int64))


class RareTexts:
    """Finds the lines that hold MARKS, or one of some other texts that few lines hold."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        """`texts` besides MARKS. Raises ValueError for one that is not ASCII."""
        self._search = TextSearch([*(mark for mark in MARKS if mark not in _BRACKETED), *texts])

    def lines(self, places: Places) -> Positions:
        """The numbers of the lines that hold one of the texts, and maybe of some others, ascending."""
        first = words_at(words_of(places.data), places.brackets)
        marked = np.zeros(first.size, np.bool_)
        for mark in _BRACKETED:
            marked |= first == word(mark.encode()[:_WORD])
        hits = np.concatenate([places.brackets[marked], self._search.hits(places.data)])
        return np.unique(np.searchsorted(places.ends, hits))


def _places_of(sought: bytes, text: bytes) -> Iterator[int]:
    at = text.find(sought)
    while at >= 0:
        yield at
        at = text.find(sought, at + 1)


def _seven_bits(text: bytes) -> bytes:
    return text if text.isascii() else (np.frombuffer(text, np.uint8) & _SEVEN_BITS).tobytes()


def text_lines(data: bytes) -> pl.Series:
    """The lines of whole lines of bytes; what is not UTF-8 becomes U+FFFD, empty lines become null.

    The CSV reader splits them seven times as fast as `str.split`; its separator must not occur.
    """
    return pl.read_csv(
        data.replace(_SEPARATOR, b" "),
        has_header=False,
        separator=_SEPARATOR.decode(),
        quote_char=None,
        encoding="utf8-lossy",
        schema={"line": pl.String},
    )["line"]
