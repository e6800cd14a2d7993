"""Look through a whole log, in pieces, without loading it: for a search, or for the next error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from tau2tui.core.printable import bytes_without_escapes
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.log_lines import ERROR_WORDS, readable
from tau2tui.tui.log_pattern import expression_pattern

SCAN_BYTES = 1 << 20
_LONGEST_BYTES = 4 * SCAN_BYTES
"""A line that is longer is looked through in parts."""
Wanted = Callable[[str], bool]
"""Says of a line, as it is drawn, whether it is looked for."""


class Places(Protocol):
    """A quick look at many lines at once: where there may be something."""

    def places(self, text: str) -> list[tuple[int, int]]: ...


class ErrorPlaces:
    """Where errors may be: the usual words are looked for one by one, which is far quicker than as an expression."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """`more`: the expressions of the configuration."""
        self._more = [expression_pattern(expression) for expression in more]

    def places(self, text: str) -> list[tuple[int, int]]:
        """In order. Raises BadPattern."""
        found = [place for pattern in self._more for place in pattern.places(text)]
        for word in ERROR_WORDS:
            at = text.find(word)
            while at >= 0:
                found.append((at, at + len(word)))
                at = text.find(word, at + 1)
        return sorted(found)


async def find_backward(
    files: LogFiles, name: str, stop: int, start: int, quick: Places, wanted: Wanted, tell: Callable[[int], None]
) -> int | None:
    """The offset of the last line wanted between `start` and `stop`, which is the beginning of a line, or the end.

    `tell` hears how far it is. Raises FileNotFoundError, OSError, Unreachable, BadPattern.
    """
    held = b""
    while stop > start:
        begin = max(start, stop - SCAN_BYTES)
        data = await files.read(name, begin, stop - begin) + held
        stop, held = begin, b""
        if begin > start:
            newline = data.find(b"\n", 0, len(data) - 1)  # the last byte may be the end of a line that begins before
            if newline >= 0:
                held, data, begin = data[: newline + 1], data[newline + 1 :], begin + newline + 1
            elif len(data) < _LONGEST_BYTES:
                held = data
                continue
        found = await asyncio.to_thread(last_line, data, quick, wanted)
        if found is not None:
            return begin + found
        tell(stop)
    return None


async def find_forward(
    files: LogFiles, name: str, start: int, stop: int, quick: Places, wanted: Wanted, tell: Callable[[int], None]
) -> int | None:
    """The offset of the first line wanted between `start`, the beginning of a line, and `stop`; else as backward."""
    held = b""
    while start < stop:
        piece = await files.read(name, start, min(SCAN_BYTES, stop - start))
        if not piece:
            break
        begin, data = start - len(held), held + piece
        start += len(piece)
        whole, newline, held = data.rpartition(b"\n")
        if start >= stop or (not newline and len(data) >= _LONGEST_BYTES):
            whole, held = data, b""
        elif not newline:
            continue
        found = await asyncio.to_thread(first_line, whole, quick, wanted)
        if found is not None:
            return begin + found
        tell(start)
    return None


def first_line(data: bytes, quick: Places, wanted: Wanted) -> int | None:
    """Where the first line wanted begins."""
    return _nearest(data, quick, wanted, last=False)


def last_line(data: bytes, quick: Places, wanted: Wanted) -> int | None:
    """Where the last line wanted begins."""
    return _nearest(data, quick, wanted, last=True)


def _nearest(data: bytes, quick: Places, wanted: Wanted, *, last: bool) -> int | None:
    """Take only those lines apart in which something may be; without escapes they keep numbers, not places."""
    text = bytes_without_escapes(data).decode("utf-8", "replace")
    places = quick.places(text)
    raws: list[bytes] | None = None
    checked: set[int] = set()
    number, counted_to = (text.count("\n"), len(text)) if last else (0, 0)
    for begin, end in reversed(places) if last else places:
        if last:
            number -= text.count("\n", begin, counted_to)
        else:
            number += text.count("\n", counted_to, begin)
        counted_to = begin
        if raws is None:
            raws = data.split(b"\n")
        over = range(number, number + text.count("\n", begin, end) + 1)
        for each in reversed(over) if last else over:
            if each not in checked and wanted(readable(raws[each])):
                return sum(map(len, raws[:each])) + each
            checked.add(each)
    return None
