"""One row for each job of the run: those that were planned, those that the queue knows, and the evaluation's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tau2tui.core.layout import EVAL_JOB, EVAL_OUT, job_output
from tau2tui.core.model import Job, Snapshot
from tau2tui.core.placement import PlannedJob
from tau2tui.core.reasons import explain
from tau2tui.core.verdict import Standing, Verdict


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, joined with its replicas. None: not known."""

    name: str
    id: str
    state: str
    """In lower case: the scheduler's own word; `unknown` while it does not answer, `absent` if it knows none."""
    nodes: str
    time_left_s: float | None
    ready: int
    """Replicas that are ready, of `replicas`."""
    replicas: int
    failed: int
    reason: str
    """Why it waits, or how it ended, in words."""
    log: str
    """Its output, relative to the run directory; empty before it has an id."""

    @property
    def live(self) -> bool:
        """Whether the queue shows it as something that runs or will."""
        return bool(self.id) and self.state not in _OVER


_OVER = ("absent", "unknown", "ended", "forgotten", "completed", "failed", "cancelled", "timeout", "node_fail")


def job_rows(planned: Sequence[PlannedJob], verdicts: Iterable[Verdict], snapshot: Snapshot) -> tuple[JobRow, ...]:
    """The planned jobs in their order, then the others of the run; one that was submitted again is a row of its own."""
    by_job: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_job.setdefault(verdict.job_name, []).append(verdict)
    queue = snapshot.jobs.value or ()
    by_name: dict[str, list[Job]] = {wanted.name: [] for wanted in planned}
    others = [job for job in queue if job.name not in by_name]
    for job in queue:
        if job.name in by_name:
            by_name[job.name].append(job)
    rows: list[JobRow] = []
    for name, seen in by_name.items():
        of_it = by_job.get(name, [])
        rows += [_row(job, of_it) for job in seen] or [_unseen(name, of_it, snapshot)]
    rows += map(_foreign, others)
    return tuple(rows)


@lru_cache(maxsize=8192)
def _foreign(job: Job) -> JobRow:
    """A job without replicas; kept, because a long queue is the same in most snapshots."""
    return _row(job, ())


def _row(job: Job, verdicts: Sequence[Verdict]) -> JobRow:
    standings = [verdict.standing for verdict in verdicts]
    return JobRow(
        name=job.name,
        id=job.id,
        state=job.raw_state.lower() or job.state.value,
        nodes=job.nodes,
        time_left_s=job.time_left_s,
        ready=standings.count(Standing.READY),
        replicas=len(standings),
        failed=standings.count(Standing.FAILED),
        reason=explain(job.reason),
        log=EVAL_OUT if job.name == EVAL_JOB else job_output(job.name),
    )


def _unseen(name: str, verdicts: Sequence[Verdict], snapshot: Snapshot) -> JobRow:
    if snapshot.jobs.at is None:
        state, reason = "unknown", snapshot.jobs.error or "the scheduler was not asked yet"
    else:
        state, reason = "absent", "the queue does not show it: never submitted, or long over"
    standings = [verdict.standing for verdict in verdicts]
    return JobRow(
        name,
        "",
        state,
        "",
        None,
        standings.count(Standing.READY),
        len(standings),
        standings.count(Standing.FAILED),
        reason,
        "",
    )
