"""Lines whose keys stand in the same order: one of them is read, the others are compared with it, as columns of words.

A log has about a dozen layouts, as many as its writers have ways to write a line, so that a key of a line costs a
comparison and need not be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tau2tui.analysis.line_keys import LONGEST_KEY
from tau2tui.analysis.places import Places
from tau2tui.analysis.words import LAST, Flags, Positions, Words, word

_FRUITLESS = 3
"""Layouts that few lines have, after which the rest is taken for lines with their keys in any order."""
_FEW = 8
_MOST_PAIRS = 64
"""Lines with more of them are no writer's."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Lines that have one layout."""

    keys: tuple[bytes, ...]
    """In their order, behind the type."""
    lines: Positions
    """Their numbers."""
    signs: Positions
    """Where the equals signs behind the keys stand, by key and line."""

    def begins(self, number: int) -> Positions:
        """Where the key with this number begins in each line."""
        signs: Positions = self.signs[number]
        return signs - len(self.keys[number])


def by_layout(places: Places, words: Words, first: Positions, count: Positions) -> tuple[list[Laid], Positions]:
    """Lines by their layouts, and the numbers of those that have rare ones.

    Of each line `count` pairs are looked at, at least one, from the equals sign with the number `first` on.
    """
    laid: list[Laid] = []
    left: list[Positions] = [np.zeros(0, np.int64)]
    order = np.argsort(np.minimum(count, _MOST_PAIRS + 1).astype(np.uint8), kind="stable")
    for lines in np.split(order, np.flatnonzero(np.diff(count.take(order))) + 1):
        if lines.size <= _FEW or count[lines[0]] > _MOST_PAIRS:
            left.append(lines)
            continue
        signs = places.equals.take(first.take(lines) + np.arange(count[lines[0]])[:, np.newaxis])
        last = words[signs - 8]
        fruitless = 0
        while lines.size > _FEW and fruitless < _FRUITLESS:
            keys = _keys(places, first[lines[0]], signs[:, 0])
            same = _have(words, signs, last, keys)
            chosen = np.flatnonzero(same)
            if chosen.size > _FEW:
                laid.append(Laid(keys, lines.take(chosen), signs.take(chosen, axis=1)))
            else:
                left.append(lines.take(chosen))
                fruitless += 1
            if not same[0]:  # a text before an equals sign that is no key
                left.append(lines[:1])
                same[0] = True
            others = np.flatnonzero(~same)
            lines, signs, last = lines.take(others), signs.take(others, axis=1), last.take(others, axis=1)
        left.append(lines)
    return laid, np.concatenate(left)


def _keys(places: Places, first: int, signs: Positions) -> tuple[bytes, ...]:
    """The keys of a line: what stands behind the last blank before each equals sign, or else since the sign before."""
    begins = places.equals[first - 1 : first - 1 + signs.size] + 1
    texts = (bytes(places.data[begin:stop]) for begin, stop in zip(begins.tolist(), signs.tolist(), strict=True))
    return tuple(text[text.rfind(b" ") + 1 :] for text in texts)


@dataclass(frozen=True, slots=True)
class _Template:
    """What stands before the equals signs of a line that has a layout, as words; one row for each of them."""

    last_kept: Words
    """Which bytes of the word that ends at each sign belong to its key, or are the blank in front of it."""
    last: Words
    key: Positions
    """The numbers of the keys to which the words before belong."""
    back: Positions
    """How many bytes before the sign each of these words begins."""
    kept: Words
    words: Words


@lru_cache(maxsize=1024)
def _template(keys: tuple[bytes, ...]) -> _Template:
    """The template of keys shorter than LONGEST_KEY: each line of a stretch asks for the same few."""
    texts = [b" " + key for key in keys]
    before = [
        (number, seen + 8, text[: len(text) - seen][-8:])
        for number, text in enumerate(texts)
        for seen in range(8, len(text), 8)
    ]
    return _Template(
        *_as_words([text[-8:] for text in texts]),
        np.array([number for number, _, _ in before], np.int64),
        np.array([back for _, back, _ in before], np.int64)[:, np.newaxis],
        *_as_words([piece for _, _, piece in before]),
    )


def _as_words(pieces: Sequence[bytes]) -> tuple[Words, Words]:
    """Which bytes of a word that ends with each piece are its own, and these bytes; one row for each."""
    kept = LAST.take(np.array([len(piece) for piece in pieces], np.int64))
    words = np.array([word(piece.rjust(8, b"\0")) for piece in pieces], np.uint64)
    return kept[:, np.newaxis], words[:, np.newaxis]


def _have(words: Words, signs: Positions, last: Words, keys: tuple[bytes, ...]) -> Flags:
    """Which lines have these keys, each behind a blank; `last`: the words that end where the signs stand."""
    if max(map(len, keys)) >= LONGEST_KEY:
        return np.zeros(signs.shape[1], np.bool_)
    template = _template(keys)
    found: Flags = ((last & template.last_kept) == template.last).all(axis=0)
    if template.key.size:
        lines = np.flatnonzero(found)
        before = words[signs.take(template.key, axis=0).take(lines, axis=1) - template.back]
        before &= template.kept
        found[lines] = (before == template.words).all(axis=0)
    return found
