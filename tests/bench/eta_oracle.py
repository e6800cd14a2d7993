"""The least that an estimate of the time left can err: what is left, played through with what nobody knows.

The oracle knows what each domain's durations are drawn from, how the speed changes, and how old the running units are.
It does not know what will be drawn.
"""

from __future__ import annotations

from collections.abc import Callable

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
    running = []
    for unit in run.running(now_s):
        factor = float(run.truth.speed.at(np.array(unit.started_s)))
        beyond = known[unit.domain]
        place = min(int(np.searchsorted(beyond, (now_s - unit.started_s) / factor)), _KNOWN - 1)
        running.append(unit.started_s + factor * chance.choice(beyond[place:], _REPLICATES))
    return play(
        run,
        now_s,
        running,
        lambda domain: domains[domain].durations_s(chance, (_REPLICATES,)),
        run.truth.speed.at,
        _REPLICATES,
    )


def play(
    run: MadeRun,
    now_s: float,
    running: list[Numbers],
    draw: Callable[[str], Numbers],
    speed_at: Callable[[Numbers], Numbers],
    replicates: int,
) -> Numbers:
    """The rest of a schedule: seconds until the last unit ends, (replicates,).

    `running`: when the running units end; `draw`: durations of a domain at speed 1; both (replicates,).
    """
    lanes = [np.full(replicates, now_s)] * (run.concurrency - len(running)) + running
    free, last = np.stack(lanes, axis=1), ""
    every = np.arange(replicates)
    for unit in run.units:
        if unit.started_s <= now_s:
            last = unit.domain
            continue
        if run.one_domain_at_a_time and last not in ("", unit.domain):
            free[:] = free.max(axis=1)[:, None]
        last = unit.domain
        place = free.argmin(axis=1)
        begin = free[every, place]
        free[every, place] = begin + draw(unit.domain) * speed_at(begin)
    ends: Numbers = free.max(axis=1) - now_s
    return ends
