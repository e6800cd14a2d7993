"""Regression with values of which only a lower bound is known, against distributions whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tau2tui.core.censored import Observed, Prior, fit_censored, hazard

VAGUE = Prior(np.zeros(1), np.full((1, 1), 1e-6), 0.65, 4.0)


def sample(mean: float, spread: float, count: int = 400) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Equally likely values."""
    return np.array([NormalDist(mean, spread).inv_cdf((place + 0.5) / count) for place in range(count)])


def observed(values: np.ndarray[tuple[int], np.dtype[np.float64]], beyond: float = math.inf) -> Observed:
    """The values up to a bound, the others as beyond it."""
    cut = values > beyond
    return Observed(
        np.minimum(values, beyond), np.ones((len(values), 1)), np.zeros(len(values), int), np.ones(len(values)), cut
    )


@pytest.mark.parametrize(("mean", "spread"), [(4.0, 0.5), (5.5, 0.9)])
def test_the_fit_finds_a_distribution_of_which_half_is_cut_off(mean: float, spread: float) -> None:
    found = fit_censored(observed(sample(mean, spread), beyond=mean), VAGUE, 1)
    assert (found.means[0], found.spreads[0]) == pytest.approx((mean, spread), abs=0.05)


def test_without_bounds_it_is_least_squares() -> None:
    chance = np.random.default_rng(1)
    design = np.column_stack([np.ones(200), np.linspace(0, 1, 200)])
    values = design @ [3.0, -1.0] + 0.3 * chance.standard_normal(200)
    seen = Observed(values, design, np.zeros(200, int), np.ones(200), np.zeros(200, bool))
    found = fit_censored(seen, Prior(np.zeros(2), np.eye(2) * 1e-9, 0.3, 1.0), 1)
    truth = np.linalg.lstsq(design, values, rcond=None)[0]
    assert_allclose(found.means, truth, atol=1e-6)
    assert_allclose(found.covariance, found.spreads[0] ** 2 * np.linalg.inv(design.T @ design), rtol=0.01)


def test_a_weight_counts_as_so_many_values() -> None:
    values = sample(2.0, 0.4, 30)
    twice = observed(np.repeat(values, 2), beyond=2.2)
    heavy = replace(observed(values, beyond=2.2), weights=np.full(30, 2.0))
    assert_allclose(fit_censored(twice, VAGUE, 1).means, fit_censored(heavy, VAGUE, 1).means)


def test_with_nothing_observed_it_is_the_prior() -> None:
    nothing = Observed(np.zeros(0), np.zeros((0, 1)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))
    found = fit_censored(nothing, Prior(np.array([4.0]), np.array([[4.0]]), 0.65, 4.0), 1)
    assert (found.means[0], found.covariance[0, 0], found.spreads[0]) == pytest.approx((4.0, 0.25, 0.65))


def test_the_evidence_prefers_the_prior_that_is_right() -> None:
    seen = observed(sample(6.0, 0.5, 40), beyond=6.3)
    right, wrong = (Prior(np.array([mean]), np.array([[25.0]]), 0.5, 4.0) for mean in (6.0, 3.0))
    assert fit_censored(seen, right, 1).log_evidence > fit_censored(seen, wrong, 1).log_evidence + 5


def test_a_bound_that_nothing_explains_is_survived() -> None:
    far = np.concatenate([sample(0.0, 0.1, 50), [40.0]])
    found = fit_censored(observed(far, beyond=30.0), VAGUE, 1)
    assert np.isfinite(found.means).all() and np.isfinite(found.log_evidence)


def test_the_hazard_is_continuous_where_its_series_takes_over() -> None:
    assert hazard(8.0) == pytest.approx(hazard(8.0 + 1e-9), rel=1e-3)
    assert hazard(0.0) == pytest.approx(2 / math.sqrt(2 * math.pi))
