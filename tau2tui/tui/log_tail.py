"""One log, wherever it lies, read by size and offset: from its end, and then in pieces either way, never whole."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.format import size as size_words
from tau2tui.tui.log_lines import make_lines
from tau2tui.tui.log_window import KEPT_LINES, LogWindow

TAIL_BYTES = 64 << 10
PIECE_BYTES = 256 << 10
"""Read at a time when it is scrolled beyond what is loaded."""
GAP_BYTES = 1 << 20
"""What came while nobody looked is read up to so much; of more only the tail."""
_MARK_BYTES = 48
"""So many of the last bytes that were seen must still be there, else it is another file."""
SHORTER = "the file became shorter: it was truncated or replaced, and is read anew"
REPLACED = "another file is here now under the same name, and is read anew"


@dataclass(frozen=True, slots=True)
class News:
    """What a look at a log brought."""

    changed: bool = False
    """Whether the window did."""
    lines: int = 0
    """Lines that came since it was followed last."""
    unread: int = 0
    """Bytes that came since then."""


class LogTail:
    """One log: the window that is loaded of it, and how far it was seen."""

    def __init__(self, files: LogFiles, name: str, errors: re.Pattern[str], most: int = KEPT_LINES) -> None:
        self._files, self.name, self._errors, self._most = files, name, errors, most
        self.window = LogWindow(errors, most=most)
        self.size: int | None = None
        """Bytes, as of the last look; None before the first."""
        self.at_end = False
        """Whether the window reaches to what was the end when it was followed last."""
        self._older_gone = False
        self._seen_to = self._followed_to = 0
        self._mark = b""
        self._new_lines = 0
        self._lock = asyncio.Lock()

    @property
    def at_begin(self) -> bool:
        """Whether there is nothing before the window."""
        return self.window.begin == 0 or self._older_gone

    async def look(self, *, following: bool) -> News:
        """What is new; into the window only if it is followed. Raises FileNotFoundError, OSError, Unreachable."""
        async with self._lock:
            if self.size is None or (following and not self.at_end):
                await self._to_end()
                return News(changed=True)
            before, self.size = self._seen_to, await self._files.size(self.name)
            if self.size < before:
                return await self._start_anew(SHORTER)
            if self.size > before:
                data = await self._read(before - len(self._mark), min(self.size - before, GAP_BYTES) + len(self._mark))
                if not data.startswith(self._mark):
                    return await self._start_anew(REPLACED)
                fresh = data[len(self._mark) :]
                self._new_lines += fresh.count(b"\n")
                self._saw(before, fresh)
            else:
                fresh = b""
            if not following:
                return News(False, self._new_lines, self.size - self._followed_to)
            return await self._catch_up(before, fresh)

    async def to_begin(self) -> None:
        """Load the beginning alone. Raises FileNotFoundError, OSError, Unreachable."""
        async with self._lock:
            await self._load(0, PIECE_BYTES)

    async def around(self, offset: int) -> None:
        """Load what stands around a place. Raises FileNotFoundError, OSError, Unreachable."""
        async with self._lock:
            start = max(0, offset - TAIL_BYTES)
            if start:
                torn, newline, rest = (await self._read(start, offset - start)).partition(b"\n")
                skipped = len(torn) + len(newline) + len(rest) - len(_last_lines(rest, self._most // 4))
                start = start + skipped if newline else offset
            await self._load(start, PIECE_BYTES + TAIL_BYTES)

    async def before(self) -> bool:
        """Load the piece before the window; whether there was one. Raises FileNotFoundError, OSError, Unreachable."""
        async with self._lock:
            stop = self.window.begin
            if self.at_begin:
                return False
            start = max(0, stop - PIECE_BYTES)
            data = await self._read(start, stop - start)
            if len(data) < stop - start:
                return False  # it became shorter: the next look says so
            if start:
                torn, _, rest = data.partition(b"\n")
                if rest:  # else it is in the middle of a line that is longer than a piece: a part of it
                    start, data = start + len(torn) + 1, rest
            kept = _last_lines(data, self._most // 2)
            start, data = start + len(data) - len(kept), kept
            lines = await asyncio.to_thread(make_lines, data, start, self._errors)
            self.window.prepend(lines, start)
            self.at_end = self.at_end and not self.window.trimmed_end
            return True

    async def after(self) -> bool:
        """Load the piece after the window; whether there was one. Raises FileNotFoundError, OSError, Unreachable."""
        async with self._lock:
            if self.at_end:
                return False
            stop = self.window.end
            data = _first_lines(await self._read(stop, PIECE_BYTES), self._most // 2)
            await asyncio.to_thread(self.window.append, data)
            self._reached(stop, data)
            return bool(data)

    async def _catch_up(self, before: int, fresh: bytes) -> News:
        """Take what was seen into the window, or go to the tail if that is too much."""
        assert self.size is not None
        gap = self.size - self.window.end
        self._new_lines, self._followed_to = 0, self.size
        if not gap:
            return News()
        if gap > GAP_BYTES:
            await self._skip_to_tail(f"{size_words(gap - TAIL_BYTES)} in between are not shown")
            return News(changed=True)
        if self.window.end != before:
            fresh = await self._read(self.window.end, gap)
        await asyncio.to_thread(self.window.append, fresh)
        return News(changed=True)

    async def _start_anew(self, why: str) -> News:
        """What is loaded stays; below it stands the new file, or its tail."""
        self.window.note(why)
        self.window.moved_to(0)
        self._older_gone, self.at_end, self._new_lines = True, True, 0
        assert self.size is not None
        self._followed_to = self.size
        if self.size > GAP_BYTES:
            await self._skip_to_tail(f"{size_words(self.size - TAIL_BYTES)} of the new file are not shown")
        else:
            data = await self._read(0, self.size)
            await asyncio.to_thread(self.window.append, data)
            self._saw(0, data)
        return News(changed=True)

    async def _skip_to_tail(self, said: str) -> None:
        start, data = await self._tail()
        self.window.note(said)
        self.window.moved_to(start)
        await asyncio.to_thread(self.window.append, data)
        self._saw(start, data)
        self.at_end = True

    async def _to_end(self) -> None:
        self.size = await self._files.size(self.name)
        start, data = await self._tail()
        await self._fill(start, data)
        self._saw(start, data)
        self.size = self._followed_to = max(self.size, self.window.end)
        self.at_end, self._new_lines = True, 0

    async def _tail(self) -> tuple[int, bytes]:
        """Where the tail begins, with a line if it holds the beginning of one, and the tail."""
        assert self.size is not None
        start = max(0, self.size - TAIL_BYTES)
        data = await self._read(start, self.size - start)
        torn, _, rest = data.partition(b"\n")
        return (start + len(torn) + 1, rest) if start and rest else (start, data)

    async def _load(self, start: int, limit: int) -> None:
        """A new window from a line's beginning."""
        self.size = max(self.size or 0, await self._files.size(self.name))
        data = _first_lines(await self._read(start, limit), self._most // 2)
        await self._fill(start, data)
        self.at_end = False
        self._reached(start, data)

    async def _fill(self, start: int, data: bytes) -> None:
        window = LogWindow(self._errors, start, self._most)
        await asyncio.to_thread(window.append, data)
        self.window, self._older_gone = window, False

    def _reached(self, offset: int, data: bytes) -> None:
        """The window may reach to the end again, or beyond what was seen."""
        if self.window.end >= self._seen_to:
            self.at_end, self.window.trimmed_end = True, False
            self._saw(offset, data)

    def _saw(self, offset: int, data: bytes) -> None:
        follows = offset == self._seen_to
        self._seen_to = offset + len(data)
        self._mark = ((self._mark if follows else b"") + data)[-_MARK_BYTES:]

    async def _read(self, offset: int, length: int) -> bytes:
        return await self._files.read(self.name, offset, length)


def _first_lines(data: bytes, most: int) -> bytes:
    """As many whole lines as there is room for beside those that are in sight; all of it if it is less."""
    at = -1
    if data.count(b"\n") <= most:
        return data
    for _ in range(most):
        at = data.index(b"\n", at + 1)
    return data[: at + 1]


def _last_lines(data: bytes, most: int) -> bytes:
    """The same from the end, for data that ends with a line."""
    at = len(data) - 1
    if data.count(b"\n") <= most:
        return data
    for _ in range(most):
        at = data.rindex(b"\n", 0, at)
    return data[at + 1 :]
