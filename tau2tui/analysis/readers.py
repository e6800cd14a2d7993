"""A log is read by several processes at once: threads of Python wait for each other, processes do not.

Those beside this one are started when a log is worth it, stay for the next one, and end when nothing was asked of them
for a while. What they do not do, for whatever reason, is done here.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from tau2tui.analysis.reader import Asked, Reader

if TYPE_CHECKING:
    from tau2tui.analysis.stretch import Stretch, StretchQuestion
    from tau2tui.analysis.words import Buffer

AT_ONCE = min(len(os.sched_getaffinity(0)), 4)
"""Processes that read, at most; this one is one of them."""
WORTH_BYTES = 24 << 20
"""To read less takes no longer than to start a reader."""
_MOST_WAITING = 64
"""Stretches that were read while one before them was not."""

Read: TypeAlias = "Callable[[Buffer], Stretch]"


class Readers:
    """The readers of this process, whoever reads a log in it."""

    def __init__(self, most: int = AT_ONCE - 1) -> None:
        self._most = most
        self._lock = Lock()
        self._idle: list[Reader] = []
        self._lent = 0

    def start(self, size: int) -> None:
        """Start those that will be needed to read so many bytes: they load what they need while this process does."""
        with self.lent(size):
            pass

    @contextmanager
    def lent(self, size: int) -> Iterator[Sequence[Reader]]:
        """Readers for a log of so many bytes, which nobody else uses meanwhile; none if it is not worth it."""
        readers = self._take() if size >= WORTH_BYTES else []
        try:
            yield readers
        finally:
            for reader in readers:
                reader.forget()
            with self._lock:
                self._lent -= len(readers)
                self._idle += readers

    def end(self) -> None:
        """End those that nobody uses."""
        with self._lock:
            while self._idle:
                self._idle.pop().end()

    def _take(self) -> list[Reader]:
        with self._lock:
            readers = [reader for reader in self._idle if reader.alive]
            for reader in self._idle:
                if reader not in readers:
                    reader.end()
            self._idle = []
            try:
                while self._lent + len(readers) < self._most:
                    readers.append(Reader())
            except (OSError, RuntimeError):
                pass  # no more processes or memory: then fewer read
            self._lent += len(readers)
        return readers


READERS = Readers()
atexit.register(READERS.end)


def read_in_order(
    stretches: Iterable[Buffer], size: int, question: StretchQuestion, read: Read, pool: Readers | None = None
) -> Iterator[Stretch]:
    """What stretches say, of about `size` bytes in all, in their order; `read` reads one in this process.

    `pool`: READERS, if it is not said. A stretch is not looked at any more when the next one is asked for.
    """
    with (pool or READERS).lent(size) as readers:
        waiting: deque[Stretch | Asked] = deque()
        for data in stretches:
            asked = (reader.ask(data, question) for reader in readers)
            waiting.append(next(filter(None, asked), None) or read(data))
            while waiting and (_is_there(waiting[0]) or len(waiting) > _MOST_WAITING):
                yield _settled(waiting.popleft(), read)
        while waiting:
            # Nothing is left to be handed out: what lies before readers is taken back from the end.
            while not _is_there(waiting[0]) and (place := _last_not_begun(waiting)) is not None:
                waiting[place] = _settled(waiting[place], read)
            yield _settled(waiting.popleft(), read)


def _is_there(waiting: Stretch | Asked) -> bool:
    return not isinstance(waiting, Asked) or waiting.done


def _last_not_begun(waiting: deque[Stretch | Asked]) -> int | None:
    places = range(len(waiting) - 1, -1, -1)
    return next((place for place in places if isinstance(one := waiting[place], Asked) and not one.begun), None)


def _settled(waiting: Stretch | Asked, read: Read) -> Stretch:
    if not isinstance(waiting, Asked):
        return waiting
    return waiting.answer() or read(waiting.take_back())
