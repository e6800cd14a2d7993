"""A process that reads stretches of logs for this one."""

from __future__ import annotations

import mmap
import os
import pickle
import select
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO, TYPE_CHECKING

from tau2tui.analysis.shared_slots import ALL_BYTES, LENGTH, SLOTS, Said, Slot, State

if TYPE_CHECKING:
    from tau2tui.analysis.stretch import Stretch, StretchQuestion
    from tau2tui.analysis.words import Buffer

_PATIENCE_MS = 2000
"""What a reader has begun takes a hundredth of that."""
_PROGRAM = "from tau2tui.analysis.reader_process import main; main()"


class Reader:
    """Reads one stretch after the other; as many as there are slots may lie before it."""

    def __init__(self) -> None:
        """Raises OSError or RuntimeError if no process, or no thread to wait for its end, can be started."""
        descriptor = _nameless_file()
        try:
            os.truncate(descriptor, ALL_BYTES)
            memory = mmap.mmap(descriptor, ALL_BYTES)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(descriptor)],  # -P: nothing from where the user stands
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # where it fails, who asked reads the stretch, and says why that fails
                pass_fds=(descriptor,),
            )
        finally:
            os.close(descriptor)
        # Whenever it ends, nothing of it stays behind, however long nobody looks.
        Thread(target=self._process.wait, name="end of a reader", daemon=True).start()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._answered = select.poll()
        self._answered.register(self._answers, select.POLLIN)
        self._free = [Slot(memory, number) for number in range(SLOTS)]
        self._asked: deque[Asked] = deque()
        """In the order of the answers."""
        self._ended = False

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, data: Buffer, question: StretchQuestion) -> Asked | None:
        """Put a stretch before it; None if there is no room for it, or it has ended."""
        while self._asked and self._asked[0].done and not self._asked[0].wanted and not self._ended:
            self._receive()
        if self._ended or not self._free:
            return None
        asked = Asked(self, self._free.pop(), len(data))
        asked.slot.stretch(len(data))[:] = data
        asked.slot.state = State.ASKED
        try:
            pickle.dump((asked.slot.number, len(data), question), self._requests)
            self._requests.flush()
        except OSError:
            self._ended = True
            return None
        self._asked.append(asked)
        return asked

    def wait_for(self, asked: Asked) -> None:
        """Receive what it says until it has said that, has ended, or says nothing for long."""
        while asked in self._asked and not self._ended and self._answered.poll(_PATIENCE_MS):
            self._receive()

    def forget(self) -> None:
        """Nobody wants to know any more what is still open."""
        for asked in self._asked:
            asked.take_back()

    def end(self) -> None:
        """End the process: it holds nothing that could be lost."""
        self._ended = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # for what could not be sent
                pipe.close()

    def _receive(self) -> None:
        """Wait for what it says of the first of what it was asked."""
        try:
            length = int.from_bytes(self._read(LENGTH), "little")
            said: Said | None = pickle.loads(self._read(length))  # noqa: S301 - from a process that this one started
        except EOFError:
            self._ended = True
            return
        asked = self._asked.popleft()
        if said is not None and asked.wanted:
            asked.found = asked.slot.take(said)
        self._free.append(asked.slot)

    def _read(self, size: int) -> bytes:
        """Nothing is read beyond, so that the pipe tells whether there is more. Raises EOFError."""
        read = bytearray()
        while len(read) < size:
            some = os.read(self._answers.fileno(), size - len(read))
            if not some:
                raise EOFError
            read += some
        return bytes(read)


@dataclass(eq=False, slots=True)
class Asked:
    """A stretch that lies before a reader."""

    reader: Reader
    slot: Slot
    length: int
    wanted: bool = True
    found: Stretch | None = None

    @property
    def done(self) -> bool:
        return self.found is not None or self.slot.state == State.ANSWERED

    @property
    def begun(self) -> bool:
        return self.found is not None or self.slot.state != State.ASKED

    def answer(self) -> Stretch | None:
        """What the reader says of it; None if it has not begun, or says nothing any more."""
        if self.begun:
            self.reader.wait_for(self)
        return self.found

    def take_back(self) -> memoryview:
        """The stretch: who asked reads it, or does not want to know any more. Only without an answer."""
        self.wanted = False
        if not self.begun:
            self.slot.state = State.WITHDRAWN
        return self.slot.stretch(self.length)


def _nameless_file() -> int:
    """A file that is gone with the last process that has it, in memory where the C library is of 2018 or newer."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tau2tui-stretches")
    import tempfile  # it takes as long to load as all else here

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
