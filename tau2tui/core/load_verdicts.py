"""What a server's load says of it: saturated, KV-bound, starved and so on, each with the figures that say so.

Pure: by what the node agent wrote last, and by the load of the other replicas of the same model. What a server does not
report leads to no verdict.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tau2tui.config import VerdictsConfig
from tau2tui.core.model import Load, Phase, Replica


class Trouble(StrEnum):
    """What can be the matter with a server that answers."""

    STUCK = "stuck"
    """Requests run and no token comes."""
    WEDGED = "wedged"
    """Requests wait and none runs."""
    FAILING = "failing"
    """Its requests are answered with errors."""
    RESTARTED = "restarted"
    KV_BOUND = "kv-bound"
    """The KV cache is full: more requests do not run at once, or are preempted and computed again."""
    SATURATED = "saturated"
    """Requests have waited for a while: it has more work than it does."""
    STARVED = "starved"
    """It has nothing to do while the evaluation runs."""
    IMBALANCED = "imbalanced"
    """It has much more, or much less, to do than the others of its model."""
    DRIFTING = "drifting"
    """Its tokens come more slowly than they used to."""


@dataclass(frozen=True, slots=True)
class LoadVerdict:
    """One thing that is the matter, and the figures that say so, in words."""

    trouble: Trouble
    evidence: str


AGENTS_OWN = (Trouble.STUCK, Trouble.WEDGED, Trouble.FAILING)
"""What the node agent itself calls a server degraded for: it sees every sample, and puts the word before its reason."""


def load_verdicts(
    replicas: Iterable[Replica],
    in_flight: Mapping[str, int] | None = None,
    limits: VerdictsConfig | None = None,
) -> dict[str, tuple[LoadVerdict, ...]]:
    """The verdicts on each replica that serves, by its name.

    `in_flight`: requests of the evaluation that are at each replica, while it runs; None: it does not run.
    """
    limits = limits or VerdictsConfig()
    serving = [replica for replica in replicas if replica.phase in (Phase.READY, Phase.DEGRADED)]
    busy: dict[str, list[float]] = {}
    for replica in serving:
        if (requests := _requests(replica.load)) is not None:
            busy.setdefault(replica.model, []).append(requests)
    for counts in busy.values():
        counts.sort()
    at_all = None if in_flight is None else sum(in_flight.values())
    return {
        replica.name: tuple(_verdicts(replica, busy.get(replica.model, ()), in_flight or {}, at_all, limits))
        for replica in serving
    }


def _verdicts(
    replica: Replica,
    busy: Sequence[float],
    in_flight: Mapping[str, int],
    at_all: int | None,
    limits: VerdictsConfig,
) -> Iterator[LoadVerdict]:
    """`busy`: requests at the replicas of its model, in rising order; `at_all`: requests in flight at all replicas."""
    load = replica.load
    if replica.phase is Phase.DEGRADED:
        word = replica.why.partition(":")[0]
        if word in AGENTS_OWN:
            yield LoadVerdict(Trouble(word), replica.why)
    yield from _restarted(replica, limits)
    if load.kv_cache is not None and load.kv_cache >= limits.kv_share and (load.waiting or load.preemptions_per_min):
        more = [f"KV cache {load.kv_cache:.0%} full"]
        more += [f"{load.waiting:.0f} wait"] if load.waiting else []
        more += [f"{load.preemptions_per_min:.1f} preemptions a minute"] if load.preemptions_per_min else []
        yield LoadVerdict(Trouble.KV_BOUND, "KV-bound: " + ", ".join(more))
    waited_s = replica.heartbeat_at - load.waiting_since if load.waiting and load.waiting_since is not None else 0.0
    if waited_s >= limits.saturated_s:
        yield LoadVerdict(Trouble.SATURATED, f"saturated: {load.waiting:.0f} wait, some always for {waited_s:.0f} s")
    idle = (load.running, load.waiting, load.requests_s) == (0.0, 0.0, 0.0)
    if at_all and idle and not in_flight.get(replica.name):
        evidence = f"starved: no request in the last {load.window_s or 0:.0f} s, {at_all} are at other replicas"
        yield LoadVerdict(Trouble.STARVED, evidence)
    yield from _imbalanced(replica, busy, limits)
    if load.itl_s is not None and load.itl_usual_s and load.itl_s >= limits.drift * load.itl_usual_s:
        evidence = (
            f"drifting: {1000 * load.itl_s:.0f} ms between tokens, {1000 * load.itl_usual_s:.0f} ms since its start"
        )
        yield LoadVerdict(Trouble.DRIFTING, evidence)


def _restarted(replica: Replica, limits: VerdictsConfig) -> Iterator[LoadVerdict]:
    anew = replica.load.restarted_at
    if anew is not None and replica.heartbeat_at - anew <= limits.restarted_s:
        ago_s = replica.heartbeat_at - anew
        yield LoadVerdict(Trouble.RESTARTED, f"restarted: its counters began anew {ago_s:.0f} s ago")
    elif replica.attempt > 1 and replica.ready_at is not None:
        ago_s = replica.heartbeat_at - replica.ready_at
        if 0 <= ago_s <= limits.restarted_s:
            yield LoadVerdict(Trouble.RESTARTED, f"restarted: attempt {replica.attempt}, ready for {ago_s:.0f} s")


def _imbalanced(replica: Replica, busy: Sequence[float], limits: VerdictsConfig) -> Iterator[LoadVerdict]:
    """Against the median of the other replicas of its model; a few requests more or less mean nothing."""
    mine, others = _requests(replica.load), len(busy) - 1
    if mine is None or not others:
        return
    usual = _median_without(busy, mine)
    low, high = sorted((mine, usual))
    if high - low >= limits.imbalance_least and high >= limits.imbalance * low:
        evidence = f"imbalanced: {mine:.0f} requests, the median of the other {others} of its model is {usual:g}"
        yield LoadVerdict(Trouble.IMBALANCED, evidence)


def _median_without(ordered: Sequence[float], one: float) -> float:
    """The median of all but one of at least two values in rising order, without going through them for each."""
    place = bisect_left(ordered, one)

    def other(number: int) -> float:
        return ordered[number if number < place else number + 1]

    count = len(ordered) - 1
    return (other((count - 1) // 2) + other(count // 2)) / 2


def _requests(load: Load) -> float | None:
    """Requests that run or wait; None if the server does not say."""
    return None if load.running is None else load.running + (load.waiting or 0.0)
