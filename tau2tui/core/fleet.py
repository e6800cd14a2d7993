"""One row for each replica, joined end to end: what the table, the command line and its JSON show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from tau2tui.config import VerdictsConfig
from tau2tui.core.diagnosis import Finding, Place, Table, diagnose
from tau2tui.core.load_verdicts import LoadVerdict, load_verdicts
from tau2tui.core.model import EvalProgress, EvalState, Load, Phase, Replica, RunState
from tau2tui.core.verdict import Standing, Verdict


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A replica with its job, node, GPUs, health, load, and what the evaluation does with it. None: not known."""

    replica: str
    expert: str
    standing: Standing
    phase: str
    """The boot phase in the node agent's word; empty without a report."""
    level: str
    """The highest level of readiness that is proved; empty for none."""
    why: str
    job: str
    job_id: str
    job_state: str
    time_left_s: float | None
    node: str
    address: str
    port: int
    gpus: tuple[int, ...]
    attempt: int
    load: Load
    in_flight: int | None
    """Simulations that wait for this replica now; None without an evaluation."""
    errors: int | None
    """Failed calls to this replica in the evaluation; None without one."""
    errors_per_min: float | None
    """The same over the last minutes; None if they were not watched for long enough."""
    log: str
    last_error: str = ""
    """The last line of its log that told of an error."""
    phase_s: float | None = None
    """For how long it has been in this phase of its start; None if it does not start."""
    usual_phase_s: float | None = None
    """How long other replicas and attempts of this expert were in it: the median; None if none has been."""
    diagnosis: Finding | None = None
    """What the last error of one that failed amounts to; None: nothing that is known."""
    verdicts: tuple[LoadVerdict, ...] = ()
    """What its load says is the matter; their evidence is part of `why`."""
    past: bool = False
    """It is what was sampled at an earlier moment (`core.past`); what no sample tells is not known."""


RATE_WINDOW_S = 300.0
"""A rate "over the last minutes" is over so many seconds, as far as they were watched."""
_LEAST_RATE_S = 10.0


def fleet_rows(
    verdicts: Iterable[Verdict],
    run: RunState | None,
    earlier: RunState | None = None,
    known: Table | None = None,
    limits: VerdictsConfig | None = None,
) -> tuple[FleetRow, ...]:
    """The rows in the order of the plan.

    `earlier` is what the run was a few minutes ago, for rates; `known` holds the failure signatures, if not only those
    that are shipped; `limits` say from when on a load is worth a word.
    """
    verdicts = tuple(verdicts)
    starts: dict[str, list[Replica]] = {}
    for replica in (*run.replicas, *run.predecessors) if run else ():
        starts.setdefault(replica.expert, []).append(replica)
    before = earlier.evaluation if earlier else None
    watched_s = run.clock - earlier.clock if run and earlier else 0.0
    # Of a replica whose agent is silent nothing may be said.
    serving = [v.seen for v in verdicts if v.seen and v.standing in (Standing.READY, Standing.DEGRADED)]
    running = run is not None and run.evaluation is not None and run.evaluation.state is EvalState.RUNNING
    waiting = (
        Counter(unit.replica for unit in run.evaluation.running if unit.replica)
        if run and run.evaluation
        else Counter()
    )
    matters = load_verdicts(serving, waiting if running else None, limits)
    return tuple(
        _row(
            verdict,
            run,
            starts,
            before,
            watched_s,
            waiting,
            matters.get(verdict.wanted.name, ()),
            _diagnosis(verdict, known),
        )
        for verdict in verdicts
    )


def per_minute(now: float, before: float | None, watched_s: float) -> float | None:
    """The rate of a counter; None if it was not watched for long enough, or began anew meanwhile."""
    if before is None or watched_s < _LEAST_RATE_S or now < before:
        return None
    return (now - before) / watched_s * 60


def usual_s(phase: Phase, replicas: Sequence[Replica]) -> float | None:
    """The median of how long replicas were in a phase that they have left, in seconds; None if none has."""
    lasted = [
        left - entered
        for replica in replicas
        for (name, entered), (_, left) in zip(replica.phases, replica.phases[1:], strict=False)
        if name == phase.value
    ]
    return median(lasted) if lasted else None


def _row(
    verdict: Verdict,
    run: RunState | None,
    starts: dict[str, list[Replica]],
    before: EvalProgress | None,
    watched_s: float,
    waiting: Mapping[str, int],
    matters: tuple[LoadVerdict, ...],
    diagnosis: Finding | None,
) -> FleetRow:
    wanted, seen, job = verdict.wanted, verdict.seen, verdict.job
    progress = run.evaluation if run else None
    in_flight = errors = rate = None
    if progress is not None:
        in_flight = waiting.get(wanted.name, 0)
        errors = progress.errors_by_replica.get(wanted.name, 0)
        rate = per_minute(errors, before.errors_by_replica.get(wanted.name, 0) if before else None, watched_s)
    starting = verdict.standing is Standing.STARTING and run is not None and seen is not None
    return FleetRow(
        replica=wanted.name,
        expert=wanted.expert,
        standing=verdict.standing,
        phase=seen.phase.value if seen else "",
        level=seen.level.value if seen and seen.level else "",
        why="; ".join(filter(None, (verdict.why, *(m.evidence for m in matters if m.evidence not in verdict.why)))),
        job=verdict.job_name,
        job_id=(seen.job_id if seen else "") or (job.id if job else ""),
        job_state=job.raw_state if job else "",
        time_left_s=job.time_left_s if job else None,
        node=(seen.node if seen else "") or (job.nodes if job else ""),
        address=seen.address if seen else "",
        port=wanted.port,
        gpus=wanted.gpus,
        attempt=seen.attempt if seen else 0,
        load=seen.load if seen else Load(),
        in_flight=in_flight,
        errors=errors,
        errors_per_min=rate,
        log=seen.log if seen else "",
        last_error=seen.last_error if seen else "",
        phase_s=run.clock - seen.phase_since if starting and run and seen and seen.phase_since else None,
        usual_phase_s=usual_s(seen.phase, starts.get(wanted.expert, ())) if starting and seen else None,
        verdicts=matters,
        diagnosis=diagnosis,
    )


def _diagnosis(verdict: Verdict, known: Table | None) -> Finding | None:
    """What the last error line that the node agent kept of a failed replica amounts to."""
    seen = verdict.seen
    if verdict.standing is not Standing.FAILED or seen is None or not seen.last_error:
        return None
    return _finding(seen.last_error, Place(seen.log, seen.name, seen.job, seen.node), known)


@lru_cache(maxsize=1024)
def _finding(last_error: str, place: Place, known: Table | None) -> Finding | None:
    """Kept, because a replica that has failed says the same in every snapshot."""
    return next(iter(diagnose(last_error.splitlines(), place, "server", known)), None)
