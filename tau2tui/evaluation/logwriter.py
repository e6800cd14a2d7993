"""Log files that any number of threads append whole lines to, without ever waiting for a disk."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

MOST_WAITING = 100_000
"""Lines that are kept while a disk takes none; a simulation writes some ten lines a second."""
_RETRY_S = 1.0
_LAST_WORDS_S = 5.0


class Target(Protocol):
    """Where lines go."""

    def write(self, data: bytes) -> None:
        """Append these bytes. Raises OSError; what of them was not written by then comes first the next time."""


class LineFile:
    """A log file; each line is one write. Used by one thread at a time.

    Even one write may be cut short by a kill, between two pages of the file: what follows is not joined to that.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._rest = b"" if _ends_a_line(path) else b"\n"

    def write(self, data: bytes) -> None:
        """Append the bytes of whole lines. Raises OSError, and goes on in the middle of the line the next time."""
        if self._descriptor is None:
            return
        self._rest += data
        while self._rest:
            self._rest = self._rest[os.write(self._descriptor, self._rest) :]

    def close(self) -> None:
        """Take no more lines."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


def _ends_a_line(path: Path) -> bool:
    """Whether what is there ends at the end of a line: a kill may have left half of one."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


class Echo:
    """Someone who may listen to a file descriptor; when nobody does any more, that ends nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def write(self, data: bytes) -> None:
        if self._descriptor is not None:
            try:
                os.write(self._descriptor, data)
            except OSError:
                self._descriptor = None


class LogWriter:
    """Takes lines from any thread at once, and writes them from a thread of its own, in order.

    While a disk is full or a file system does not answer, lines wait in memory; beyond a limit new ones are lost, and
    counted, for a log must never stop an evaluation.
    """

    def __init__(self, lost: Callable[[int, str], None], *, most_waiting: int = MOST_WAITING) -> None:
        """`lost` is told how many lines were, and why, when lines go through again."""
        self._lost = lost
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Target, bytes]] = deque()
        self._missed = 0
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="log writer", daemon=True)
        self._thread.start()

    def put(self, target: Target, data: bytes) -> None:
        """Have these bytes, whole lines, appended soon."""
        with self._changed:
            if len(self._waiting) >= self._most_waiting:
                self._missed += 1
            elif not self._closing:
                self._waiting.append((target, data))
                self._changed.notify_all()

    def flush(self, timeout_s: float = _LAST_WORDS_S) -> bool:
        """Wait until everything is written that was put before; whether it was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> bool:
        """Write what waits, if that is soon done, and take no more; whether everything was written."""
        done = self.flush()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        return done

    def _work(self) -> None:
        error, last = "", ""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting or (self._closing and error):
                    return
                target, data = self._waiting[0]
            try:
                target.write(b"" if error else data)
                error = ""
            except OSError as failure:
                error = last = failure.strerror or str(failure)
                time.sleep(_RETRY_S)
                continue
            self._done(last)

    def _done(self, error: str) -> None:
        with self._changed:
            self._waiting.popleft()
            missed, self._missed = self._missed, 0
            self._changed.notify_all()
        if missed:
            self._lost(missed, error)
