"""How good the estimate of the time left is: made runs, asked at five moments, against elapsed / done × remaining.

The truth is when the last unit of a run ends. Beside it stands an oracle, which knows what the durations of a run are
drawn from and how its speed changes, and not what will be drawn: no estimate can be expected to err less. On request
also one who knows how all runs are made up, and of this one only what the estimate is told (`eta_family`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tau2tui.core.eta import seed_eta_s
from tau2tui.core.forecast import forecast
from tests.bench.eta_family import family_s
from tests.bench.eta_oracle import oracle_s
from tests.bench.made_runs import KINDS, MadeRun, make_run

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
HEAD = """\
| runs | earlier run | at | seed's error | the oracle's | ours | oracle / seed | ours / seed | in the 80 % interval |
|---|---|--:|--:|--:|--:|--:|--:|--:|"""
FAMILY_HEAD = """\

| runs | earlier run | at | who knows the family / seed | ours / seed | in the 80 % interval of who knows it |
|---|---|--:|--:|--:|--:|"""
COST_HEAD = """\

| one forecast | median | 90 % |
|---|--:|--:|"""


@dataclass(frozen=True, slots=True)
class Guess:
    """Both estimates at one moment of a run; errors are shares of the run's wall time."""

    kind: str
    share: float
    seed_error: float
    oracle_error: float
    our_error: float
    covered: bool
    with_earlier: bool
    took_ms: float
    family_error: float | None = None
    family_covered: bool = False


def guesses(kind: str, seed: int, *, family: bool = False) -> Iterator[Guess]:
    """All estimates when a tenth, a quarter, half, three quarters and nine tenths of the units had ended.

    Of one run, as it is estimated without and with the durations of an earlier one.
    """
    runs = [make_run(kind, seed, with_earlier=with_earlier) for with_earlier in (False, True)]
    ends = sorted(unit.ended_s for unit in runs[0].units)
    wall_s = runs[0].wall_s
    for share in SHARES:
        done = max(1, round(share * len(ends)))
        now_s = ends[done - 1]
        true_s = wall_s - now_s
        theirs_s = seed_eta_s(done, len(ends), now_s)
        best_s = float(np.median(oracle_s(runs[0], now_s, seed)))
        for run in runs:
            work = run.at(now_s)
            began = time.perf_counter()
            ours = forecast(work)
            took_ms = 1000 * (time.perf_counter() - began)
            assert ours is not None and theirs_s is not None
            span = ours.whole
            yield Guess(
                kind,
                share,
                abs(theirs_s - true_s) / wall_s,
                abs(best_s - true_s) / wall_s,
                abs(span.p50_s - true_s) / wall_s,
                span.p10_s <= true_s <= span.p90_s,
                bool(run.earlier),
                took_ms,
                *(_of_family(run, now_s, true_s, seed) if family else ()),
            )


def _of_family(run: MadeRun, now_s: float, true_s: float, seed: int) -> tuple[float, bool]:
    low, middle, high = np.quantile(family_s(run, now_s, seed), (0.1, 0.5, 0.9))
    return abs(middle - true_s) / run.wall_s, bool(low <= true_s <= high)


def backtest(runs: int, seed: int, *, family: bool = False) -> list[Guess]:
    """All guesses over so many runs of each kind."""
    numbers = range(seed, seed + runs)
    return [guess for kind in KINDS for number in numbers for guess in guesses(kind, number, family=family)]


def rows(made: list[Guess], row: Callable[[str, str, str, list[Guess]], str] | None = None) -> Iterator[str]:
    """A row for each kind of run, for each moment, and for all."""
    row = row or _row
    for known, word in ((False, "no"), (True, "yes")):
        part = [guess for guess in made if guess.with_earlier == known]
        for kind in KINDS:
            yield row(kind, word, "all", [guess for guess in part if guess.kind == kind])
        for share in SHARES:
            yield row("all", word, f"{share:.0%}", [guess for guess in part if guess.share == share])
        yield row("all", word, "all", part)
    yield row("all", "both", "all", made)


def cost(made: list[Guess]) -> str:
    """What a forecast took."""
    took = sorted(guess.took_ms for guess in made)
    return f"| {len(took)} of them | {statistics.median(took):.0f} ms | {took[int(0.9 * len(took))]:.0f} ms |"


@dataclass(frozen=True, slots=True)
class Summary:
    """Median absolute errors as shares of the wall time, and the coverage of the interval."""

    seed: float
    oracle: float
    ours: float
    covered: float


def summary(made: list[Guess]) -> Summary:
    """Of these guesses together."""
    return Summary(
        statistics.median(guess.seed_error for guess in made),
        statistics.median(guess.oracle_error for guess in made),
        statistics.median(guess.our_error for guess in made),
        statistics.fmean(guess.covered for guess in made),
    )


def _row(what: str, earlier: str, when: str, made: list[Guess]) -> str:
    of = summary(made)
    return (
        f"| {what} | {earlier} | {when} | {of.seed:.1%} | {of.oracle:.1%} | {of.ours:.1%} "
        f"| {of.oracle / of.seed:.2f} | {of.ours / of.seed:.2f} | {of.covered:.0%} |"
    )


def family_row(what: str, earlier: str, when: str, made: list[Guess]) -> str:
    """The same of who knows the family."""
    of = summary(made)
    error = statistics.median(guess.family_error for guess in made if guess.family_error is not None)
    covered = statistics.fmean(guess.family_covered for guess in made)
    return f"| {what} | {earlier} | {when} | {error / of.seed:.2f} | {of.ours / of.seed:.2f} | {covered:.0%} |"
