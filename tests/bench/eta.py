"""How good the estimate of the time left is: generated runs, asked at five moments, against elapsed / done × remaining.

A run is made unit by unit as the driver would start them; its durations have heavy tails (lognormal, and some units
several times as long), and the truth is when its last unit ends.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heapreplace

from tau2tui.core.eta import seed_eta_s
from tau2tui.core.forecast import Work, forecast

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
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
HEAD = """\
| runs | earlier run | at | seed's error | ours | ratio | in the 80 % interval |
|---|---|--:|--:|--:|--:|--:|"""


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
    earlier: tuple[tuple[str, float], ...] = ()

    @property
    def wall_s(self) -> float:
        return max(unit.ended_s for unit in self.units)

    def at(self, now_s: float) -> Work:
        """The run as it was then."""
        ended = sorted((unit for unit in self.units if unit.ended_s <= now_s), key=lambda unit: unit.ended_s)
        queued: dict[str, int] = {}
        for unit in self.units:
            queued[unit.domain] = queued.get(unit.domain, 0) + (unit.started_s > now_s)
        return Work(
            finished=tuple((unit.domain, unit.took_s) for unit in ended),
            running=tuple(
                (unit.domain, now_s - unit.started_s) for unit in self.units if unit.started_s <= now_s < unit.ended_s
            ),
            queued=tuple(queued.items()),
            concurrency=self.concurrency,
            one_domain_at_a_time=self.one_domain_at_a_time,
            earlier=self.earlier,
        )


@dataclass(frozen=True, slots=True)
class Guess:
    """Both estimates at one moment of a run; errors are shares of the run's wall time."""

    kind: str
    share: float
    seed_error: float
    our_error: float
    covered: bool
    with_earlier: bool


@dataclass(frozen=True, slots=True)
class _Domain:
    name: str
    median_s: float
    spread: float
    long_share: float

    def duration_s(self, chance: random.Random) -> float:
        seconds = chance.lognormvariate(0.0, self.spread) * self.median_s
        return seconds * min(8.0, chance.paretovariate(1.5)) if chance.random() < self.long_share else seconds


def make_run(kind: str, seed: int, *, with_earlier: bool = False) -> MadeRun:
    """A run of a kind, the same for the same seed; with the durations of an earlier run of the same tasks."""
    chance = random.Random(f"{kind} {seed}")
    domains = [
        _Domain(name, chance.uniform(*bounds), chance.uniform(0.4, 0.9), chance.uniform(0.0, 0.08))
        for name, bounds in (("airline", (50, 130)), ("retail", (70, 200)), ("telecom", (150, 500)))
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
        factor = chance.lognormvariate(0.0, 0.15)
        earlier = tuple((d.name, factor * d.duration_s(chance)) for d, count in counts.items() for _ in range(count))
    return MadeRun(kind, _scheduled(drawn, concurrency, one_at_a_time, speed), concurrency, one_at_a_time, earlier)


def _slowness(kind: str, chance: random.Random) -> tuple[float, float, float]:
    """By what a duration is multiplied: from the first to the second value, then a step by the third."""
    if kind == "slower and slower":
        return 1.0, chance.uniform(1.1, 1.6), 1.0
    if kind == "faster and faster":
        return 1.0, chance.uniform(0.6, 0.9), 1.0
    if kind == "a replica lost half-way":
        return 1.0, 1.0, chance.choice((4 / 3, 3 / 2))
    return 1.0, 1.0, 1.0


def _scheduled(
    drawn: list[tuple[str, float]], concurrency: int, one_at_a_time: bool, speed: tuple[float, float, float]
) -> tuple[Ran, ...]:
    rough_s = sum(seconds for _, seconds in drawn) / concurrency
    first, last, step = speed
    lanes = [0.0] * concurrency
    heapify(lanes)
    units: list[Ran] = []
    for domain, seconds in drawn:
        if one_at_a_time and units and units[-1].domain != domain:
            lanes = [max(unit.ended_s for unit in units)] * concurrency
        begin = lanes[0]
        through = min(1.0, begin / rough_s)
        end = begin + seconds * (first + (last - first) * through) * (step if through > 0.5 else 1.0)
        heapreplace(lanes, end)
        units.append(Ran(domain, begin, end))
    return tuple(units)


def guesses(run: MadeRun) -> Iterator[Guess]:
    """Both estimates when a tenth, a quarter, half, three quarters and nine tenths of the units had ended."""
    ends = sorted(unit.ended_s for unit in run.units)
    for share in SHARES:
        done = max(1, round(share * len(ends)))
        now_s = ends[done - 1]
        true_s = run.wall_s - now_s
        ours = forecast(run.at(now_s))
        theirs_s = seed_eta_s(done, len(ends), now_s)
        assert ours is not None and theirs_s is not None
        span = ours.whole
        yield Guess(
            run.kind,
            share,
            abs(theirs_s - true_s) / run.wall_s,
            abs(span.p50_s - true_s) / run.wall_s,
            span.p10_s <= true_s <= span.p90_s,
            bool(run.earlier),
        )


def backtest(runs: int, seed: int) -> list[Guess]:
    """All guesses over so many runs of each kind, each without and with an earlier run."""
    return [
        guess
        for with_earlier in (False, True)
        for kind in KINDS
        for number in range(runs)
        for guess in guesses(make_run(kind, seed + number, with_earlier=with_earlier))
    ]


def rows(made: list[Guess]) -> Iterator[str]:
    """A row for each kind of run, for each moment, and for all."""
    for known, word in ((False, "no"), (True, "yes")):
        part = [guess for guess in made if guess.with_earlier == known]
        for kind in KINDS:
            yield _row(kind, word, "all", [guess for guess in part if guess.kind == kind])
        for share in SHARES:
            yield _row("all", word, f"{share:.0%}", [guess for guess in part if guess.share == share])
        yield _row("all", word, "all", part)
    yield _row("all", "both", "all", made)


def summary(made: list[Guess]) -> tuple[float, float, float]:
    """Median absolute errors, the seed's and ours, as shares of the wall time, and the coverage."""
    seeds = statistics.median(guess.seed_error for guess in made)
    ours = statistics.median(guess.our_error for guess in made)
    return seeds, ours, statistics.fmean(guess.covered for guess in made)


def _row(what: str, earlier: str, when: str, made: list[Guess]) -> str:
    seeds, ours, covered = summary(made)
    return f"| {what} | {earlier} | {when} | {seeds:.1%} | {ours:.1%} | {ours / seeds:.2f} | {covered:.0%} |"
