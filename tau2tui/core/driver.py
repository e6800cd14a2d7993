"""Whether an evaluation's driver lives, by the age of what it wrote last."""

from __future__ import annotations

from tau2tui.core.model import EvalProgress, RunState

DRIVER_TIMEOUT_S = 30.0
"""A driver writes its state at least every few seconds; after this it may be taken for gone."""


def silent_s(progress: EvalProgress, clock: float) -> float | None:
    """For how long a driver has given no sign of life, if that is too long; None if it lives, or has ended.

    `clock`: of the machine that looked, in Unix seconds.
    """
    age_s = clock - progress.updated_at
    return age_s if not progress.state.over and age_s > DRIVER_TIMEOUT_S else None


def driver_runs(run: RunState | None) -> bool:
    """Whether an evaluation is going on, and its driver shows signs of life."""
    if run is None or run.evaluation is None or run.evaluation.state.over:
        return False
    return silent_s(run.evaluation, run.clock) is None
