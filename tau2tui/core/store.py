"""The latest snapshot, a short memory, and who listens. One writer, no event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from tau2tui.core.model import Job, Reading, RunState, Snapshot, TimeLeft

Listener = Callable[[Snapshot], None]
MEMORY = 600
"""Snapshots that are remembered for rates."""


class Store:
    """Keeps what was seen; a failed read keeps the last value and adds why and when it failed."""

    def __init__(self) -> None:
        self.latest = Snapshot()
        self.recalled = False
        """Whether the run is as an earlier session saw it, and was not read since: to be shown, no more."""
        self._memory: deque[tuple[float, Snapshot]] = deque(maxlen=MEMORY)
        self._listeners: list[Listener] = []

    def put_jobs(self, jobs: tuple[Job, ...], began: float) -> None:
        """A queue was read; `began` is when the read started."""
        self._show(replace(self.latest, jobs=Reading(jobs, began)), began)

    def recall(self, run: RunState, at: float, why: str) -> None:
        """Show what an earlier session saw of the run, until it is read; `why` says so. Nothing if it was read."""
        if self.latest.run.value is None:
            self.recalled = True
            seen = self.latest.run
            self.latest = replace(self.latest, run=replace(seen, value=run, at=at, error=seen.error or why))
            self._tell()

    @property
    def live(self) -> Snapshot:
        """The latest without what is only recalled: what may be decided by."""
        latest = self.latest
        return replace(latest, run=replace(latest.run, value=None, at=None)) if self.recalled else latest

    def put_run(self, run: RunState, began: float) -> None:
        """A run directory was read."""
        self.recalled = False
        self._show(replace(self.latest, run=Reading(run, began)), began)

    def fail(self, part: Literal["jobs", "run"], error: str, at: float) -> None:
        """A read failed: the value stays, with the reason beside it."""
        if part == "jobs":
            self._show(replace(self.latest, jobs=replace(self.latest.jobs, error=error, failed_at=at)), at)
        else:
            self._show(replace(self.latest, run=replace(self.latest.run, error=error, failed_at=at)), at)

    def put_time_left(self, left: TimeLeft | None) -> None:
        """What was seen was thought about; nothing new was seen."""
        if left != self.latest.time_left:
            self.latest = replace(self.latest, time_left=left)
            self._tell()

    def series(self, pick: Callable[[Snapshot], float | None]) -> list[tuple[float, float]]:
        """(time, value) of the remembered snapshots, gaps left as gaps; they know no replicas and no jobs."""
        picked = ((at, pick(snapshot)) for at, snapshot in self._memory)
        return [(at, value) for at, value in picked if value is not None]

    def since(self, at: float) -> Snapshot | None:
        """The oldest remembered snapshot that was shown at `at` or later and knows the run, without its replicas."""
        return next((snapshot for shown, snapshot in self._memory if shown >= at and snapshot.run.value), None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each new snapshot; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _show(self, snapshot: Snapshot, at: float) -> None:
        self.latest = snapshot
        self._memory.append((at, _without_fleet(self.live)))
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener(self.latest)


def _without_fleet(snapshot: Snapshot) -> Snapshot:
    """What rates are made of; 600 times a fleet of 512 replicas and its queue would take hundreds of MiB."""
    run = snapshot.run
    seen = RunState(evaluation=run.value.evaluation, clock=run.value.clock) if run.value else None
    return Snapshot(run=replace(run, value=seen))
