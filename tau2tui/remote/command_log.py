"""The commands that were run, the newest last: so that what the program does can be seen, and typed again."""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tau2tui.errors import Tau2TuiError

KEPT = 256


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command: when it began, what it was, how long it took, and how it ended."""

    at: float
    argv: tuple[str, ...]
    ms: float
    status: int | None
    """None: nobody knows, it did not answer."""
    error: str = ""
    """The first line of what it complained of."""

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass
class Running:
    """A command that has begun; it is recorded as what was set when it ends."""

    status: int | None = None
    error: str = ""


@dataclass
class CommandLog:
    """The last commands of one shell. Their words never hold secrets: keys go by environment or standard input."""

    records: deque[CommandRecord] = field(default_factory=lambda: deque(maxlen=KEPT))

    @contextmanager
    def recording(self, argv: tuple[str, ...]) -> Iterator[Running]:
        """Record what runs inside, however it ends."""
        at, began, running = time.time(), time.monotonic(), Running()
        try:
            yield running
        except Tau2TuiError as error:
            running.error = error.message
            raise
        finally:
            ms = 1000 * (time.monotonic() - began)
            first = running.error.strip().partition("\n")[0][:200]
            self.records.append(CommandRecord(at, argv, ms, running.status, first))

    def per_minute(self, name: str, now: float) -> int:
        """How many commands of this name were begun in the last minute."""
        return sum(record.argv[0] == name and now - record.at <= 60 for record in self.records)
