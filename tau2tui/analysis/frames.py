"""The frames that logs become: one declared schema for each kind of record.

Durations are milliseconds where the name says so and seconds otherwise, times are the local times of the logs, and null
means that the log does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from tau2tui.analysis.line_keys import CALL_TYPES

# Few different names stand in many rows: Categorical keeps a number for each, so that no row holds on to a log's text.
_AT = pl.Datetime("ms")
_NAME = pl.Categorical()

EVENTS = pl.Schema(
    {
        "at": _AT,
        "level": pl.Enum(["PROFILE", "USER_JUDGE"]),
        "domain": _NAME,
        "task_id": _NAME,
        "thread": pl.Int64(),
        "type": pl.Enum(CALL_TYPES),
        "step": pl.Int64(),
        "model": _NAME,
        "function": _NAME,
        "call_type": _NAME,
        "duration_ms": pl.Float64(),
        "prefill_ms": pl.Float64(),
        "decode_ms": pl.Float64(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "has_tool_calls": pl.Boolean(),
        "error": pl.Boolean(),
        "from_role": _NAME,
        "to_role": _NAME,
        "expert": _NAME,
        "replica": _NAME,
    }
)
"""One row for each profile line that could be read. `duration_ms` is never null; of `step_complete` it is the total."""

TASKS = pl.Schema(
    {
        "at": _AT,
        "domain": _NAME,
        "trial": pl.Int64(),
        "task_id": pl.String(),
        "status": pl.Enum(["ok", "error", "skipped"]),
        "scope": pl.Enum(["domain", "global"]),
        "completed": pl.Int64(),
        "total": pl.Int64(),
    }
)
"""One row for each completion marker; `completed` and `total` count within `scope`."""

DRIVER_KINDS = ("overall_eta", "evaluation_end", "still_running", "finished_simulation")

DRIVER = pl.Schema(
    {
        "at": _AT,
        "kind": pl.Enum(DRIVER_KINDS),
        "state": pl.String(),
        "done": pl.Int64(),
        "total": pl.Int64(),
        "ok": pl.Int64(),
        "errors": pl.Int64(),
        "elapsed_s": pl.Float64(),
        "eta_s": pl.Float64(),
        "tasks_per_min": pl.Float64(),
        "pid": pl.Int64(),
        "silent_s": pl.Float64(),
    }
)
"""One row for each thing the driver said; the columns that a kind does not have are null, `state` is how it ended."""

ERRORS = pl.Schema(
    {
        "at": _AT,
        "name": _NAME,
        "level": _NAME,
        "domain": _NAME,
        "task_id": _NAME,
        "text": pl.String(),
    }
)
"""One row for each line and each error pattern that it matches; `text` is the shortened message."""

SKIPPED = pl.Schema({"kind": pl.Enum(["profile", "marker", "unfinished", "archive"]), "text": pl.String()})

IDENTITY = pl.Schema({"record": pl.UInt64(), "timed": pl.Boolean()})
"""What each frame has besides its schema until copies are taken out: a hash of what the line says, and whether the line
carries a time of its own."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Lines that look like a record and could not be read: how many of each kind, and the first few."""

    profile_lines: int = 0
    markers: int = 0
    unfinished: int = 0
    """Last lines without their end: still being written, or cut off."""
    examples: tuple[str, ...] = ()
    archives: int = 0
    """Compressed files that end too early or are damaged; what stands before that was read."""

    @property
    def total(self) -> int:
        return self.profile_lines + self.markers + self.unfinished + self.archives


class Frames(Protocol):
    """Where the frames of Logs come from."""

    @property
    def events(self) -> pl.DataFrame: ...
    @property
    def tasks(self) -> pl.DataFrame: ...
    @property
    def driver(self) -> pl.DataFrame: ...
    @property
    def errors(self) -> pl.DataFrame: ...
    @property
    def skipped(self) -> Skipped: ...
    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]: ...


@dataclass(frozen=True, slots=True)
class _Read:
    events: pl.DataFrame
    tasks: pl.DataFrame
    driver: pl.DataFrame
    errors: pl.DataFrame
    skipped: Skipped

    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield self.events.select(columns)


