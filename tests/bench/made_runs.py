"""Runs that are made up: every start and end is known, and what the durations were drawn from.

A run is made unit by unit as the driver would start them; its durations have heavy tails (lognormal, and some units
several times as long).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import NDArray

from tau2tui.core.forecast import Work

Numbers = NDArray[np.float64]

KINDS = (
    "one domain",
    "short, then long",
    "long, then short",
    "interleaved",
    "slower and slower",
    "faster and faster",
    "a replica lost half-way",
)
SIZES = {"airline": 50, "retail": 114, "telecom": 114}
"""tau2's sets; a run takes at least half of each."""
MEDIANS_S = {"airline": (50, 130), "retail": (70, 200), "telecom": (150, 500)}
SPREADS, LONG_SHARES = (0.4, 0.9), (0.0, 0.08)
SLOWER, FASTER, LOST = (1.1, 1.6), (0.6, 0.9), (4 / 3, 3 / 2)
"""What a run's domains and changes are drawn from, evenly."""
BETWEEN_RUNS = 0.15
"""Standard deviation of the logarithm of an earlier run's speed."""


@dataclass(frozen=True, slots=True)
class MadeDomain:
    name: str
    median_s: float
    spread: float
    long_share: float

    def duration_s(self, chance: random.Random) -> float:
        seconds = chance.lognormvariate(0.0, self.spread) * self.median_s
        return seconds * min(8.0, chance.paretovariate(1.5)) if chance.random() < self.long_share else seconds

    def durations_s(self, chance: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
        """The same, many at once."""
        return durations_s(chance, shape, self.median_s, self.spread, self.long_share)


def durations_s(
    chance: np.random.Generator,
    shape: tuple[int, ...],
    median_s: float | Numbers,
    spread: float | Numbers,
    long_share: float | Numbers,
) -> Numbers:
    """Durations of a domain; each parameter may differ along the last axis."""
    seconds = median_s * np.exp(spread * chance.standard_normal(shape))
    multiple = np.minimum(8.0, (1 - chance.random(shape)) ** (-1 / 1.5))
    drawn: Numbers = np.where(chance.random(shape) < long_share, seconds * multiple, seconds)
    return drawn


@dataclass(frozen=True, slots=True)
class Speed:
    """What a duration is multiplied by: `first` to `last` in the course of `rough_s`, and `step` from its half on."""

    first: float | Numbers
    last: float | Numbers
    step: float | Numbers
    rough_s: float = 1.0

    def at(self, begin_s: Numbers) -> Numbers:
        """The factor of units that begin then; shape as `begin_s`."""
        through = np.minimum(1.0, begin_s / self.rough_s)
        factor: Numbers = (self.first + (self.last - self.first) * through) * np.where(through > 0.5, self.step, 1.0)
        return factor


@dataclass(frozen=True, slots=True)
class Truth:
    """What no estimate knows: what durations are drawn from, and how the servers' speed changes."""

    domains: tuple[MadeDomain, ...]
    """In the order of the units."""
    speed: Speed


@dataclass(frozen=True, slots=True)
class Ran:
    """A unit with its times, in seconds since the start of the run."""

    domain: str
    started_s: float
    ended_s: float

    @property
    def took_s(self) -> float:
        return self.ended_s - self.started_s


@dataclass(frozen=True, slots=True)
class MadeRun:
    """A run from beginning to end."""

    kind: str
    units: tuple[Ran, ...]
    """In the order in which they started."""
    concurrency: int
    one_domain_at_a_time: bool
    truth: Truth
    earlier: tuple[tuple[str, float], ...] = ()

    @property
    def wall_s(self) -> float:
        return max(unit.ended_s for unit in self.units)

    def running(self, now_s: float) -> list[Ran]:
        """What had begun then, and not ended."""
        return [unit for unit in self.units if unit.started_s <= now_s < unit.ended_s]

    def at(self, now_s: float) -> Work:
        """The run as it was then."""
        ended = sorted((unit for unit in self.units if unit.ended_s <= now_s), key=lambda unit: unit.ended_s)
        queued: dict[str, int] = {}
        for unit in self.units:
            queued[unit.domain] = queued.get(unit.domain, 0) + (unit.started_s > now_s)
        return Work(
            finished=tuple((unit.domain, unit.took_s) for unit in ended),
            begun_s=tuple(now_s - unit.started_s for unit in ended),
            running=tuple((unit.domain, now_s - unit.started_s) for unit in self.running(now_s)),
            queued=tuple(queued.items()),
            concurrency=self.concurrency,
            one_domain_at_a_time=self.one_domain_at_a_time,
            earlier=self.earlier,
        )


def make_run(kind: str, seed: int, *, with_earlier: bool = False) -> MadeRun:
    """A run of a kind, the same for the same seed; with the durations of an earlier run of the same tasks."""
    chance = random.Random(f"{kind} {seed}")
    domains = [
        MadeDomain(name, chance.uniform(*bounds), chance.uniform(*SPREADS), chance.uniform(*LONG_SHARES))
        for name, bounds in MEDIANS_S.items()
    ]
    if kind == "one domain":
        domains = [chance.choice(domains)]
    elif kind == "long, then short":
        domains.reverse()
    elif kind != "short, then long":
        chance.shuffle(domains)
    share = chance.uniform(0.5, 1.0)
    counts = {domain: round(share * SIZES[domain.name]) for domain in domains}
    one_at_a_time = kind in ("short, then long", "long, then short")
    order = [((place + 0.5) / count, domain) for domain, count in counts.items() for place in range(count)]
    if not one_at_a_time:
        order.sort(key=lambda entry: entry[0])
    concurrency = chance.choice((4, 8, 10, 16, 32))
    drawn = [(domain.name, domain.duration_s(chance)) for _, domain in order]
    speed = _slowness(kind, chance)
    earlier: tuple[tuple[str, float], ...] = ()
    if with_earlier:
        factor = chance.lognormvariate(0.0, BETWEEN_RUNS)
        earlier = tuple((d.name, factor * d.duration_s(chance)) for d, count in counts.items() for _ in range(count))
    speed = replace(speed, rough_s=sum(seconds for _, seconds in drawn) / concurrency)
    units = _scheduled(drawn, concurrency, one_at_a_time, speed)
    return MadeRun(kind, units, concurrency, one_at_a_time, Truth(tuple(domains), speed), earlier)


def _slowness(kind: str, chance: random.Random) -> Speed:
    if kind == "slower and slower":
        return Speed(1.0, chance.uniform(*SLOWER), 1.0)
    if kind == "faster and faster":
        return Speed(1.0, chance.uniform(*FASTER), 1.0)
    if kind == "a replica lost half-way":
        return Speed(1.0, 1.0, chance.choice(LOST))
    return Speed(1.0, 1.0, 1.0)


def _scheduled(drawn: list[tuple[str, float]], concurrency: int, one_at_a_time: bool, speed: Speed) -> tuple[Ran, ...]:
    lanes = [0.0] * concurrency
    heapify(lanes)
    units: list[Ran] = []
    for domain, seconds in drawn:
        if one_at_a_time and units and units[-1].domain != domain:
            lanes = [max(unit.ended_s for unit in units)] * concurrency
        begin = lanes[0]
        end = begin + seconds * float(speed.at(np.array(begin)))
        heapreplace(lanes, end)
        units.append(Ran(domain, begin, end))
    return tuple(units)
