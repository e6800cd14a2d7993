"""Finished and running units → time left, with an interval; and which of those that run have stalled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from statistics import median

from tau2tui.core.durations import Durations
from tau2tui.core.forecast import Forecast, Work, forecast
from tau2tui.core.model import EvalProgress, TimeLeft

STALL_FACTOR = 3.0
"""A unit that is silent for so many times the median duration of a whole unit has stalled."""
LEAST_STALL_S = 60.0
"""Silence that never counts as a stall, however short the units are."""


def time_left(progress: EvalProgress, earlier: Durations = ()) -> TimeLeft | None:
    """Time left as `core.forecast` plays it through; while paused, what is left from when it goes on.

    `earlier`: durations of earlier runs, by domain. None before the units are counted, and while neither a unit of this
    run nor one of an earlier run has ended.
    """
    found = forecast_of(progress, earlier)
    return None if found is None else TimeLeft(found.whole.p10_s, found.whole.p50_s, found.whole.p90_s)


def forecast_of(progress: EvalProgress, earlier: Durations = ()) -> Forecast | None:
    """The same by domain too. What ends without a result is run again by the next start, and is not in it."""
    if not progress.total:
        return None
    return forecast(work_left(progress, earlier))


def extra_attempts(left: int, attempts: int, repeated: int) -> int:
    """So many attempts more are to be expected than there are units left.

    `repeated`: how many of the attempts so far failed and were made again. Each unit that is left, and each of its
    further attempts, is taken to fail so with their share, which a prior of one success keeps below 1.
    """
    share = repeated / (attempts + 1)
    return round(left * share / (1 - share))


def work_left(progress: EvalProgress, earlier: Durations = ()) -> Work:
    """What has ended, runs and waits. If it is not known what the durations belong to, all domains are one."""
    known = len(progress.duration_domains) == len(progress.durations_s)
    names = {domain.domain: domain.domain if known else "" for domain in progress.domains}
    in_flight = [(names.get(unit.domain, ""), progress.updated_at - unit.started_at) for unit in progress.running]
    queued: Counter[str] = Counter()
    for domain in progress.domains:
        queued[names[domain.domain]] += max(0, domain.total - domain.finished)
    for name, _ in in_flight:
        queued[name] -= 1
    ended = progress.duration_domains if known else [""] * len(progress.durations_s)
    timed = len(progress.unit_starts) == len(progress.durations_s)
    return Work(
        finished=tuple(zip(ended, progress.durations_s, strict=True)),
        begun_s=tuple(progress.updated_at - start for start in progress.unit_starts) if timed else (),
        running=tuple((name, max(0.0, age_s)) for name, age_s in in_flight),
        queued=tuple((name, max(0, count)) for name, count in queued.items()),
        concurrency=max(1, progress.max_concurrency),
        one_domain_at_a_time=known and progress.one_domain_at_a_time,
        earlier=earlier if known else tuple(("", seconds) for _, seconds in earlier),
    )


def seed_eta_s(done: int, total: int, elapsed_s: float) -> float | None:
    """The seed's own estimate, elapsed / done × remaining, in seconds; None while nothing is done."""
    return elapsed_s / done * (total - done) if done else None


def seed_time_left_s(progress: EvalProgress) -> float | None:
    """The figure of `[OVERALL_ETA]`: what earlier drivers have finished was no work of this one's time."""
    here = progress.finished - progress.finished_before
    left = progress.total - progress.finished
    return seed_eta_s(here, here + left, progress.updated_at - progress.started_at)


def stalled_units(idle_s: Mapping[str, float], durations_s: tuple[float, ...]) -> tuple[str, ...]:
    """The names of units in which nothing has happened for too long, the longest idle first.

    `idle_s`: seconds since the last event of each running unit. Too long is STALL_FACTOR times the median of what
    finished units took from beginning to end, a minute at least; while nothing has finished there is no measure.
    """
    late = [(-seconds, name) for name, seconds in idle_s.items() if silent_too_long(seconds, durations_s)]
    return tuple(name for _, name in sorted(late))


def silent_too_long(silent_s: float, durations_s: Collection[float]) -> bool:
    """Whether a silence is a stall, by what units took; while nothing has ended there is no measure."""
    return bool(durations_s) and silent_s > max(LEAST_STALL_S, STALL_FACTOR * median(durations_s))
