"""The backtest of the estimate, reduced: a few runs of each kind, always the same."""

from __future__ import annotations

import numpy as np
import pytest

from tau2tui.core.forecast import forecast
from tests.bench.eta import SHARES, Guess, backtest, summary
from tests.bench.eta_family import family_s
from tests.bench.eta_oracle import oracle_s
from tests.bench.made_runs import KINDS, make_run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("eta")]  # the backtest is made once, not in each process


@pytest.fixture(scope="module")
def made() -> list[Guess]:
    return backtest(runs=10, seed=50_000)


def test_eight_in_ten_truths_lie_in_the_interval(made: list[Guess]) -> None:
    assert 0.74 <= summary(made).covered <= 0.86


def test_the_error_is_well_below_that_of_elapsed_over_done(made: list[Guess]) -> None:
    found = summary(made)
    assert found.ours < 0.6 * found.seed


def test_with_an_earlier_run_domains_in_sequence_are_no_surprise(made: list[Guess]) -> None:
    found = summary([guess for guess in made if guess.with_earlier and ", then " in guess.kind])
    assert found.ours < 0.45 * found.seed


def test_who_knows_what_durations_are_drawn_from_errs_least(made: list[Guess]) -> None:
    found = summary(made)
    assert found.oracle < found.ours


def test_the_oracles_interval_holds_what_it_promises() -> None:
    inside = []
    for number in range(20):
        run = make_run("interleaved", 60_000 + number)
        now_s = 0.5 * run.wall_s
        low, high = np.quantile(oracle_s(run, now_s, number), (0.1, 0.9))
        inside.append(low <= run.wall_s - now_s <= high)
    assert 12 <= sum(inside) <= 20


def test_the_interval_of_who_knows_how_runs_are_made_up_holds_what_it_promises() -> None:
    inside, closer = [], []
    for number in range(20):
        run = make_run("short, then long", 70_000 + number)
        now_s = 0.5 * run.wall_s
        low, middle, high = np.quantile(family_s(run, now_s, number), (0.1, 0.5, 0.9))
        inside.append(low <= run.wall_s - now_s <= high)
        ours = forecast(run.at(now_s))
        assert ours is not None
        closer.append(abs(middle - run.wall_s + now_s) < abs(ours.whole.p50_s - run.wall_s + now_s))
    assert 12 <= sum(inside) <= 20
    assert sum(closer) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_run_is_consistent_at_each_moment(kind: str) -> None:
    run = make_run(kind, 1)
    for share in (0.0, *SHARES, 1.0):
        work = run.at(share * run.wall_s)
        assert len(work.finished) + work.left == len(run.units)
        assert len(work.running) <= run.concurrency
    assert run.at(run.wall_s).left == 0
    assert make_run(kind, 1) == run
