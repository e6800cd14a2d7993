"""The same line in two logs is one record: `fullrun.log` holds copies of what `tau2_<domain>.log` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tau2tui.analysis.frames import IDENTITY, NO_ERRORS, Logs, Records, Skipped, with_identity
from tau2tui.analysis.kept import SCHEMAS, Kept
from tau2tui.analysis.words import Flags

EXAMPLES = 5
_AT_ONCE = 1_000_000
"""Events that are searched for copies at once, at most about so many."""
_ROW = pl.Schema({"file": pl.UInt32(), "row": pl.UInt32()})


@dataclass(frozen=True, slots=True)
class Said:
    """What one file said."""

    domain: str
    """The domain in its name, or ""."""
    parts: Sequence[Records | Kept]
    """In the order of its lines."""
    of_evaluation: bool = True
    """Otherwise its error lines do not count: a server prints the same words once more."""
    problems: Sequence[pl.DataFrame] = ()
    """Further skipped lines."""

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A frame of it with IDENTITY, or some columns. Raises OSError."""
        if name == "errors" and not self.of_evaluation:
            return NO_ERRORS if columns is None else NO_ERRORS.select(columns)
        frames = [part.frame(name, columns) for part in self.parts if part.rows(name)]
        frames += self.problems if name == "skipped" else []
        if frames:
            return pl.concat(frames, rechunk=False)
        nothing = with_identity(SCHEMAS[name]).to_frame()
        return nothing if columns is None else nothing.select(columns)


class _Merged:
    """The records of several files, each once; what lies on disk is read when somebody looks at it."""

    def __init__(self, files: Sequence[Said]) -> None:
        # Where a copy has to go it is the one in the log of no particular domain: the other knows its domain.
        self._files = sorted(files, key=lambda file: file.domain == "")

    @cached_property
    def events(self) -> pl.DataFrame:
        return self._union("events")

    @cached_property
    def tasks(self) -> pl.DataFrame:
        return self._union("tasks")

    @cached_property
    def driver(self) -> pl.DataFrame:
        return self._union("driver")

    @cached_property
    def errors(self) -> pl.DataFrame:
        return self._union("errors")

    @cached_property
    def skipped(self) -> Skipped:
        skipped = self._union("skipped")
        kinds = dict(skipped["kind"].value_counts().iter_rows())
        return Skipped(
            profile_lines=kinds.get("profile", 0),
            markers=kinds.get("marker", 0),
            unfinished=kinds.get("unfinished", 0),
            examples=tuple(skipped["text"].head(EXAMPLES)),
            archives=kinds.get("archive", 0),
        )

    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        if "events" in self.__dict__:  # they are in memory already
            yield self.events.select(columns)
            return
        for parts, flags in zip(self._with_events, self._once, strict=True):
            begin = 0
            for part in parts:
                frame, rows = part.frame("events", columns), part.rows("events")
                yield frame if flags is None else frame.filter(pl.Series(flags[begin : begin + rows]))
                begin += rows

    def _union(self, name: str) -> pl.DataFrame:
        return without_copies([(file.domain, file.frame(name)) for file in self._files], SCHEMAS[name])

    @cached_property
    def _with_events(self) -> list[list[Records | Kept]]:
        """The parts that hold events, of each file that has some."""
        found = ([part for part in file.parts if part.rows("events")] for file in self._files)
        return [parts for parts in found if parts]

    @cached_property
    def _once(self) -> Sequence[Flags | None]:
        """For each of these files which of its events count; None: all."""
        domains = [file.domain for file in self._files if any(part.rows("events") for part in file.parts)]
        if len(domains) < 2:
            return [None] * len(domains)
        sizes = [sum(part.rows("events") for part in parts) for parts in self._with_events]
        flags = [np.zeros(size, np.bool_) for size in sizes]
        shares = -(-sum(sizes) // _AT_ONCE)
        for share in range(shares):
            # Copies have the same hash, so what they have in common is told share by share.
            narrow = [
                (domain, _rows(parts, number, share, shares))
                for number, (domain, parts) in enumerate(zip(domains, self._with_events, strict=True))
            ]
            once = without_copies(narrow, _ROW)
            for number, flag in enumerate(flags):
                flag[once.filter(pl.col("file") == number)["row"].to_numpy()] = True
        return flags


def merge(files: Sequence[Said], error_names: tuple[str, ...]) -> Logs:
    """The records of several files, with copies counted once; none are copied before somebody looks at them."""
    return Logs.of(_Merged(files), error_names)


def without_copies(files: Sequence[tuple[str, pl.DataFrame]], schema: pl.Schema) -> pl.DataFrame:
    """The union of multisets: a record is there as often as in the file that holds it most often.

    So two identical lines of one file stay two, and a line with its copy in another file is one. Lines that carry no
    time of their own can be identical in the logs of two domains without being copies: there the domains are added up,
    and only then compared with the logs of no particular domain.
    """
    files = [(domain, frame) for domain, frame in files if frame.height]
    if len(files) < 2:
        return files[0][1].select(schema.names()) if files else schema.to_frame()
    rows = pl.concat(
        [
            frame.with_columns(nth=_nth("record"), group=pl.when("timed").then(pl.lit("")).otherwise(pl.lit(domain)))
            for domain, frame in files
        ]
    ).unique(["record", "group", "nth"], keep="first", maintain_order=True)
    of_a_domain = pl.col("group") != ""
    rows = rows.with_columns(nth=_nth("record", of_a_domain)).unique(["record", "nth"], maintain_order=True)
    return rows.select(schema.names())


def _nth(*same: str | pl.Expr) -> pl.Expr:
    """0, 1, 2 … through the rows that are alike."""
    return pl.int_range(pl.len(), dtype=pl.UInt32).over(*same)


def _rows(parts: Sequence[Records | Kept], file: int, share: int, shares: int) -> pl.DataFrame:
    """IDENTITY of the events of a file that belong to one share, and which they are (_ROW)."""
    found, begin = [], 0
    for part in parts:
        rows = part.frame("events", IDENTITY.names()).with_row_index("row", begin)
        found.append(rows.filter(pl.col("record") % shares == share) if shares > 1 else rows)
        begin += part.rows("events")
    return pl.concat(found).with_columns(file=pl.lit(file, pl.UInt32))
