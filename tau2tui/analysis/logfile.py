"""One log that may grow while it is read: only its new bytes are read again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tau2tui.analysis.any_lines import MARK
from tau2tui.analysis.cache import WORTH_BYTES, LogCache, Place
from tau2tui.analysis.copies import Said
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.events import skipped_lines
from tau2tui.analysis.frames import Records
from tau2tui.analysis.incidents import Incident, Signature
from tau2tui.analysis.kept import MANY_ROWS, SCHEMAS, Kept, Spill, in_memory
from tau2tui.analysis.log_parts import Part, Unjoined, Unparsed, pending_bytes
from tau2tui.analysis.log_parts import settled as settled_parts
from tau2tui.analysis.markers import MARKS
from tau2tui.analysis.reading import Reading, read_all
from tau2tui.analysis.stretch import ANCHOR
from tau2tui.analysis.stretches import STRETCH, Archive, compression, is_stale, whole_lines
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.core.log_names import EVALUATION_LOG, domain_of

_LITTLE = 64 << 10
"""New bytes that are only kept until somebody asks what they say: whoever does asks for many of these at once."""
_MOST_PENDING = STRETCH
_SHOWN = 1000
"""Characters of the last line of an archive that are kept."""


class LogFile:
    """A log, what it has said so far, and where the next complete line begins."""

    def __init__(
        self,
        path: Path,
        *,
        follow: bool = False,
        cache: LogCache | None = None,
        spill: Spill | None = None,
        wanted: Wanted = ALL,
    ) -> None:
        """With `follow` the file is kept open: what is still written to it after a rotation is read too.

        With `spill` what it says does not stay in memory, but lies in the cache, or else in that file. What is not
        `wanted` is only read where it goes into the cache.
        """
        self.path = path
        self.domain = domain_of(path.name)
        self.incidents: list[Incident] = []
        self._follow, self._cache, self._spill = follow, cache, spill
        self._wanted = wanted if cache is None else ALL
        self._put_away: Callable[[Records], Kept | None] | None = spill.keep if spill else None
        self._file: BinaryIO | None = None
        self._seen: Signature | None = None
        self._gone = False
        self._offset = 0
        self._before = b""
        """The last bytes before the offset: they tell a file that was written anew from one that has grown."""
        self._parts: list[Part] = []
        self._patterns = ErrorPatterns({})
        self._packed = False
        self._ended: tuple[str | None, str] = (None, "")
        """Of an archive: why it ended too early, and its last line without an end."""

    def advance(self, patterns: ErrorPatterns) -> bool:
        """Read the lines that were completed since the last call; whether anything is different now.

        A file that was replaced, shortened or overwritten is read from its beginning, and what it said before is
        forgotten; one that was renamed keeps what it said, and the new one goes on. Raises OSError if the file cannot
        be read.
        """
        self._patterns = patterns
        try:
            seen = Signature.of(self.path.stat())
        except FileNotFoundError:
            self._gone = self._gone or self._happened("vanished", self._seen is not None)
            raise
        self._gone = False
        if seen == self._seen:
            return False
        try:
            return self._read(patterns)
        except OSError as error:
            if not is_stale(error):
                raise
            self._happened("stale")
            self.close()
            return self._read(patterns)

    def close(self) -> None:
        """Let go of the file; what it said is kept."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self.close()  # nobody who forgets a log need know that it was followed

    def moved(self, path: Path) -> None:
        """The same file has another name now."""
        self.path, self.domain = path, domain_of(path.name)

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and inode of the file that was read last."""
        return None if self._seen is None else (self._seen.device, self._seen.inode)

    def parts(self) -> tuple[Part, ...]:
        """What the complete lines have said so far, as it stands now."""
        return tuple(self._parts)

    def said(self, parts: Sequence[Part] | None = None) -> Said:
        """All that the complete lines say, or said when they were `parts`."""
        asked = self._parts if parts is None else parts
        settled = settled_parts(asked, self.domain, self._patterns)
        if len(asked) <= len(self._parts) and all(map(_is, asked, self._parts)):
            self._parts[: len(asked)] = settled
        of_evaluation = EVALUATION_LOG.fullmatch(self.path.name) is not None or any(
            part.rows(name) for part in settled for name in ("events", "tasks", "driver")
        )
        return Said(self.domain, settled, of_evaluation)

    def records(self) -> Records:
        """The same in memory."""
        said = self.said()
        return Records(**{name: said.frame(name) for name in SCHEMAS})

    def said_with_unfinished(self) -> Said:
        """All that the complete lines say, and the last one as a skipped line if it is a record without an end."""
        problems = [self._unfinished()]
        if self._ended[0]:
            problem = pl.Series([f"{self.path}: {self._ended[0]}"])
            problems.append(skipped_lines(problem, "archive"))
        return replace(self.said(), problems=tuple(problem for problem in problems if problem.height))

    def _read(self, patterns: ErrorPatterns) -> bool:
        changed = False
        if self._file is not None and self._seen is not None:
            changed = self._leave_for_another(self._file, self._seen, patterns)
        with self._opened() as file:
            seen = Signature.of(os.fstat(file.fileno()))
            changed |= self._forget_unless_same(file, seen)
            if self._seen is None and self._cache is not None and not self._parts:
                changed |= self._take_with(self._cache, file, seen.size, patterns)
            else:
                changed |= self._take(file, seen.size, patterns)
        self._seen = seen
        return changed

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._file is None:
            self._file = self.path.open("rb", buffering=0)
        try:
            yield self._file
        finally:
            if not self._follow:
                self.close()

    def _leave_for_another(self, file: BinaryIO, seen: Signature, patterns: ErrorPatterns) -> bool:
        """If the name belongs to another file now: read what was still written to this one, unless it was removed."""
        status = self.path.stat()
        if seen.same_file(Signature.of(status)):
            return False
        own = os.fstat(file.fileno())
        changed = False
        if own.st_nlink:
            changed = self._take(file, own.st_size, patterns)
            self._happened("rotated")
            self._begin_anew()
        else:
            changed = self._forget("replaced")
        self.close()
        self._seen = None
        return changed

    def _forget_unless_same(self, file: BinaryIO, seen: Signature) -> bool:
        """Start over if the file is not the one that was read, or does not begin as it did; whether that was so."""
        if self._seen is None:
            return False
        if not self._seen.same_file(seen):
            return self._forget("replaced")
        if self._packed:
            return self._forget("rewritten")
        if seen.size < self._offset:
            return self._forget("shortened")
        before = os.pread(file.fileno(), len(self._before), self._offset - len(self._before))
        return before != self._before and self._forget("rewritten")

    def _forget(self, why: str) -> bool:
        self._happened(why)
        self._begin_anew()
        had = bool(self._parts)
        self._parts = []
        return had

    def _begin_anew(self) -> None:
        self._offset, self._before, self._packed, self._ended = 0, b"", False, (None, "")

    def _happened(self, what: str, really: bool = True) -> bool:
        if really:
            self.incidents.append(Incident(self.path, what))
        return really

    def _take(self, file: BinaryIO, size: int, patterns: ErrorPatterns) -> bool:
        """Read what is new; whether there was anything."""
        unpack = compression(file) if self._offset == 0 else None
        if unpack is not None:
            file.seek(0)
            archive = Archive(file, unpack)
            for part in read_all(archive.whole_lines(), size, self.domain, patterns, self._wanted):
                self._add(part.records)
            self._packed, self._ended = True, (archive.problem, archive.rest[:STRETCH].decode("utf-8", "replace"))
            return True
        if size - self._offset <= STRETCH and self._parts and self._wanted == ALL:
            return self._keep(os.pread(file.fileno(), size - self._offset, self._offset), patterns)
        changed = False
        lines = whole_lines(file, self._offset)
        for part in read_all(lines, size - self._offset, self.domain, patterns, self._wanted):
            self._add(part.records)
            self._offset += part.length
            self._before = (self._before + part.end)[-ANCHOR:]
            changed = True
        return changed

    def _take_with(self, cache: LogCache, file: BinaryIO, size: int, patterns: ErrorPatterns) -> bool:
        """The first reading: only what is not known from earlier ones is read, and becomes known."""
        known = cache.load(self.path, file.fileno())
        if known is not None and (known.ended is None or known.place.offset == size):
            self._parts = [*known.parts]
            self._offset = known.place.offset
            self._before = os.pread(file.fileno(), min(ANCHOR, self._offset), max(0, self._offset - ANCHOR))
            if known.ended is not None:
                self._packed, self._offset, self._ended = True, 0, known.ended
                self._hold()
                return True
        else:
            known = None
        begun = self._offset
        self._put_away = cache.writer(self.path).keep
        changed = self._take(file, size, patterns)
        self._put_away = self._spill.keep if self._spill else None
        read = size if self._packed else self._offset
        if read - begun >= WORTH_BYTES:
            settled = settled_parts(self._parts, self.domain, patterns)
            ended = (self._ended[0], self._ended[1][:_SHOWN]) if self._packed else None
            cache.save(self.path, Place.of(file.fileno(), read), settled, ended)
        self._hold()
        return changed or known is not None

    def _add(self, records: Records) -> None:
        """What a stretch says: where it is much, on disk."""
        away = self._put_away if sum(records.rows(name) for name in SCHEMAS) >= MANY_ROWS else None
        self._parts.append((away and away(records)) or records)

    def _hold(self) -> None:
        """Have everything in memory, unless it is to stay on disk."""
        if self._spill is None:
            self._parts = [in_memory(part) if isinstance(part, Kept) else part for part in self._parts]

    def _keep(self, new: bytes, patterns: ErrorPatterns) -> bool:
        """Remember new lines, to be read or at least joined when somebody asks."""
        end = new.rfind(b"\n") + 1
        if not end:
            return False
        lines = memoryview(new)[:end]
        self._offset += end
        self._before = (self._before + bytes(lines[-ANCHOR:]))[-ANCHOR:]
        if end <= _LITTLE:
            self._parts.append(Unparsed(bytes(lines)))
        else:
            self._parts.append(Unjoined(Reading(self.domain, patterns).stretch(lines)))
        if pending_bytes(self._parts) > _MOST_PENDING:
            self._parts = list[Part](settled_parts(self._parts, self.domain, patterns))
        return True

    def _unfinished(self) -> pl.DataFrame:
        """The last line without its end, if it looks like a record: SKIPPED with IDENTITY."""
        if self._packed:
            line = self._ended[1]
        else:
            with self.path.open("rb") as file:
                rest = os.pread(file.fileno(), STRETCH, self._offset).partition(b"\n")[0]
            line = rest.decode("utf-8", "replace")
        looks = re.search(MARK, line) is not None or any(mark in line for mark in MARKS)
        return skipped_lines(pl.Series([line] if looks else [], dtype=pl.String), "unfinished")


def _is(one: object, other: object) -> bool:
    return one is other
