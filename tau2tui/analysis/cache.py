"""What logs said when they were read last, as Parquet: reading one again costs its growth only.

An entry is a small JSON file, which is replaced in one go, and the Parquet files that it names, which never change. So
readers and writers at the same time do not disturb each other, and an entry that is not whole is none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from platformdirs import user_cache_path

from tau2tui import __version__
from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, SKIPPED, TASKS, Records, concat, with_identity
from tau2tui.core import layout

SCHEMAS = {"events": EVENTS, "tasks": TASKS, "driver": DRIVER, "errors": ERRORS, "skipped": SKIPPED}
WORTH_BYTES = 1 << 20
"""Growth of a log that is worth to be written; less is read again."""
MOST_BYTES = 4 << 30
"""Of all entries in a directory; those that were not used for longest go."""
IN_RUN = ".cache/logs"
_PARSER = 2
"""To be raised when the same bytes would become other records."""
_PROBE = 4096
_MOST_SEGMENTS = 8
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
    records: Records
    ended: tuple[str | None, str] | None
    """Of an archive: why it ended too early, and its last line without an end."""
    segments: tuple[Mapping[str, Any], ...]
    """Its Parquet files, several for each time it was written: frame, name, checksum."""


class LogCache:
    """The entries for one set of error patterns. Nothing here raises: what cannot be read or written is not there."""

    def __init__(self, error_patterns: Mapping[str, str], directory: Path | None = None) -> None:
        """`directory`: for all entries, instead of the run of each log or the user's cache."""
        self._directory = directory
        schemas = {name: str(schema) for name, schema in SCHEMAS.items()}
        # The hashes of records are those of one version of Polars.
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
            frames: dict[str, list[pl.DataFrame]] = {name: [] for name in SCHEMAS}
            for segment in said["segments"]:
                frames[segment["frame"]].append(_read(state.parent, segment))
            parts = {name: _one(with_identity(SCHEMAS[name]), found) for name, found in frames.items()}
            ended = said["ended"] and (said["ended"][0], str(said["ended"][1]))
            os.utime(state)
            return Entry(place, Records(**parts), ended, tuple(said["segments"]))
        except _BROKEN:
            return None

    def save(
        self,
        log: Path,
        place: Place,
        new: Sequence[Records],
        before: Entry | None = None,
        ended: tuple[str | None, str] | None = None,
    ) -> None:
        """Keep what a log said, which is `new` and what was known `before`."""
        state = self._state_file(log)
        kept = before.segments if before is not None else ()
        if before is not None and len(kept) > _MOST_SEGMENTS * len(SCHEMAS):
            new, kept = [before.records, *new], ()
        records = concat(new) if new else None
        written: list[Path] = []
        try:
            state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            segments = [*kept]
            for name in SCHEMAS if records is not None else ():
                frame = getattr(records, name)
                if frame.height:
                    segment, path = _write(state, name, frame)
                    written.append(path)
                    segments.append(segment)
            said = {"reader": self._reader, "place": asdict(place), "ended": ended, "segments": segments}
            _put(state, json.dumps(said).encode())
        except _BROKEN:
            for path in written:
                path.unlink(missing_ok=True)
            return
        with suppress(OSError):
            prune(state.parent)

    def _state_file(self, log: Path) -> Path:
        log = log.resolve()
        directory = self._directory or cache_directory(log)
        return directory / f"{hashlib.sha256(f'{log}{self._reader}'.encode()).hexdigest()[:32]}.json"


def cache_directory(log: Path) -> Path:
    """Where the entry of a log belongs: into its run, else among the user's caches; never beside foreign logs."""
    for directory in list(log.parents)[:3]:
        if (directory / layout.RUN_CONFIG).is_file() and os.access(directory, os.W_OK):
            return directory / IN_RUN
    return user_cache_path("tau2tui") / "logs"


def prune(directory: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove files that no entry names, and the entries that were not used for longest until the rest is small enough.

    Raises OSError.
    """
    entries: list[tuple[float, Path, list[Path]]] = []
    named: set[Path] = set()
    for state in directory.glob("*.json"):
        try:
            files = [directory / Path(segment["name"]).name for segment in json.loads(state.read_bytes())["segments"]]
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


def _one(schema: pl.Schema, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    found = [frame for frame in frames if frame.height]
    for frame in found:
        if frame.schema != schema:
            raise ValueError("another schema")
    return pl.concat(found) if found else schema.to_frame()


def _read(directory: Path, segment: Mapping[str, Any]) -> pl.DataFrame:
    content = (directory / Path(segment["name"]).name).read_bytes()
    if zlib.crc32(content) != segment["crc32"]:
        raise ValueError("damaged")
    return pl.read_parquet(io.BytesIO(content))


def _write(state: Path, frame: str, content: pl.DataFrame) -> tuple[dict[str, Any], Path]:
    path = state.with_name(f"{state.stem}-{secrets.token_hex(8)}.parquet")
    buffer = io.BytesIO()
    content.write_parquet(buffer, compression="lz4", statistics=False)
    _put(path, buffer.getbuffer())
    return {"frame": frame, "name": path.name, "crc32": zlib.crc32(buffer.getbuffer())}, path


def _put(path: Path, content: bytes | memoryview) -> None:
    """Write a file in one go, for its owner only."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
