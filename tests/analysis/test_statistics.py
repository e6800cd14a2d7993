from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis.statistics import (
    clustered_mean_interval,
    interval_of,
    mcnemar_exact,
    mean_draws,
    mean_interval,
    mean_shift,
    pass_hat_k,
    percentile_draws,
    percentile_interval,
    percentile_shift,
)

VALUES = np.random.default_rng(7).lognormal(8.3, 1.0, 400)


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
def test_the_percentiles_of_resamples_are_distributed_as_if_they_had_been_made(percent: int) -> None:
    made = np.random.default_rng(1).choice(VALUES, (20_000, VALUES.size))
    draws = percentile_draws(VALUES, percent, resamples=20_000)
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(draws, shares) == pytest.approx(
        np.quantile(np.percentile(made, percent, axis=1), shares), rel=0.02
    )


def test_mean_draws_have_the_standard_error_of_the_textbook() -> None:
    draws = mean_draws(VALUES)
    assert draws.shape == (2000,)
    assert draws.mean() == pytest.approx(VALUES.mean(), rel=0.02)
    assert draws.std() == pytest.approx(VALUES.std() / math.sqrt(VALUES.size), rel=0.1)


def test_many_values_have_the_normal_limit() -> None:
    values = np.random.default_rng(2).normal(10, 3, 200_000)
    low, high = mean_interval(values) or (0, 0)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 5)


@pytest.mark.parametrize("shape", ["usual", "one far", "long tail"])
def test_the_means_of_resamples_of_many_values_are_distributed_as_if_all_had_been_drawn(shape: str) -> None:
    chance = np.random.default_rng(5)
    values = {
        "usual": chance.lognormal(8, 1, 3000),
        "one far": np.append(chance.normal(1000, 10, 2999), 1e7),
        "long tail": chance.pareto(1.2, 3000) * 1000,
    }[shape]
    made = np.concatenate([values[chance.integers(0, 3000, (1000, 3000))].mean(axis=1) for _ in range(10)])
    shares = [0.025, 0.25, 0.5, 0.75, 0.975]
    found = np.quantile(mean_draws(values, resamples=10_000), shares)
    assert found == pytest.approx(np.quantile(made, shares), abs=made.std() / 8)


def test_the_same_values_give_the_same_interval() -> None:
    assert mean_interval(VALUES) == mean_interval(VALUES.tolist())
    assert percentile_interval(VALUES, 95) == percentile_interval(VALUES.tolist(), 95)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=30), st.sampled_from([0.0, 25.0, 50.0, 99.0, 100.0]))
def test_no_interval_leaves_the_range_of_the_values(values: list[float], percent: float) -> None:
    for found in (mean_interval(values), percentile_interval(values, percent)):
        assert found is not None
        assert min(values) * (1 - 1e-9) <= found[0] <= found[1] <= max(values) * (1 + 1e-9)


def test_one_value_is_certain_and_none_is_unknown() -> None:
    assert mean_interval([4.0]) == percentile_interval([4.0], 99) == (4.0, 4.0)
    assert mean_interval([]) is percentile_interval([], 50) is mean_shift([], [1.0]) is interval_of(np.empty(0)) is None
    assert clustered_mean_interval([], []) is None


def test_a_shift_is_seen_and_no_shift_is_not() -> None:
    low, high = percentile_shift(VALUES, VALUES + 5000, 50) or (0, 0)
    assert 0 < low < 5000 < high
    low, high = mean_shift(VALUES, VALUES) or (1, 1)
    assert low < 0 < high


def test_trials_of_one_task_are_no_independent_evidence() -> None:
    wide = clustered_mean_interval([4, 0] * 10, [4] * 20)
    narrow = clustered_mean_interval([1, 0] * 40, [1] * 80)
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def test_mcnemar_is_the_binomial_sign_test() -> None:
    # 2·(1 + 10 + 45)/1024 for 2 of 10; Siegel & Castellan, Nonparametric Statistics, table D: 0.055 one-sided.
    assert mcnemar_exact(2, 8) == mcnemar_exact(8, 2) == 112 / 1024
    assert mcnemar_exact(0, 0) == mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 6) == 2 / 64
    assert mcnemar_exact(900, 1100) == pytest.approx(8.6e-6, rel=0.03)  # z = 199 / √2000


@settings(deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n), st.integers(1, n))))
def test_pass_hat_k_is_the_share_of_subsets_that_passed(case: tuple[int, int, int]) -> None:
    successes, trials, k = case
    subsets = list(itertools.combinations([True] * successes + [False] * (trials - successes), k))
    assert pass_hat_k(successes, trials, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))


def test_pass_hat_k_of_more_than_the_trials_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pass\^3 of 2 trials"):
        pass_hat_k(2, 2, 3)
