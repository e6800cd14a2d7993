"""Draws of durations: what they are drawn from is known, so they must be like it."""

from __future__ import annotations

import zlib
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from tau2tui.core.durations import DurationModel, Durations
from tau2tui.core.resampling import Resampled, Standardised

COUNT = 400


def stream(*key: str | int) -> Any:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def model(finished: Durations = (), running: Durations = (), earlier: Durations = ()) -> DurationModel:
    return DurationModel(("retail", "telecom"), finished, (), running, earlier, COUNT, stream)


def lognormal(median_s: float, spread: float, count: int) -> Durations:
    drawn = median_s * np.exp(spread * np.random.default_rng(1).standard_normal(count))
    return tuple(("retail", float(seconds)) for seconds in drawn)


@pytest.mark.parametrize("spread", [0.4, 0.9])
def test_draws_have_the_median_and_the_spread_of_what_has_ended(spread: float) -> None:
    logs = np.log(model(lognormal(100.0, spread, 300)).queued("retail", np.zeros(30)))
    assert abs(np.median(logs) - np.log(100)) < 0.15
    low, high = np.quantile(logs, (0.16, 0.84))
    assert 0.8 * spread < (high - low) / 2 < 1.35 * spread


def test_little_that_is_known_makes_wide_draws() -> None:
    few, many = (model(lognormal(100.0, 0.5, count)).queued("retail", np.zeros(30)) for count in (3, 300))
    assert np.std(np.log(few).mean(axis=0)) > 2 * np.std(np.log(many).mean(axis=0))


def test_what_is_left_of_a_unit_that_runs_is_never_negative_and_longer_the_older_it_is_beyond_all() -> None:
    finished = lognormal(100.0, 0.5, 100)
    young, old = model(finished, (("retail", 10.0), ("retail", 3000.0))).running((("retail", 10.0), ("retail", 3000.0)))
    assert young.min() >= 0 and old.min() >= 0
    assert np.median(old) > 2 * np.median(young)


def test_units_that_run_for_long_make_those_to_come_longer() -> None:
    finished = lognormal(50.0, 0.3, 6)
    short, long = (model(finished, (("retail", age_s),) * 12) for age_s in (1.0, 200.0))
    assert np.median(long.queued("retail", np.zeros(20))) > 1.5 * np.median(short.queued("retail", np.zeros(20)))


def test_the_speed_goes_on_changing_the_further_the_more() -> None:
    finished = lognormal(100.0, 0.5, 200)
    soon, later = np.log(model(finished).queued("retail", np.array([0.0, 800.0])))
    assert np.std(later) > np.std(soon)


def test_errors_that_are_only_known_to_lie_beyond_a_bound_give_their_weight_to_those_beyond() -> None:
    seen = np.array([-1.0, -0.5, 0.0, 0.5, 1.0] * 20)
    uniform, normal = stream("u"), stream("n")
    plain, cut = (
        Resampled(np, Standardised(seen, np.ones(100), bounds), COUNT, stream("w")).draw(uniform, normal, (50, COUNT))
        for bounds in (np.zeros(0), np.full(60, 0.7))
    )
    assert (cut > 0.7).mean() > 1.5 * (plain > 0.7).mean()


def test_errors_beyond_a_bound_lie_beyond_it_even_where_nothing_is_known() -> None:
    errors = Resampled(np, Standardised(np.zeros(10), np.ones(10), np.zeros(0)), COUNT, stream("w"))
    for bound in (-3.0, 0.0, 2.0, 50.0):
        drawn = errors.beyond(np.full(COUNT, bound), np.full(COUNT, 0.5), stream("beyond"))
        assert drawn.min() >= bound and np.isfinite(drawn).all()


def test_many_errors_are_put_together_without_a_change_of_their_mean() -> None:
    seen = np.random.default_rng(2).standard_normal(5000) + 1
    errors = Resampled(np, Standardised(seen, np.ones(5000), np.zeros(0)), COUNT, stream("w"))
    assert abs(errors.draw(stream("u"), stream("n"), (100, COUNT)).mean() - 1 / np.sqrt(1 + 0.35**2 * 5001**-0.4)) < 0.1


def quantiles_drawn(seen: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Nineteen quantiles of errors like these, over all replicates."""
    errors = Resampled(np, Standardised(seen, np.ones(len(seen)), np.zeros(0)), COUNT, stream("w"))
    drawn: np.ndarray[Any, np.dtype[np.float64]] = np.quantile(
        errors.draw(stream("u"), stream("n"), (100, COUNT)), np.arange(1, 20) / 20
    )
    return drawn


def test_errors_of_a_shape_of_their_own_keep_it() -> None:
    two_humps = np.concatenate([np.full(50, -1.0), np.full(50, 1.0)])
    two_humps += 0.15 * np.random.default_rng(3).standard_normal(100)
    drawn = quantiles_drawn(two_humps)
    assert drawn[8] < -0.6 and drawn[10] > 0.6
    assert drawn[0] > -1.4 and drawn[-1] < 1.4


def test_errors_that_look_normal_are_taken_to_be_so_whatever_their_accidents() -> None:
    normal = [NormalDist().inv_cdf((place + 0.5) / 19) for place in range(19)]
    for seed in range(5):
        drawn = quantiles_drawn(np.random.default_rng(seed).standard_normal(40))
        assert np.abs(drawn - normal).max() < 0.45
