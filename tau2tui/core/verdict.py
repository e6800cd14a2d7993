"""What the configuration asks for, held against what was seen: `judge` is the one opinion that everything else asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tau2tui.core.model import Job, JobState, Phase, Replica, Snapshot
from tau2tui.core.placement import PlacedReplica, PlannedJob
from tau2tui.core.reasons import explain

HEARTBEAT_TIMEOUT_S = 30.0
"""A node agent writes every 5 s; after six silent beats nothing may be said about its replicas."""


class Standing(StrEnum):
    """What one replica amounts to, in one word."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    QUEUED = "queued"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A replica, how it stands, and why; with the job and the report that the opinion rests on."""

    wanted: PlacedReplica
    job_name: str
    standing: Standing
    why: str
    job: Job | None = None
    seen: Replica | None = None


_BY_PHASE = {
    Phase.READY: Standing.READY,
    Phase.DEGRADED: Standing.DEGRADED,
    Phase.DRAINING: Standing.STOPPING,
    Phase.FAILED: Standing.FAILED,
    Phase.STOPPING: Standing.STOPPING,
    Phase.STOPPED: Standing.STOPPED,
}


@dataclass(frozen=True, slots=True)
class _Index:
    """A snapshot by name and id: every replica of a large fleet is looked up in it."""

    snapshot: Snapshot
    replicas: Mapping[str, Replica]
    predecessors: Mapping[str, Replica]
    successors: Mapping[str, Replica]
    predecessor_jobs: frozenset[str]
    jobs: Mapping[str, Job]
    """By id."""
    jobs_of: Mapping[str, tuple[Job, ...]]
    """By name, in the queue's order."""


def _indexed(snapshot: Snapshot, names: frozenset[str]) -> _Index:
    """`names` are those of the planned jobs: a queue may hold thousands of others."""
    run = snapshot.run.value
    ids = {replica.job_id for replica in run.replicas} if run else set()
    queue = [job for job in snapshot.jobs.value or () if job.name in names or job.id in ids]
    jobs_of: dict[str, list[Job]] = {}
    for job in queue:
        jobs_of.setdefault(job.name, []).append(job)
    predecessors = run.predecessors if run else ()
    return _Index(
        snapshot,
        replicas=_by_name(run.replicas if run else ()),
        predecessors=_by_name(predecessors),
        successors=_by_name(run.successors if run else ()),
        predecessor_jobs=frozenset(replica.job_id for replica in predecessors),
        jobs={job.id: job for job in reversed(queue)},
        jobs_of={name: tuple(jobs) for name, jobs in jobs_of.items()},
    )


def _by_name(replicas: tuple[Replica, ...]) -> dict[str, Replica]:
    return {replica.name: replica for replica in reversed(replicas)}  # the first of a name counts


def judge(wanted: PlacedReplica, job_name: str, snapshot: Snapshot) -> Verdict:
    """How one replica stands.

    The agent's own report counts as long as its heart beats. Without it the scheduler decides; and where neither
    is known, the answer is UNKNOWN with the reason: never "ended".
    """
    return _judge(wanted, job_name, _indexed(snapshot, frozenset((job_name,))))


def judge_all(jobs: tuple[PlannedJob, ...], snapshot: Snapshot) -> tuple[Verdict, ...]:
    """The verdict on every replica of the plan, in its order."""
    index = _indexed(snapshot, frozenset(job.name for job in jobs))
    return tuple(_judge(replica, job.name, index) for job in jobs for replica in job.replicas)


