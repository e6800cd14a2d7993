"""The least that an estimate of the time left can err: what is left, played through with what nobody knows.

The oracle knows what each domain's durations are drawn from, how the speed changes, and how old the running units are.
It does not know what will be drawn.
"""

from __future__ import annotations

import numpy as np

from tests.bench.made_runs import MadeRun, Numbers

_REPLICATES = 300
_KNOWN = 20_000
"""Draws from a domain's distribution, out of which those beyond an age are picked."""


def oracle_s(run: MadeRun, now_s: float, seed: int = 0) -> Numbers:
    """Seconds until the last unit ends, (replicates,)."""
    chance = np.random.default_rng(seed)
    domains = {domain.name: domain for domain in run.truth.domains}
    known = {name: np.sort(domain.durations_s(chance, (_KNOWN,))) for name, domain in domains.items()}
    lanes = [np.full(_REPLICATES, now_s)] * (run.concurrency - sum(u.started_s <= now_s < u.ended_s for u in run.units))
    for unit in run.units:
        if unit.started_s <= now_s < unit.ended_s:
            factor = float(run.truth.speed.at(np.array(unit.started_s)))
            beyond = known[unit.domain]
            place = min(int(np.searchsorted(beyond, (now_s - unit.started_s) / factor)), _KNOWN - 1)
            lanes.append(unit.started_s + factor * chance.choice(beyond[place:], _REPLICATES))
    free, last = np.stack(lanes, axis=1), ""
    every = np.arange(_REPLICATES)
    for unit in run.units:
        if unit.started_s <= now_s:
            last = unit.domain
            continue
        if run.one_domain_at_a_time and last not in ("", unit.domain):
            free[:] = free.max(axis=1)[:, None]
        last = unit.domain
        place = free.argmin(axis=1)
        begin = free[every, place]
        seconds = domains[unit.domain].durations_s(chance, (_REPLICATES,))
        free[every, place] = begin + seconds * run.truth.speed.at(begin)
    ends: Numbers = free.max(axis=1) - now_s
    return ends
