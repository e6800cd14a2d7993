"""Records of a stretch of a log that lie on disk, as Parquet: only the columns that somebody asks for are in memory."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import polars as pl

from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, SKIPPED, TASKS, Records, with_identity

SCHEMAS = {"events": EVENTS, "tasks": TASKS, "driver": DRIVER, "errors": ERRORS, "skipped": SKIPPED}
MANY_ROWS = 20_000
"""So many rows are put away; fewer cost less memory than a file costs time."""
IN_MEMORY = 24 << 20
"""Bytes of records that stay in memory before any are put away."""
LITTLE = 64 << 10
"""Parquet up to this size is held as it is: no file stays open for it."""


class OpenFile:
    """A file that is closed with the last content that lies in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __del__(self) -> None:
        self._file.close()

    def read(self, size: int, offset: int) -> bytes:
        """Raises OSError."""
        return os.pread(self._file.fileno(), size, offset)

    def write(self, data: memoryview, offset: int) -> None:
        """Raises OSError."""
        while data:
            written = os.pwrite(self._file.fileno(), data, offset)
            data, offset = data[written:], offset + written


@dataclass(frozen=True, slots=True)
class Content:
    """A frame as Parquet: bytes, or a place in a file that stays open, so that nobody can remove it meanwhile."""

    rows: int
    data: bytes = b""
    file: OpenFile | None = None
    offset: int = 0
    size: int = 0

    @classmethod
    def placed(cls, rows: int, data: bytes | memoryview, file: OpenFile, offset: int) -> Content:
        """What also stands in this file, from `offset` on."""
        if len(data) <= LITTLE:
            return cls(rows, bytes(data))
        return cls(rows, file=file, offset=offset, size=len(data))

    def read(self, columns: Sequence[str] | None) -> pl.DataFrame:
        """These columns, or all. Raises OSError."""
        data = self.data if self.file is None else self.file.read(self.size, self.offset)
        names = None if columns is None else list(columns)
        return pl.read_parquet(io.BytesIO(data), columns=names)


@dataclass(frozen=True, slots=True)
class Kept:
    """What `Records` are, on disk."""

    contents: Mapping[str, Content]
    """By frame; those without rows are not there."""
    segments: tuple[Mapping[str, Any], ...] = ()
    """As the cache describes its files."""

    def rows(self, name: str) -> int:
        """Rows of a frame."""
        return self.contents[name].rows if name in self.contents else 0

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A frame with IDENTITY, or some columns of it. Raises OSError."""
        if name in self.contents:
            return self.contents[name].read(columns)
        nothing = with_identity(SCHEMAS[name]).to_frame()
        return nothing if columns is None else nothing.select(columns)

    def records(self) -> Records:
        """All of it, in memory. Raises OSError."""
        return Records(**{name: self.frame(name) for name in SCHEMAS})


class Spill:
    """A temporary file without a name: it is gone when nobody needs it any more, however this process ends."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        """The first records, of about so many bytes, are left in memory."""
        self._file: OpenFile | None = None
        self._room, self._end = in_memory, 0

    def keep(self, records: Records) -> Kept | None:
        """Write records; None if they may stay in memory, or cannot be written."""
        self._room -= sum(int(records.frame(name).estimated_size()) for name in SCHEMAS if records.rows(name))
        if self._room > 0:
            return None
        try:
            return Kept({name: self._put(records.frame(name)) for name in SCHEMAS if records.rows(name)})
        except OSError:
            return None

    def _put(self, frame: pl.DataFrame) -> Content:
        data = as_parquet(frame)
        if len(data) <= LITTLE:
            return Content(frame.height, bytes(data))
        if self._file is None:
            self._file = OpenFile(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - it closes it
        content = Content(frame.height, file=self._file, offset=self._end, size=len(data))
        self._file.write(data, self._end)
        self._end += len(data)
        return content


def as_parquet(frame: pl.DataFrame) -> memoryview:
    """A frame as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="lz4", statistics=False)
    return buffer.getbuffer()


def in_memory(part: Records | Kept) -> Records:
    """The records themselves. Raises OSError."""
    return part.records() if isinstance(part, Kept) else part
