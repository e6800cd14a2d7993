"""The end of a log, wherever it lies, as lines that a terminal can show: by offset, never as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tau2tui.core.printable import as_displayed, one_line
from tau2tui.remote.logfiles import LogFiles

_BLOCK = 64 << 10
_MOST = 4 << 20
"""Bytes that are read at most for the last lines."""
_LOOK_S = 1.0
_ANCHOR = 64


async def last_lines(files: LogFiles, name: str, count: int) -> tuple[list[str], int]:
    """The last lines of a log, and the offset behind them. Raises FileNotFoundError, Unreachable."""
    size = await files.size(name)
    start, data = size, b""
    while start > 0 and data.count(b"\n") <= count and len(data) < _MOST:
        before = max(0, start - _BLOCK)
        data = await files.read(name, before, start - before) + data
        start = before
    whole, newline, rest = data.rpartition(b"\n")
    lines = whole.split(b"\n") if newline else []
    if start > 0 and len(lines) > count:
        lines = lines[1:]  # the first one is torn
    return [shown(line) for line in lines[-count:]], size - len(rest)


async def new_lines(files: LogFiles, name: str, offset: int) -> AsyncIterator[str]:
    """The lines that are added, for ever; a log that is another one by now is read anew, one that is gone waited for.

    It is another one if it became shorter, or if other bytes stand where the last ones were read.
    """
    rest, anchor = b"", b""
    while True:
        try:
            size = await files.size(name)
            if size < offset:
                offset, rest, anchor = 0, b"", b""
            while offset < size:
                begin = offset - len(anchor)
                data = await files.read(name, begin, min(_MOST, size - begin))
                if not data.startswith(anchor):
                    offset, rest, anchor = 0, b"", b""
                    continue
                new = data[len(anchor) :]
                if not new:
                    break
                offset, anchor = offset + len(new), data[-_ANCHOR:]
                whole, newline, rest = (rest + new).rpartition(b"\n")
                for line in whole.split(b"\n") if newline else ():
                    yield shown(line)
        except FileNotFoundError:
            offset, rest, anchor = 0, b"", b""
        await asyncio.sleep(_LOOK_S)


def shown(line: bytes) -> str:
    """A line as it would look in the end: without what a carriage return overwrote, without colours and controls."""
    return one_line(as_displayed(line).decode("utf-8", "replace").expandtabs(8))
