"""How good the estimate of the time left is: made runs, asked at five moments, against elapsed / done × remaining.

The truth is when the last unit of a run ends. Beside it stands an oracle, which knows what the durations of a run are
drawn from and how its speed changes, and not what will be drawn: no estimate can be expected to err less.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tau2tui.core.eta import seed_eta_s
from tau2tui.core.forecast import forecast
from tests.bench.made_runs import KINDS, MadeRun, make_run

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
HEAD = """\
| runs | earlier run | at | seed's error | ours | ratio | in the 80 % interval |
|---|---|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True, slots=True)
class Guess:
    """Both estimates at one moment of a run; errors are shares of the run's wall time."""

    kind: str
    share: float
    seed_error: float
    our_error: float
    covered: bool
    with_earlier: bool


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
