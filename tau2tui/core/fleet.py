"""One row for each replica, joined end to end: what the table, the command line and its JSON show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tau2tui.core.diagnosis import Finding, Place, Table, diagnose
from tau2tui.core.model import EvalProgress, Load
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
    log: str
    diagnosis: Finding | None = None
    """What the last error of one that failed amounts to; None: nothing that is known."""


def fleet_rows(
    verdicts: Iterable[Verdict], progress: EvalProgress | None, known: Table | None = None
) -> tuple[FleetRow, ...]:
    """The rows in the order of the plan; `known` holds the failure signatures, if not only those that are shipped."""
    return tuple(_row(verdict, progress, known) for verdict in verdicts)


def _row(verdict: Verdict, progress: EvalProgress | None, known: Table | None) -> FleetRow:
    wanted, seen, job = verdict.wanted, verdict.seen, verdict.job
    in_flight = errors = None
    if progress is not None:
        in_flight = sum(unit.replica == wanted.name for unit in progress.running)
        errors = progress.errors_by_replica.get(wanted.name, 0)
    return FleetRow(
        replica=wanted.name,
        expert=wanted.expert,
        standing=verdict.standing,
        phase=seen.phase.value if seen else "",
        level=seen.level.value if seen and seen.level else "",
        why=verdict.why,
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
        log=seen.log if seen else "",
        diagnosis=_diagnosis(verdict, known),
    )


def _diagnosis(verdict: Verdict, known: Table | None) -> Finding | None:
    """What the last error line that the node agent kept of a failed replica amounts to."""
    seen = verdict.seen
    if verdict.standing is not Standing.FAILED or seen is None or not seen.last_error:
        return None
    place = Place(seen.log, seen.name, seen.job, seen.node)
    return next(iter(diagnose(seen.last_error.splitlines(), place, "server", known)), None)
