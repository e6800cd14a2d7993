"""How well one could do who knows how runs are made up, and of this run no more than an estimate does: Bayes' rule.

Between the oracle, which knows the run's own distributions, and an estimate, which knows nothing of `made_runs`: here
the ranges are known from which medians, spreads and changes of speed are drawn, and which kinds of runs change. Every
combination on a grid is weighted by how well it explains what has ended and the ages of what runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tests.bench.eta_oracle import play
from tests.bench.made_runs import (
    BETWEEN_RUNS,
    FASTER,
    LONG_SHARES,
    LOST,
    MEDIANS_S,
    SLOWER,
    SPREADS,
    MadeRun,
    Numbers,
    Speed,
    durations_s,
)

_REPLICATES, _TRIED = 300, 400
"""Draws of the end, and of a running unit's duration until one lies beyond its age."""
_MEDIANS, _SPREADS, _SHARES, _SPEEDS = 14, 6, 4, 5
_STEADY = Speed(1.0, 1.0, 1.0)
_ERRORS = np.linspace(-6, 8, 1200)
"""Logarithms of durations over the median at which densities are tabulated."""


def _middles(low: float, high: float, count: int) -> Numbers:
    """Of so many equal parts of a range."""
    middles: Numbers = low + (high - low) * (np.arange(count) + 0.5) / count
    return middles


_SHAPES = [(spread, share) for spread in _middles(*SPREADS, _SPREADS) for share in _middles(*LONG_SHARES, _SHARES)]


@lru_cache(maxsize=1)
def _tables() -> tuple[Numbers, Numbers]:
    """Logarithms of density and of the probability of more, (errors, shapes)."""
    multiples = np.minimum(-np.log(1 - _middles(0, 1, 100)) / 1.5, math.log(8))
    tail = np.vectorize(math.erfc, otypes=[float])
    density: list[Numbers] = []
    beyond: list[Numbers] = []
    for spread, share in _SHAPES:
        usual, long = _ERRORS / spread, (_ERRORS[:, None] - multiples) / spread
        bells = [np.exp(-0.5 * z**2) / spread for z in (usual, long)]
        tails = [0.5 * tail(z / math.sqrt(2)) for z in (usual, long)]
        for table, (plain, several) in ((density, bells), (beyond, tails)):
            table.append(np.log((1 - share) * plain + share * several.mean(axis=1) + 1e-300))
    return np.array(density).T, np.array(beyond).T


def _log_likelihood(table: Numbers, logs: Numbers, medians: Numbers) -> Numbers:
    """Of values of one domain, (medians, shapes)."""
    step = _ERRORS[1] - _ERRORS[0]
    places = ((logs[:, None] - medians - _ERRORS[0]) / step).clip(0, len(_ERRORS) - 1).round().astype(int)
    found: Numbers = table[places].sum(axis=0)
    return found


def _speeds(run: MadeRun, domains: int) -> list[tuple[Speed, float]]:
    """The changes of speed that are possible in such a run, with their probabilities."""
    if run.one_domain_at_a_time or domains == 1:
        return [(_STEADY, 1.0)]
    changes = [[_STEADY]]
    changes += [[Speed(1.0, last, 1.0) for last in _middles(*bounds, _SPEEDS)] for bounds in (SLOWER, FASTER)]
    changes.append([Speed(1.0, 1.0, step) for step in LOST])
    rough_s = run.truth.speed.rough_s  # when half-way is: a little more than can be known, as befits a bound
    return [(replace(speed, rough_s=rough_s), 0.25 / len(kind)) for kind in changes for speed in kind]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Log likelihoods of one domain's parameters, (medians, shapes): by speed of this run, and of the earlier one."""

    medians: Numbers
    here: list[Numbers]
    earlier: list[Numbers]


