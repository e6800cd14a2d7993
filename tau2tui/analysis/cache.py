"""What logs said when they were read last, as Parquet: reading one again costs its growth only.

An entry is a small JSON file, which is replaced in one go, and the Parquet in other files that it names, which never
changes. So readers and writers at the same time do not disturb each other, and an entry that is not whole is none.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui import __version__
from tau2tui.analysis.cache_places import cache_directory, entries_of
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.kept import MANY_ROWS, SCHEMAS, Content, Kept, OpenFile, as_parquet, in_memory
from tau2tui.files import write_atomically

WORTH_BYTES = 1 << 20
"""Growth of a log that is worth to be written; less is read again."""
MOST_BYTES = 4 << 30
"""Of all entries in a directory; those that were not used for longest go."""
_PARSER = 4
"""To be raised when the same bytes would become other records."""
_PROBE = 4096
_MOST_SMALL = 8
"""Times that little was written, one behind the other, before it is joined."""
_ORPHAN_S = 3600.0
_BROKEN = (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log has been read, and what tells that it is still this log."""

    inode: int
    offset: int
    """Bytes that were read: whole lines, or all of an archive."""
    head: str
    tail: str
    """Hashes of the first bytes and of the last ones before the offset."""

    @classmethod
    def of(cls, descriptor: int, offset: int) -> Place:
        """Raises OSError."""
        size = min(_PROBE, offset)
        head, tail = (hashlib.sha256(os.pread(descriptor, size, at)).hexdigest() for at in (0, offset - size))
        return cls(os.fstat(descriptor).st_ino, offset, head, tail)

    def holds_for(self, descriptor: int) -> bool:
        """Whether the log has not changed, but may have grown. Raises OSError."""
        return os.fstat(descriptor).st_size >= self.offset and Place.of(descriptor, self.offset) == self


@dataclass(frozen=True, slots=True)
class Entry:
    """A log as it was read."""

    place: Place
    parts: tuple[Kept, ...]
    """What it said, in its order."""
    ended: tuple[str | None, str] | None
    """Of an archive: why it ended too early, and its last line without an end."""


class LogCache:
    """The entries for one set of error patterns. Nothing here raises: what cannot be read or written is not there."""

    def __init__(self, error_patterns: Mapping[str, str], directory: Path | None = None) -> None:
        """`directory`: for all entries, instead of the run of each log or the user's cache."""
        self._directory = directory
        schemas = {name: str(schema) for name, schema in SCHEMAS.items()}
        # Texts that are hashed elsewhere (markers, errors) are so by one version of Polars.
        reader = [__version__, _PARSER, pl.__version__, schemas, list(error_patterns.items())]
        self._reader = hashlib.sha256(json.dumps(reader).encode()).hexdigest()

    def load(self, log: Path, descriptor: int) -> Entry | None:
        """What is known of this open log; None if nothing is, or if it is not the same log any more."""
        state = self._state_file(log)
        try:
            said = json.loads(state.read_bytes())
            place = Place(**said["place"])
            if said["reader"] != self._reader or not place.holds_for(descriptor):
                return None
            names = {Path(segment["name"]).name for segment in said["segments"]}
            files = {name: OpenFile((state.parent / name).open("rb", buffering=0)) for name in names}
            parts = groupby(said["segments"], key=_part)
            kept = tuple(_checked(files, tuple(segments)) for _, segments in parts)
            ended = said["ended"] and (said["ended"][0], str(said["ended"][1]))
            os.utime(state)
            return Entry(place, kept, ended)
        except _BROKEN:
            return None

    def writer(self, log: Path) -> CacheWriter:
        """Takes what a log says while it is read; all of it is saved at last."""
        return CacheWriter(self._state_file(log))

    def save(
        self, log: Path, place: Place, said: Sequence[Records | Kept], ended: tuple[str | None, str] | None = None
    ) -> None:
        """Remember that a log said this, and no more up to that place."""
        segments: list[Mapping[str, Any]] = []
        writer = self.writer(log)
        for part in _few(said):
            kept = writer.keep(part) if isinstance(part, Records) else part
            if kept is None:
                return
            segments += kept.segments
        state = self._state_file(log)
        try:
            state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            entry = {"reader": self._reader, "place": asdict(place), "ended": ended, "segments": segments}
            write_atomically(state, json.dumps(entry), mode=0o600)
        except _BROKEN:
            return
        with suppress(OSError):
            prune(state.parent)

    def _state_file(self, log: Path) -> Path:
        return (self._directory or cache_directory(log)) / f"{entries_of(log)}-{self._reader[:16]}.json"


