"""The fleet as it was sampled at an earlier moment: what no sample tells of that moment is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tau2tui.config import VerdictsConfig
from tau2tui.core.fleet import FleetRow
from tau2tui.core.load_verdicts import LoadVerdict, load_verdicts
from tau2tui.core.model import Load, Phase, Replica
from tau2tui.core.verdict import Standing


@dataclass(frozen=True, slots=True)
class Sampled:
    """The last sample of a server up to a moment, and what the minute before it amounts to."""

    age_s: float
    """How long before that moment it was taken."""
    attempt: int | None
    """The attempt that was sampled; None if the sample does not say."""
    load: Load
    error: str = ""
    """Why the sample failed; empty if it did not."""


NO_SAMPLE = "no sample of that time"


def past_rows(
    rows: Iterable[FleetRow], sampled: Mapping[str, Sampled], limits: VerdictsConfig | None = None
) -> tuple[FleetRow, ...]:
    """The rows of now as they were at an earlier moment, by what was sampled then, by replica.

    A node agent samples a server from its readiness on: one that answered then is called ready. Job, node and address
    stay only where the attempt is still the same; state, errors and simulations of that moment were not sampled.
    """
    rows = tuple(rows)
    answered = [
        Replica(row.replica, row.expert, row.expert, row.job, "", Phase.READY, row.port, load=sampled[row.replica].load)
        for row in rows
        if row.replica in sampled and not sampled[row.replica].error
    ]
    matters = load_verdicts(answered, None, limits)
    return tuple(_past(row, sampled.get(row.replica), matters.get(row.replica, ())) for row in rows)


def _past(row: FleetRow, then: Sampled | None, matters: tuple[LoadVerdict, ...]) -> FleetRow:
    same = then is not None and then.attempt in (None, row.attempt)
    attempt = row.attempt if then is None or then.attempt is None else then.attempt
    bare = replace(
        row,
        standing=Standing.UNKNOWN,
        phase="",
        level="",
        why=NO_SAMPLE,
        job_id=row.job_id if same else "",
        job_state="",
        time_left_s=None,
        node=row.node if same else "",
        address=row.address if same else "",
        attempt=attempt if then else 0,
        load=Load(),
        in_flight=None,
        errors=None,
        errors_per_min=None,
        log=row.log.removesuffix(f".{row.attempt}.log") + f".{attempt}.log" if row.log and then else "",
        last_error="",
        phase_s=None,
        usual_phase_s=None,
        diagnosis=None,
        verdicts=(),
        past=True,
    )
    if then is None:
        return bare
    if then.error:
        return replace(bare, why=f"{then.error}, {then.age_s:.0f} s before")
    why = "; ".join((f"sampled {then.age_s:.0f} s before", *(each.evidence for each in matters)))
    return replace(bare, standing=Standing.READY, why=why, load=then.load, verdicts=matters)