def _grid(run: MadeRun, now_s: float, domain: str, speeds: list[Speed], factors: Numbers) -> _Grid:
    density, beyond = _tables()
    medians = np.log(_middles(*MEDIANS_S[domain], _MEDIANS))
    mine = [unit for unit in run.units if unit.domain == domain and unit.started_s <= now_s]
    started = np.array([unit.started_s for unit in mine])
    ended = np.array([unit.ended_s <= now_s for unit in mine], dtype=bool)
    logs = np.log([max(min(unit.ended_s, now_s) - unit.started_s, 1e-3) for unit in mine])
    here = []
    for speed in speeds:
        at = logs - np.log(speed.at(started)) if mine else logs
        here.append(_log_likelihood(density, at[ended], medians) + _log_likelihood(beyond, at[~ended], medians))
    before = np.log([seconds for name, seconds in run.earlier if name == domain])
    return _Grid(medians, here, [_log_likelihood(density, before - factor, medians) for factor in factors])


def family_s(run: MadeRun, now_s: float, seed: int = 0) -> Numbers:
    """Seconds until the last unit ends, (replicates,)."""
    chance = np.random.default_rng(seed)
    names = list(dict.fromkeys(unit.domain for unit in run.units))
    speeds = _speeds(run, len(names))
    factors = BETWEEN_RUNS * np.linspace(-1.6, 1.6, 5) if run.earlier else np.zeros(1)
    grids = {name: _grid(run, now_s, name, [speed for speed, _ in speeds], factors) for name in names}
    pairs = [(one, other) for one in range(len(speeds)) for other in range(len(factors))]
    scores = np.array(
        [
            math.log(speeds[one][1])
            - 0.5 * (factors[other] / BETWEEN_RUNS) ** 2
            + sum(_log_sum(grid.here[one] + grid.earlier[other]) for grid in grids.values())
            for one, other in pairs
        ]
    )
    picked = chance.choice(len(pairs), _REPLICATES, p=_shares(scores))
    drawn = {name: _drawn(grid, [pairs[number] for number in picked], chance) for name, grid in grids.items()}
    speed = _side_by_side([speeds[pairs[number][0]][0] for number in picked])
    running = []
    for unit in run.running(now_s):
        factor = speed.at(np.array(unit.started_s))
        age_s = (now_s - unit.started_s) / factor
        many = durations_s(chance, (_TRIED, _REPLICATES), *drawn[unit.domain])
        beyond = many > age_s
        first = many[beyond.argmax(axis=0), np.arange(_REPLICATES)]
        far = age_s * np.minimum(8.0, (1 - chance.random(_REPLICATES)) ** (-1 / 1.5))
        running.append(unit.started_s + factor * np.where(beyond.any(axis=0), first, far))
    return play(
        run,
        now_s,
        running,
        lambda domain: durations_s(chance, (_REPLICATES,), *drawn[domain]),
        speed.at,
        _REPLICATES,
    )


def _drawn(grid: _Grid, pairs: list[tuple[int, int]], chance: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
    """Medians, spreads and shares of a domain, (replicates,) each, as probable as what was seen makes them."""
    cells = np.zeros(len(pairs), dtype=int)
    for pair in set(pairs):
        mine = [number for number, other in enumerate(pairs) if other == pair]
        shares = _shares((grid.here[pair[0]] + grid.earlier[pair[1]]).ravel())
        cells[mine] = chance.choice(len(shares), len(mine), p=shares)
    medians, shapes = np.divmod(cells, len(_SHAPES))
    between = (chance.random(len(pairs)) - 0.5) * (grid.medians[1] - grid.medians[0])
    spreads, shares = np.array(_SHAPES)[shapes].T
    return np.exp(grid.medians[medians] + between), spreads, shares


def _side_by_side(speeds: list[Speed]) -> Speed:
    """One speed for each replicate."""
    first, last, step = (np.array(each) for each in zip(*((s.first, s.last, s.step) for s in speeds), strict=True))
    return Speed(first, last, step, speeds[0].rough_s)


def _log_sum(logs: Numbers) -> float:
    return float(logs.max() + np.log(np.exp(logs - logs.max()).sum()))


def _shares(logs: Numbers) -> Numbers:
    shares: Numbers = np.exp(logs - logs.max())
    shares /= shares.sum()
    return shares
