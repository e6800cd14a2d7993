"""Memory that two processes share: slots for a stretch of a log each, and for what is read of it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap
from typing import Any, TypeAlias

from tau2tui.analysis.stretches import LONGEST

SLOTS = 6
"""So many stretches lie ready for a reader, which need not wait while who asks is busy."""
_STATE, _ROOM = 4 << 10, 6 << 20
"""Bytes of a slot for its state, and for the columns that are read of a stretch; what is not used takes no memory."""
_SIZE = _STATE + LONGEST + _ROOM
ALL_BYTES = SLOTS * _SIZE

LENGTH = 8
"""Bytes in front of what is said that tell how long it is."""

Said: TypeAlias = tuple[bytes, tuple[int, ...]]
"""An object without its columns, pickled, and how many bytes of each of these lie in the slot."""


class State(IntEnum):
    """How it stands with a slot."""

    ASKED = 0
    WITHDRAWN = 1
    """Before the reader had begun; it need not any more."""
    BEGUN = 2
    ANSWERED = 3


@dataclass(eq=False, slots=True)
class Slot:
    """One of the SLOTS of a memory."""

    memory: mmap
    number: int

    @property
    def state(self) -> int:
        return self.memory[self.number * _SIZE]

    @state.setter
    def state(self, state: State) -> None:
        self.memory[self.number * _SIZE] = state

    def stretch(self, length: int) -> memoryview:
        """So many bytes of a stretch."""
        return self._part(_STATE, length)

    def put(self, found: Any) -> Said:
        """Leave the columns of what was read in the slot, and say the rest; all of it if there is no room for them."""
        columns: list[pickle.PickleBuffer] = []
        rest = pickle.dumps(found, protocol=5, buffer_callback=columns.append)
        views = [column.raw() for column in columns]
        if sum(view.nbytes for view in views) > _ROOM:
            return pickle.dumps(found, protocol=5), ()
        begin = _STATE + LONGEST
        for view in views:
            self._part(begin, view.nbytes)[:] = view
            begin += view.nbytes
        return rest, tuple(view.nbytes for view in views)

    def take(self, said: Said) -> Any:
        """A copy of what was `put`."""
        rest, sizes = said
        columns, begin = [], _STATE + LONGEST
        for size in sizes:
            columns.append(bytearray(self._part(begin, size)))
            begin += size
        return pickle.loads(rest, buffers=columns)  # noqa: S301 - from a process that this one started

    def _part(self, begin: int, length: int) -> memoryview:
        at = self.number * _SIZE + begin
        return memoryview(self.memory)[at : at + length]
