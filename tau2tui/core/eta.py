"""Finished and running units → time left, with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, pstdev

from tau2tui.core.model import EvalProgress

_Z_80 = 1.2816
"""Standard normal quantile at 0.9: the interval below covers about 80 %."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the last unit ends: a middle and the bounds of an interval of about 80 %."""

    low_s: float
    middle_s: float
    high_s: float


def time_left(progress: EvalProgress) -> TimeLeft | None:
    """Time left when `max_concurrency` units run side by side and last as long as the finished ones did.

    The work left is the sum of what queued units (mean duration) and running ones (mean minus their age, at least a
    tenth of it) still need, shared by the units that can run at once. Its deviation is that of a sum of independent
    durations, σ·√n / concurrency; on top of it the last unit may be a long one, so the upper bound is at least the
    mean plus one deviation. None until two units are finished: one duration says nothing about spread.
    """
    durations = progress.durations_s
    remaining = progress.total - progress.finished
    if not progress.total:
        return None
    if remaining <= 0:
        return TimeLeft(0.0, 0.0, 0.0)
    if len(durations) < 2:
        return None
    mean, deviation = fmean(durations), pstdev(durations)
    ages = [max(0.0, progress.updated_at - unit.started_at) for unit in progress.running]
    queued = max(0, remaining - len(ages))
    work = queued * mean + sum(max(mean - age, 0.1 * mean) for age in ages)
    lanes = max(1, min(progress.max_concurrency, remaining))
    middle = work / lanes
    # The mean itself is uncertain too: its standard error σ/√k counts once for each unit that is left.
    spread = _Z_80 * deviation * math.sqrt(remaining + remaining**2 / len(durations)) / lanes
    return TimeLeft(max(0.0, middle - spread), middle, max(middle + spread, min(mean + deviation, work)))


def seed_eta_s(done: int, total: int, elapsed_s: float) -> float | None:
    """The seed's own estimate, elapsed / done × remaining, in seconds; None while nothing is done."""
    return elapsed_s / done * (total - done) if done else None
