"""How far a run is at a moment, how long it still takes, and what in it has stalled: from its driver's state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tau2tui.core.durations import Durations
from tau2tui.core.eta import forecast_of, seed_time_left_s, silent_too_long, stalled_units
from tau2tui.core.forecast import Span
from tau2tui.core.model import EvalProgress, EvalState, RunningUnit

NOTHING_LEFT = Span(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class DomainOutlook:
    """One domain. `total` None: nothing says it; `left` None: nothing can be said."""

    domain: str
    done: int
    total: int | None
    running: int
    left: Span | None
    stalled: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """A run at a moment."""

    at: datetime
    """Local time, as in the logs."""
    done: int
    total: int | None
    concurrency: int
    left: Span | None
    seed_eta_s: float | None
    """What the newest `[OVERALL_ETA]` line says, or would say."""
    paused: bool
    """No more units begin until it is told to go on; `left` is from then on."""
    stalled: bool
    """Nothing has happened for STALL_FACTOR times the median duration of a unit, and it is neither paused nor over."""
    idle: tuple[tuple[str, float], ...]
    """Names of running units with the seconds since their last event, the longest first."""
    stalled_units: tuple[str, ...]
    """Those of them that have been silent for so long by themselves."""
    domains: tuple[DomainOutlook, ...] = ()


def longest_first(idle_s: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Names with seconds, the largest first."""
    return tuple(sorted(idle_s, key=lambda entry: (-entry[1], entry[0])))


def outlook_of(progress: EvalProgress, clock: float, earlier: Durations = ()) -> Outlook:
    """The run as its driver last said.

    `clock`: Unix seconds of the machine that looked; `earlier`: durations of earlier runs. A run that is over, as it
    stands, has nothing left to wait for even if units of it have no result: only a new start would run them.
    """
    over = progress.state.over
    paused = progress.state is EvalState.PAUSED
    found = None if over else forecast_of(progress, earlier)
    idle = longest_first((unit.name, clock - unit.last_event_at) for unit in progress.running)
    working = not over and not paused and progress.finished < progress.total
    late = set(stalled_units(dict(idle), progress.durations_s))
    late |= {unit.name for unit in progress.running if unit.stalled}

    def silent(units: tuple[RunningUnit, ...], otherwise_s: float) -> bool:
        last = max((unit.last_event_at for unit in units), default=otherwise_s)
        return silent_too_long(clock - last, progress.durations_s)

    def of_domain(name: str) -> tuple[RunningUnit, ...]:
        return tuple(unit for unit in progress.running if unit.domain == name)

    return Outlook(
        datetime.fromtimestamp(clock),
        progress.finished,
        progress.total or None,
        progress.max_concurrency,
        NOTHING_LEFT if over else found.whole if found else None,
        None if over else seed_time_left_s(progress),
        paused,
        working and silent(progress.running, progress.updated_at),
        idle,
        tuple(name for name, _ in idle if name in late),
        tuple(
            DomainOutlook(
                one.domain,
                one.finished,
                one.total,
                len(of_domain(one.domain)),
                NOTHING_LEFT
                if over or one.finished >= one.total
                else (found.domains.get(one.domain) if found else None),
                working and bool(mine := of_domain(one.domain)) and silent(mine, clock),
            )
            for one in progress.domains
        ),
    )