class Logs:
    """Everything that was read, each record once; rows stand in the order of files and lines."""

    __slots__ = ("_later", "_read", "error_names")

    def __init__(
        self,
        events: pl.DataFrame,
        tasks: pl.DataFrame,
        driver: pl.DataFrame,
        errors: pl.DataFrame,
        skipped: Skipped = Skipped(),
        error_names: tuple[str, ...] = (),
    ) -> None:
        """`error_names` are those that were looked for, also those that no line matched."""
        self._read: Frames | None = _Read(events, tasks, driver, errors, skipped)
        self._later: Callable[[], Logs] | None = None
        self.error_names = error_names

    @classmethod
    def made_later(cls, make: Callable[[], Logs], error_names: tuple[str, ...]) -> Logs:
        """Logs that are put together when somebody looks at them first, which nobody may ever do."""
        logs = cls.__new__(cls)
        logs._read, logs._later, logs.error_names = None, make, error_names
        return logs

    @classmethod
    def of(cls, frames: Frames, error_names: tuple[str, ...]) -> Logs:
        """Logs whose frames may still lie on disk."""
        logs = cls.__new__(cls)
        logs._read, logs._later, logs.error_names = frames, None, error_names
        return logs

    def _frames(self) -> Frames:
        if self._read is None:
            assert self._later is not None  # one of both is there
            self._read, self._later = self._later()._frames(), None
        return self._read

    @property
    def events(self) -> pl.DataFrame:
        """EVENTS."""
        return self._frames().events

    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the events, in parts that need not be in memory together, in their order."""
        return self._frames().event_parts(columns)

    @property
    def tasks(self) -> pl.DataFrame:
        """TASKS."""
        return self._frames().tasks

    @property
    def driver(self) -> pl.DataFrame:
        """DRIVER."""
        return self._frames().driver

    @property
    def errors(self) -> pl.DataFrame:
        """ERRORS."""
        return self._frames().errors

    @property
    def skipped(self) -> Skipped:
        """What could not be read."""
        return self._frames().skipped

    @property
    def empty(self) -> bool:
        """Nothing that an evaluation writes was found."""
        return (
            self.tasks.is_empty()
            and self.driver.is_empty()
            and all(part.is_empty() for part in self.event_parts(("domain",)))
        )


class EventsApart(Frames):
    """Frames whose events are told by a subclass, and everything else by other logs."""

    def __init__(self, rest: Callable[[], Logs]) -> None:
        """`rest` is asked each time."""
        self._rest = rest

    @property
    def tasks(self) -> pl.DataFrame:
        return self._rest().tasks

    @property
    def driver(self) -> pl.DataFrame:
        return self._rest().driver

    @property
    def errors(self) -> pl.DataFrame:
        return self._rest().errors

    @property
    def skipped(self) -> Skipped:
        return self._rest().skipped


@dataclass(frozen=True, slots=True)
class Records:
    """What one file, or a stretch of it, says; every frame carries IDENTITY besides its schema."""

    events: pl.DataFrame
    tasks: pl.DataFrame
    driver: pl.DataFrame
    errors: pl.DataFrame
    skipped: pl.DataFrame

    def rows(self, name: str) -> int:
        """Rows of a frame."""
        return self.frame(name).height

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """A frame by its name, or some columns of it."""
        frame: pl.DataFrame = getattr(self, name)
        return frame if columns is None else frame.select(columns)


def with_identity(schema: pl.Schema) -> pl.Schema:
    """A schema and IDENTITY."""
    return pl.Schema({**schema, **IDENTITY})


NO_EVENTS, NO_TASKS, NO_DRIVER, NO_ERRORS, NO_SKIPPED = (
    with_identity(schema).to_frame() for schema in (EVENTS, TASKS, DRIVER, ERRORS, SKIPPED)
)
"""Frames without rows, with IDENTITY: to make one takes a good part of the time that a few lines take."""


def concat(parts: Sequence[Records], *, rechunk: bool = False) -> Records:
    """The records of the stretches of one file, in their order; nothing is copied, unless `rechunk` asks for it."""
    if len(parts) == 1 and not rechunk:
        return parts[0]

    def joined(nothing: pl.DataFrame, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        found = [frame for frame in frames if frame.height]
        return pl.concat(found, rechunk=rechunk) if found else nothing

    return Records(
        joined(NO_EVENTS, [part.events for part in parts]),
        joined(NO_TASKS, [part.tasks for part in parts]),
        joined(NO_DRIVER, [part.driver for part in parts]),
        joined(NO_ERRORS, [part.errors for part in parts]),
        joined(NO_SKIPPED, [part.skipped for part in parts]),
    )
