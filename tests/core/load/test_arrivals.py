from __future__ import annotations

from itertools import islice, pairwise
from statistics import mean, pstdev

import pytest

from tau2tui.core.load.arrivals import Arrival, RecordedCall, one_by_one, poisson, recorded


def times(rate: float, seed: int, count: int) -> list[float]:
    return [arrival.at_s or 0.0 for arrival in islice(poisson(rate, seed, 10, 5), count)]


def test_the_same_seed_gives_the_same_times_and_another_one_others() -> None:
    assert times(4.0, 7, 50) == times(4.0, 7, 50)
    assert times(4.0, 7, 50) != times(4.0, 8, 50)


def test_the_gaps_of_a_poisson_process_are_exponential_with_the_mean_of_its_rate() -> None:
    at_s = times(4.0, 1, 20_001)
    gaps = [after - before for before, after in pairwise(at_s)]
    assert mean(gaps) == pytest.approx(0.25, rel=0.03)
    assert pstdev(gaps) == pytest.approx(0.25, rel=0.05), "the standard deviation of an exponential is its mean"
    assert sum(gap > 0.25 for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.015)


def test_a_closed_loop_has_no_times() -> None:
    assert list(islice(one_by_one(10, 5), 2)) == [Arrival(0, None, 10, 5), Arrival(1, None, 10, 5)]


def test_recorded_calls_keep_their_distances_and_lengths() -> None:
    calls = [RecordedCall(1000.5, 300, 40), RecordedCall(1000.0, None, 7), RecordedCall(1004.0, 12, None)]
    assert recorded(calls, 2.0, Arrival(0, 0.0, 512, 128)) == (
        Arrival(0, 0.0, 512, 7),
        Arrival(1, 0.25, 300, 40),
        Arrival(2, 2.0, 12, 128),
    )


def test_a_recorded_call_without_a_token_is_sent_with_one() -> None:
    (only,) = recorded([RecordedCall(0.0, 0, 0)], 1.0, Arrival(0, 0.0, 512, 128))
    assert (only.input_tokens, only.output_tokens) == (1, 1)


def test_no_recorded_calls_are_no_arrivals() -> None:
    assert recorded([], 1.0, Arrival(0, 0.0, 1, 1)) == ()
