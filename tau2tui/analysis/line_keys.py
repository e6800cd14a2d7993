"""The types of profile lines, and which column a key of them means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tau2tui.analysis.words import FIRST, LAST, Positions, Words, word

CALL_TYPES = ("llm_call", "expert_call", "tool_call", "step_complete", "user_sim", "evaluator")
"""The values of `type`."""

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

COLUMNS = (*MILLISECONDS, *COUNTS, *NAMES, *FLAGS)
COLUMN_OF = {key.encode(): column for column in COLUMNS for key in SPELLINGS.get(column, (column,))}
"""Key → the column that it means."""
_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, whose multiples lie well apart (D. Knuth, The Art of Computer Programming 3, 6.4)."""
LONGEST_KEY = 32
"""Bytes of a key that are looked at; none of those that mean a column is as long."""


class Keys:
    """Which column a key means: a table without collisions, in which a key is compared whole."""

    _BITS = 10

    def __init__(self) -> None:
        texts = list(COLUMN_OF)
        self.length = np.array([0, *map(len, texts)], np.int64)
        self.last = np.array([0, *(_last(text) for text in texts)], np.uint64)
        self.before = [np.array([0, *(word(text[at : at + 8]) for text in texts)], np.uint64) for at in (0, 8, 16)]
        self.column = np.array([len(COLUMNS), *(COLUMNS.index(column) for column in COLUMN_OF.values())], np.uint8)
        self.factor, slots = self._without_collision()
        self.table = np.zeros(1 << self._BITS, np.uint8)
        self.table[slots] = np.arange(1, len(slots) + 1)

    def _without_collision(self) -> tuple[np.uint64, NDArray[np.int64]]:
        for number in range(1000):
            factor = np.uint64((_GOLDEN * (2 * number + 1)) % 2**64)  # odd
            slots = self._slots(self.last[1:], self.length[1:], factor)
            if len(set(slots.tolist())) == len(slots):
                return factor, slots
        raise AssertionError("a thousand factors, and each has a collision")

    def _slots(self, last: Words, length: Positions, factor: np.uint64) -> NDArray[np.int64]:
        mixed = last + length.view(np.uint64)
        mixed *= factor
        mixed >>= np.uint64(64 - self._BITS)
        return mixed.view(np.int64)

    def columns(
        self, words: Words, start: Positions, length: Positions, last: Words, wanted: frozenset[str]
    ) -> NDArray[np.uint8]:
        """The number of the column that each key means; len(COLUMNS) for a key that means none that is wanted.

        `last`: the words that end where the keys end.
        """
        last = last & LAST.take(length, mode="clip")
        key = self.table.take(self._slots(last, length, self.factor))
        column = np.array([number if name in wanted else len(COLUMNS) for number, name in enumerate(COLUMNS)], np.uint8)
        column = np.append(column, np.uint8(len(COLUMNS))).take(self.column).take(key)
        known = column < len(COLUMNS)
        known &= self.length.take(key) == length
        known &= self.last.take(key) == last
        for at, before in zip((0, 8, 16), self.before, strict=True):
            if (long := np.flatnonzero(known & (length > at + 8))).size:
                rest = FIRST.take(length.take(long) - at, mode="clip")
                rest &= words[start.take(long) + at]
                known[long] = rest == before.take(key.take(long))
        column[~known] = len(COLUMNS)
        return column


def _last(text: bytes) -> np.uint64:
    """The last eight bytes as a word, the missing ones before a shorter text 0."""
    return word(text[-8:].rjust(8, b"\0"))


KEYS = Keys()
