"""Files in stretches of whole lines that fit into memory, whatever the size of the file: plain, gzip or Zstandard."""

from __future__ import annotations

import errno
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STRETCH = 4 << 20
"""Bytes that are read at once; a line longer than this is cut."""
_CHUNK = 256 << 10
"""Bytes of an archive that are read at once."""
_UNPACKED = 4 * _CHUNK
"""Bytes that are unpacked at once."""
LONGEST = STRETCH + _UNPACKED
"""Bytes of a stretch at most; those of an archive are a little longer."""
_GZIP, _GZIP_WINDOW = b"\x1f\x8b", 31
_ZSTANDARD, _SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"


def whole_lines(file: BinaryIO, offset: int) -> Iterator[memoryview]:
    """Whole lines from `offset` on, at most STRETCH bytes at a time; the last line only if it is complete.

    A stretch is only good until the next one is asked for.
    """
    # A few new lines of a log that is followed need no memory for a stretch, which takes longer than to read them.
    buffer = bytearray(min(STRETCH, max(os.fstat(file.fileno()).st_size - offset, 1)))
    while True:
        read = os.preadv(file.fileno(), [buffer], offset)
        end = buffer.rfind(b"\n", 0, read) + 1
        if not read or (not end and read < STRETCH):
            return
        offset += end or read
        yield memoryview(buffer)[: end or read]


def text_stretches(path: Path) -> Iterator[bytes | memoryview]:
    """The complete lines of a log, compressed or not, at most STRETCH bytes at a time; of a damaged one what is there.

    A stretch is only good until the next one is asked for. Raises OSError.
    """
    with path.open("rb", buffering=0) as file:
        unpack = compression(file)
        yield from whole_lines(file, 0) if unpack is None else Archive(file, unpack).whole_lines()


def text_blocks(path: Path, size: int = STRETCH) -> Iterator[bytes]:
    """All of the text of a log, compressed or not, in blocks that end anywhere; of a damaged archive what is there.

    Raises OSError.
    """
    with path.open("rb", buffering=0) as file:
        unpack = compression(file)
        if unpack is not None:
            yield from filter(None, Archive(file, unpack).unpacked())
            return
        while block := file.read(size):
            yield block


def lines_with(texts: Sequence[bytes], data: bytes | memoryview) -> Iterator[bytes]:
    """The lines that hold any of the texts, in their order; quick where they are rare."""
    data = bytes(data)
    begins: set[int] = set()
    for text in texts:
        at = data.find(text)
        while at >= 0:
            begins.add(data.rfind(b"\n", 0, at) + 1)
            at = data.find(text, at + 1)
    for begin in sorted(begins):
        end = data.find(b"\n", begin)
        yield data[begin : end if end >= 0 else len(data)]


class _Decompressor(Protocol):
    """What the decompressors of the standard library have in common (`bz2`, `lzma`, `compression.zstd`)."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """One member of a gzip file, as `_Decompressor` has it."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length
        return out


def compression(file: BinaryIO) -> Callable[[], _Decompressor] | None:
    """What unpacks a file, as its first bytes say; None for one that is not compressed."""
    magic = os.pread(file.fileno(), 4, 0)
    if magic.startswith(_GZIP):
        return _Gzip
    if magic == _ZSTANDARD or (magic[1:] == _SKIPPABLE and magic[0] >> 4 == 5):
        return zstd.ZstdDecompressor
    return None


@dataclass(slots=True)
class Archive:
    """A compressed log, read from its beginning; members that stand one behind the other are one text."""

    file: BinaryIO
    decompressor: Callable[[], _Decompressor]
    problem: str | None = field(default=None, init=False)
    """Why the archive ended too early, once everything before has been read."""
    rest: bytes = field(default=b"", init=False)
    """The last line without its end, once all others have been read; at most STRETCH bytes."""

    def whole_lines(self) -> Iterator[bytes]:
        """Whole lines, at most LONGEST bytes at a time however far they were compressed."""
        held = bytearray()
        for piece in self.unpacked():
            held += piece
            if len(held) >= STRETCH:
                end = held.rfind(b"\n") + 1 or len(held)
                yield bytes(memoryview(held)[:end])
                del held[:end]
        end = held.rfind(b"\n") + 1
        if end:
            yield bytes(memoryview(held)[:end])
        self.rest = bytes(held[end:])

    def unpacked(self) -> Iterator[bytes]:
        """Pieces of the text, as far as it can be had."""
        try:
            yield from self._members()
        except (zlib.error, zstd.ZstdError) as error:
            self.problem = f"damaged: {error}"
        except EOFError:
            self.problem = "cut off"

    def _members(self) -> Iterator[bytes]:
        """Raises EOFError if the last member is not complete."""
        decompressor, begun, packed = self.decompressor(), False, b""
        while True:
            if not packed and (not begun or decompressor.needs_input):
                packed = self.file.read(_CHUNK)
                if not packed:
                    break
            packed, fed = b"", packed
            if not begun:
                fed = fed.lstrip(b"\0")  # members may be padded
                begun = bool(fed)
            if not begun:
                continue
            yield decompressor.decompress(fed, _UNPACKED)
            if decompressor.eof:
                decompressor, begun, packed = self.decompressor(), False, decompressor.unused_data
        if begun:
            raise EOFError


def is_stale(error: OSError) -> bool:
    """Whether a file on NFS was removed on its server while it was open here."""
    return error.errno == errno.ESTALE
