"""The steps of a plan: each reads as something that you could have typed, and is what will be run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tau2tui.core import layout
from tau2tui.core.command import RequestValue
from tau2tui.core.verdict import Standing


@dataclass(frozen=True, slots=True)
class Do:
    """Run a command on the login node."""

    argv: tuple[str, ...]
    timeout_s: float = 60.0

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True, slots=True)
class Follow:
    """A job that takes over from one that runs."""

    job_id: str
    """The one that runs."""
    begin_s: int = 0
    """It may not start earlier than so many seconds from now."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a scheduler has to know of a job that it is given."""

    run_dir: PurePosixPath
    run_id: str
    script: str
    """Relative to the run directory."""
    exclude: tuple[str, ...] = ()
    """Nodes on which it must not start."""
    follow: Follow | None = None

    @property
    def path(self) -> str:
        return str(self.run_dir / self.script)


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit one job. If nobody says whether that worked the queue is asked, and it is never simply submitted again."""

    job: str
    argv: tuple[str, ...]
    known: tuple[str, ...] = ()
    """Ids of jobs of this name that were there before: any other one is the new one."""

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel jobs. If nobody says whether that worked the queue is asked first."""

    job_ids: tuple[str, ...]
    argv: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file, atomically, readable by its owner alone."""

    path: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        return f"write {shlex.quote(self.path)} ({len(self.text.encode())} bytes)"


@dataclass(frozen=True, slots=True)
class Request:
    """Ask node agents, or the evaluation driver, through the run directory, and wait for all their answers."""

    verb: str
    targets: tuple[str, ...]
    """Jobs, replicas, or "eval"; they are asked at the same time."""
    value: RequestValue = None
    timeout_s: float = 90.0
    attempts: tuple[tuple[str, int], ...] = ()
    """Of replicas that are to be started again, the attempt that was seen: if another operator was quicker it is
    another one by now, and is left alone."""

    def attempt(self, target: str) -> int | None:
        """The one that is meant; None for any."""
        return dict(self.attempts).get(target)

    def __str__(self) -> str:
        return f"request {self.verb} {' '.join(self.targets)}" + ("" if self.value is None else f" {self.value}")


@dataclass(frozen=True, slots=True)
class CleanNode:
    """End processes on the GPUs of one node, each only while it is the one that was seen, and verify."""

    node: str
    via: str
    processes: tuple[tuple[int, int], ...]
    """pid and start time in clock ticks: together they name one process for ever."""
    descriptions: tuple[str, ...] = ()

    @property
    def only(self) -> str:
        """As the node agent takes them."""
        return ",".join(f"{pid}:{ticks}" for pid, ticks in self.processes)

    def __str__(self) -> str:
        return f"on {self.node} (by {self.via}): end {'; '.join(self.descriptions) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until replicas stand as wanted, counting only what is read after the step began."""

    replicas: tuple[str, ...]
    standing: Standing
    timeout_s: float
    after_job: str = ""
    """Only what another job than this one says of them counts: that one is about to be taken over from."""

    def __str__(self) -> str:
        which = self.replicas[0] if len(self.replicas) == 1 else f"{len(self.replicas)} replicas"
        be = "is" if len(self.replicas) == 1 else "are"
        where = f" in another job than {self.after_job}" if self.after_job else ""
        return f"wait until {which} {be} {self.standing}{where} (at most {self.timeout_s:.0f} s)"


@dataclass(frozen=True, slots=True)
class AwaitJobsGone:
    """Wait until the scheduler says that no job of this run, or none of this name, is left."""

    timeout_s: float = 120.0
    job: str = ""

    def __str__(self) -> str:
        return f"wait until the scheduler shows no job {self.job or 'of this run'}"


@dataclass(frozen=True, slots=True)
class AwaitEval:
    """Wait until another evaluation than the one before shows itself in the run directory."""

    previous_started_at: float | None
    timeout_s: float = 120.0

    def __str__(self) -> str:
        return f"wait until the evaluation runs (at most {self.timeout_s:.0f} s)"


@dataclass(frozen=True, slots=True)
class AwaitEndpoints:
    """Wait until the agents have registered every replica that is ready."""

    timeout_s: float = 30.0

    def __str__(self) -> str:
        return f"wait until {layout.ENDPOINTS} holds every replica that is ready"


@dataclass(frozen=True, slots=True)
class AwaitSmoke:
    """Wait until the smoke test that bears this mark is over."""

    request: str
    timeout_s: float

    def __str__(self) -> str:
        return f"wait until the smoke test is over (at most {self.timeout_s:.0f} s)"


Step = (
    Do
    | Submit
    | Cancel
    | WriteFile
    | Request
    | CleanNode
    | Await
    | AwaitJobsGone
    | AwaitEval
    | AwaitSmoke
    | AwaitEndpoints
)