def _judge(wanted: PlacedReplica, job_name: str, index: _Index) -> Verdict:
    snapshot = index.snapshot
    run = snapshot.run.value
    seen = index.replicas.get(wanted.name)
    job = _job(job_name, seen, index)

    def verdict(standing: Standing, why: str) -> Verdict:
        told = (why, *_hand_over(wanted.name, job_name, seen, index))
        return Verdict(wanted, job_name, standing, "; ".join(filter(None, told)), job, seen)

    if run is None:
        return verdict(Standing.UNKNOWN, snapshot.run.error or "not looked at yet")
    if seen is not None:
        standing = _BY_PHASE.get(seen.phase, Standing.STARTING)
        silent_s = run.clock - seen.heartbeat_at
        if standing is Standing.STOPPED or silent_s <= HEARTBEAT_TIMEOUT_S:
            told = (_reason(seen), _doubt(job) if standing is not Standing.STOPPED else "")
            return verdict(standing, "; ".join(filter(None, told)))
        if job is not None and job.state is JobState.ENDED:
            return verdict(Standing.FAILED, f"its job {job.id} ended: {_end(job)}")
        if job is not None and job.state is JobState.PENDING:
            return verdict(Standing.QUEUED, f"its job {job.id} waits again: {explain(job.reason) or 'requeued'}")
        return verdict(Standing.UNKNOWN, f"no word from its node agent for {silent_s:.0f} s")
    if job is None:
        if snapshot.jobs.at is None:
            return verdict(Standing.UNKNOWN, snapshot.jobs.error or "the queue was not read yet")
        return verdict(Standing.ABSENT, "not submitted")
    by_state = {
        JobState.PENDING: (Standing.QUEUED, explain(job.reason) or "pending"),
        JobState.RUNNING: (Standing.STARTING, "its job runs; no word from its node agent yet"),
        JobState.COMPLETING: (Standing.STOPPING, "its job is completing"),
        JobState.ENDED: (Standing.FAILED, f"its job {job.id} ended before it started: {_end(job)}"),
        JobState.FORGOTTEN: (Standing.UNKNOWN, f"its job {job.id} is gone: {job.reason}"),
        JobState.UNKNOWN: (Standing.UNKNOWN, f"its job {job.id} is {job.raw_state}: {job.reason}".rstrip(": ")),
    }
    return verdict(*by_state[job.state])


def _hand_over(name: str, job_name: str, seen: Replica | None, index: _Index) -> Iterator[str]:
    """What there is to say of a job that will take over from the one that has the replica, or has just done so."""
    run = index.snapshot.run.value
    if run is None or seen is None:
        return
    before = index.predecessors.get(name)
    if before is not None and before.phase in (Phase.DRAINING, Phase.STOPPING):
        yield f"← job {before.job_id} ({before.phase}) had it before"
    after = index.successors.get(name)
    if after is not None and run.clock - after.heartbeat_at <= HEARTBEAT_TIMEOUT_S:
        yield f"→ job {after.job_id} ({after.phase}) takes over when it is ready"
        return
    for job in index.jobs_of.get(job_name, ()):
        if job.id != seen.job_id and job.id not in index.predecessor_jobs and job.state is JobState.PENDING:
            yield f"→ job {job.id} (pending) will take over: {explain(job.reason) or 'submitted'}"


def _job(name: str, seen: Replica | None, index: _Index) -> Job | None:
    """The job that a replica runs in: by the id its agent gave, else the newest of its name."""
    if seen is not None and seen.job_id:
        return index.jobs.get(seen.job_id)
    return next(reversed(index.jobs_of.get(name, ())), None)


def _doubt(job: Job | None) -> str:
    """What SLURM says of a job that does not go with an agent that is alive, as when it has lost sight of the node."""
    if job is None or job.state is not JobState.PENDING:
        return ""
    return f"SLURM has its job {job.id} waiting again ({explain(job.reason) or 'requeued'}), but its agent reports"


def _end(job: Job) -> str:
    """How a job ended, in SLURM's word and in ours."""
    reason = explain(job.reason)
    return f"{job.raw_state} ({reason})" if reason else job.raw_state


def _reason(seen: Replica) -> str:
    """Why a replica is as it is: what failed, else what it does now."""
    if seen.phase is Phase.FAILED and seen.last_error:
        return f"{seen.why}: {seen.last_error}"
    return seen.why or (seen.phase.value if seen.phase is not Phase.READY else "")
