from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.core.metrics.histogram import Histogram, Quantile, added_up, histogram_of

BOUNDS = (0.1, 0.5, 1.0, 5.0, math.inf)
VALUES = st.lists(st.floats(min_value=0.001, max_value=4.9), min_size=1, max_size=60)


def made(values: list[float], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    """What a server would count."""
    return Histogram(bounds, tuple(float(sum(v <= bound for v in values)) for bound in bounds), sum(values))


def test_a_quantile_is_interpolated_in_its_bucket() -> None:
    histogram = Histogram(BOUNDS, (0, 4, 8, 10, 10), 9.0)
    # Half of 10 is the 5th, the first of the four between 0.5 and 1: a quarter of the way.
    assert histogram.quantile(0.5) == Quantile(0.625, low=0.5, high=1.0)
    # The 9.9th is 1.9 of the 2 between 1 and 5: 1 + 4 × 0.95.
    p99 = histogram.quantile(0.99)
    assert p99 is not None and p99.value == pytest.approx(4.8)
    assert histogram.mean == pytest.approx(0.9)


def test_beyond_the_last_bound_all_that_is_known_is_more() -> None:
    assert Histogram(BOUNDS, (0, 0, 0, 0, 3), 99.0).quantile(0.5) == Quantile(5.0, beyond=True, low=5.0)
    assert Histogram((math.inf,), (3,), 99.0).quantile(0.5) == Quantile(0.0, beyond=True)


def test_without_an_observation_there_is_no_quantile_and_no_mean() -> None:
    empty = Histogram(BOUNDS, (0, 0, 0, 0, 0))
    assert (empty.quantile(0.5), empty.mean) == (None, None)


@settings(deadline=None)
@given(VALUES, st.floats(min_value=0, max_value=1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    found = made(values).quantile(q)
    assert found is not None and found.low <= found.value <= found.high
    true = sorted(values)[max(math.ceil(q * len(values)) - 1, 0)]
    place = bisect_left(BOUNDS, true)
    assert (found.low, found.high) == (BOUNDS[place - 1] if place else 0.0, BOUNDS[place])


@settings(deadline=None)
@given(VALUES, VALUES)
def test_a_difference_is_what_was_observed_between_and_a_sum_is_all(first: list[float], then: list[float]) -> None:
    window = made(first + then).since(made(first))
    assert window.counts == made(then).counts and window.sum == pytest.approx(sum(then))
    total = added_up((made(first), made(then)))
    assert total is not None and total.counts == made(first + then).counts


@settings(deadline=None)
@given(VALUES, VALUES)
def test_histograms_with_other_bounds_are_added_at_the_bounds_of_both(a: list[float], b: list[float]) -> None:
    total = made(a) + made(b, (0.2, 1.0, math.inf))
    assert total.bounds == (1.0, math.inf)
    assert total.counts == made(a + b, (1.0, math.inf)).counts


def test_after_a_reset_only_what_was_counted_since_is_there() -> None:
    now = made([0.2])
    assert now.since(made([0.2, 0.3])) == now
    assert now.since(Histogram((1.0, math.inf), (9, 9))) == now, "other buckets: another server"


def test_broken_buckets_are_left_out_and_a_missing_last_one_is_made() -> None:
    buckets = [(0.5, 2.0), (0.1, 1.0), (1.0, math.nan), (math.nan, 7.0)]
    assert histogram_of(buckets, math.nan, 3.0) == Histogram((0.1, 0.5, math.inf), (1, 2, 3), 0.0)
    assert histogram_of([(0.1, 2.0), (0.5, 1.0)], 1.0, None) == Histogram((0.1, 0.5, math.inf), (2, 2, 2), 1.0)
    assert histogram_of([], 1.0, None) is None