class CacheWriter:
    """Writes the frames of one reading: a file for each, in which part stands behind part."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._files: dict[str, tuple[str, OpenFile]] = {}
        self._ends: dict[str, int] = {}

    def keep(self, records: Records) -> Kept | None:
        """Write what a stretch of the log said; None if that cannot be done."""
        part = secrets.token_hex(4)
        try:
            written = {name: self._write(name, records.frame(name)) for name in SCHEMAS if records.rows(name)}
        except _BROKEN:
            return None
        contents = {name: content for name, (content, _) in written.items()}
        return Kept(contents, tuple({"part": part, "frame": name, **said} for name, (_, said) in written.items()))

    def _write(self, name: str, frame: pl.DataFrame) -> tuple[Content, Mapping[str, Any]]:
        if name not in self._files:
            # Nobody knows its name before the entry is saved.
            self._state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._state.with_name(f"{self._state.stem}-{secrets.token_hex(8)}.parquet")
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._files[name] = path.name, OpenFile(open(descriptor, "r+b", buffering=0))  # noqa: PTH123, SIM115
        file_name, file = self._files[name]
        data, offset = as_parquet(frame), self._ends.get(name, 0)
        file.write(data, offset)
        self._ends[name] = offset + len(data)
        said = {"name": file_name, "offset": offset, "size": len(data), "rows": frame.height, "crc32": zlib.crc32(data)}
        return Content.placed(frame.height, data, file, offset), said


def prune(directory: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove files that no entry names, and the entries that were not used for longest until the rest is small enough.

    Raises OSError.
    """
    entries: list[tuple[float, Path, list[Path]]] = []
    named: set[Path] = set()
    for state in directory.glob("*.json"):
        try:
            names = {Path(segment["name"]).name for segment in json.loads(state.read_bytes())["segments"]}
            files = [directory / name for name in names]
        except _BROKEN:
            files = []
        entries.append((_mtime(state), state, files))
        named.update(files)
    for path in directory.glob("*.parquet"):
        # A file that is young may be named in a moment.
        if path not in named and _mtime(path) < time.time() - _ORPHAN_S:
            path.unlink(missing_ok=True)
    total = 0
    for _, state, files in sorted(entries, reverse=True):
        total += sum(_size(file) for file in files)
        if total > most_bytes:
            for path in (state, *files):
                path.unlink(missing_ok=True)


def _few(said: Sequence[Records | Kept]) -> Iterator[Records | Kept]:
    """The same with what stands in memory joined, and what was written in small pieces, if these have become many."""
    for small, run in groupby(said, key=_is_small):
        parts = list(run)
        if small and len(parts) > _MOST_SMALL:
            yield concat([in_memory(part) for part in parts], rechunk=True)
            continue
        for held, same in groupby(parts, key=lambda part: isinstance(part, Records)):
            if held:
                yield concat([in_memory(part) for part in same], rechunk=True)
            else:
                yield from same


def _is_small(part: Records | Kept) -> bool:
    return sum(part.rows(name) for name in SCHEMAS) < MANY_ROWS


def _part(segment: Mapping[str, Any]) -> str:
    return str(segment["part"])


def _checked(files: Mapping[str, OpenFile], segments: tuple[Mapping[str, Any], ...]) -> Kept:
    """What these say, once it has been found whole."""
    contents = {}
    for segment in segments:
        file, offset, size = files[Path(segment["name"]).name], int(segment["offset"]), int(segment["size"])
        data = file.read(size, offset)
        if zlib.crc32(data) != segment["crc32"] or segment["frame"] not in SCHEMAS:
            raise ValueError("damaged")
        contents[segment["frame"]] = Content.placed(int(segment["rows"]), data, file, offset)
    return Kept(contents, segments)


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
