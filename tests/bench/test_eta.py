"""The backtest of the estimate, reduced: a few runs of each kind, always the same."""

from __future__ import annotations

import pytest

from tests.bench.eta import KINDS, SHARES, Guess, backtest, make_run, summary


@pytest.fixture(scope="module")
def made() -> list[Guess]:
    return backtest(runs=10, seed=50_000)


def test_eight_in_ten_truths_lie_in_the_interval(made: list[Guess]) -> None:
    assert 0.74 <= summary(made)[2] <= 0.86


def test_the_error_is_well_below_that_of_elapsed_over_done(made: list[Guess]) -> None:
    seeds, ours, _ = summary(made)
    assert ours < 0.7 * seeds


def test_with_an_earlier_run_domains_in_sequence_are_no_surprise(made: list[Guess]) -> None:
    seeds, ours, _ = summary([guess for guess in made if guess.with_earlier and ", then " in guess.kind])
    assert ours < 0.65 * seeds


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_run_is_consistent_at_each_moment(kind: str) -> None:
    run = make_run(kind, 1)
    for share in (0.0, *SHARES, 1.0):
        work = run.at(share * run.wall_s)
        assert len(work.finished) + work.left == len(run.units)
        assert len(work.running) <= run.concurrency
    assert run.at(run.wall_s).left == 0
    assert make_run(kind, 1) == run
