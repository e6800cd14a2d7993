"""What one log says of errors: the errors, and the ends of units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

EVALUATION, SERVER = "evaluation", "server"


@dataclass(frozen=True, slots=True)
class Found:
    """One error: an attempt that failed, or whatever else went wrong once."""

    line: int
    at: datetime | None
    kind: str
    """Its class."""
    text: str
    identity: str
    """What its copy in another log says as well."""
    timed: bool = False
    """Its line has a time of its own: two of them that are alike are copies of one."""
    domain: str = ""
    task_id: str = ""
    trial: int | None = None
    series: str = ""
    replica: str = ""
    said: str = ""
    """`retry`, `permanent`, `task_failed` or `stood_in`: what the log says became of the attempt."""
    exception: str = ""
    place: str = ""
    example: str = ""
    """A traceback as it stands in the log."""


@dataclass(frozen=True, slots=True)
class End:
    """A unit that ended, by its completion marker."""

    line: int
    at: datetime | None
    domain: str
    task_id: str
    trial: int
    status: str

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(slots=True)
class LogErrors:
    """What one file says."""

    path: Path
    domain: str
    origin: str = SERVER
    errors: list[Found] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    over_at: datetime | None = None
    """When the evaluation said that it was complete, if it did."""
    last_at: datetime | None = None
    """The last time that stands in the file."""
