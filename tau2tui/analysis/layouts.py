"""Lines whose keys stand in the same order: one of them is read, the others are compared with it, as columns of words.

A log has about a dozen layouts, as many as its writers have ways to write a line, so that a key of a line costs a
comparison and need not be looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    order = np.argsort(count, kind="stable")
    for lines in np.split(order, np.flatnonzero(np.diff(count.take(order))) + 1):
        if lines.size <= _FEW or count[lines[0]] > _MOST_PAIRS:
            left.append(lines)
            continue
        signs = places.equals.take(first.take(lines) + np.arange(count[lines[0]])[:, np.newaxis])
        fruitless = 0
        while lines.size > _FEW and fruitless < _FRUITLESS:
            keys = _keys(places, first[lines[0]], signs[:, 0])
            same = _have(words, signs, keys)
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
            lines, signs = lines.take(others), signs.take(others, axis=1)
        left.append(lines)
    return laid, np.concatenate(left)


def _keys(places: Places, first: int, signs: Positions) -> tuple[bytes, ...]:
    """The keys of a line: what stands behind the last blank before each equals sign, or else since the sign before."""
    begins = places.equals[first - 1 : first - 1 + signs.size] + 1
    texts = (bytes(places.data[begin:stop]) for begin, stop in zip(begins.tolist(), signs.tolist(), strict=True))
    return tuple(text[text.rfind(b" ") + 1 :] for text in texts)


def _have(words: Words, signs: Positions, keys: tuple[bytes, ...]) -> Flags:
    """Which lines have these keys, each behind a blank."""
    texts = [b" " + key for key in keys]
    lines = np.arange(signs.shape[1] if max(map(len, texts)) <= LONGEST_KEY else 0)
    for seen in range(0, LONGEST_KEY, 8):
        longer = [number for number, text in enumerate(texts) if len(text) > seen]
        if not longer or not lines.size:
            break
        pieces = [texts[number][: len(texts[number]) - seen][-8:] for number in longer]
        places = signs if len(longer) == len(texts) else signs.take(longer, axis=0)
        text = words[(places if lines.size == signs.shape[1] else places.take(lines, axis=1)) - (seen + 8)]
        text &= LAST[[len(piece) for piece in pieces]][:, np.newaxis]
        same = (text == np.array([[word(piece.rjust(8, b"\0"))] for piece in pieces], np.uint64)).all(axis=0)
        lines = lines.take(np.flatnonzero(same))
    found = np.zeros(signs.shape[1], np.bool_)
    found[lines] = True
    return found
