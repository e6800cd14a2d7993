"""Follow one log, wherever it lies: from its end, by size and offset, never as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.format import size as size_words

TAIL_BYTES = 64 << 10
GAP_BYTES = 1 << 20
"""What came while nobody looked is read up to so much; of more only the tail."""


@dataclass(frozen=True, slots=True)
class News:
    """What a look at a log brought."""

    size: int
    data: bytes = b""
    note: str = ""
    """To be said before the data: something was left out, or the file is another one."""


class LogFollower:
    """One log and how far it was read."""

    def __init__(self, files: LogFiles, name: str) -> None:
        self._files, self.name = files, name
        self._offset: int | None = None

    async def unread(self) -> int:
        """Bytes that were added since the last read. Raises FileNotFoundError, OSError, Unreachable."""
        return max(0, await self._files.size(self.name) - (self._offset or 0))

    async def more(self) -> News:
        """What is new; at first the tail. Raises FileNotFoundError, OSError, Unreachable."""
        size = await self._files.size(self.name)
        if self._offset is None:
            return await self._tail(size, "before this are not shown")
        if size < self._offset:
            self._offset = 0
            news = await self._tail(size, "of the new file are not shown")
            return News(size, news.data, "the file became shorter: it was truncated or replaced, and is read anew")
        if size - self._offset > GAP_BYTES:
            return await self._tail(size, "in between are not shown")
        return News(size, await self._read(size))

    async def _tail(self, size: int, left_out: str) -> News:
        """The end of the file, from the beginning of a line if it is not the whole."""
        skipped = max(self._offset or 0, size - TAIL_BYTES) - (self._offset or 0)
        self._offset = (self._offset or 0) + skipped
        data = await self._read(size)
        if not skipped:
            return News(size, data)
        torn, newline, rest = data.partition(b"\n")
        if newline:
            data, skipped = rest, skipped + len(torn) + 1
        return News(size, data, f"{size_words(skipped)} {left_out}")

    async def _read(self, size: int) -> bytes:
        assert self._offset is not None
        data = await self._files.read(self.name, self._offset, size - self._offset)
        self._offset += len(data)
        return data
