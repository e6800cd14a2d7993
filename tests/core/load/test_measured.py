from __future__ import annotations

import numpy as np
import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.load.measured import PERCENTILES, Distribution, Sample, distribution, summarize


def sample(began: float, ended: float, **more: object) -> Sample:
    given = {"endpoint": "a", "ttft_ms": 100.0, "input_tokens": 10, "output_tokens": 5, **more}
    return Sample(started_s=began, ended_s=ended, **given)  # type: ignore[arg-type]


def test_tpot_leaves_the_first_token_out() -> None:
    assert sample(0.0, 0.5).tpot_ms == pytest.approx((500 - 100) / 4)


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_an_answer_of_one_token_or_of_unknown_length_has_no_tpot(tokens: int | None) -> None:
    assert sample(0.0, 0.5, output_tokens=tokens).tpot_ms is None
    assert summarize([sample(0.0, 0.5, output_tokens=tokens)]).tpot == Distribution()


def test_percentiles_and_spread_are_those_of_numpy() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    found = distribution([*values, None])
    assert found.count == 8
    assert found.mean == pytest.approx(np.mean(values)) and found.std == pytest.approx(np.std(values))
    for share in PERCENTILES:
        assert found.percentiles[share] == pytest.approx(np.percentile(values, share))


def test_rates_are_over_the_time_from_the_first_request_to_the_last_end() -> None:
    found = summarize([sample(1.0, 2.0), sample(1.5, 3.0)])
    assert found.duration_s == 2.0
    assert (found.requests_per_s, found.output_tokens_per_s, found.total_tokens_per_s) == (1.0, 5.0, 15.0)


def test_concurrency_is_the_mean_over_time_and_the_peak() -> None:
    found = summarize([sample(0.0, 2.0), sample(0.0, 1.0), sample(1.0, 2.0)])
    assert (found.mean_concurrency, found.peak_concurrency) == (2.0, 2)


def test_failed_requests_are_counted_by_class_and_are_in_no_latency() -> None:
    lost = sample(0.0, 9.0, endpoint="b", error=ErrorClass.SERVER, message="first", ttft_ms=None)
    again = sample(0.0, 9.5, endpoint="b", error=ErrorClass.SERVER, message="second", ttft_ms=None)
    late = sample(0.0, 9.5, endpoint="a", error=ErrorClass.TIMEOUT, message="slow", ttft_ms=None)
    found = summarize([sample(0.0, 1.0), lost, again, late])
    assert found.errors == {"server": 2, "timeout": 1} and found.examples == {"server": "first", "timeout": "slow"}
    assert (found.completed, found.failed, found.error_share) == (1, 3, 0.75)
    assert found.e2e.count == found.ttft.count == 1
    assert found.endpoints == {"a": (1, 1), "b": (0, 2)}


def test_half_a_sum_of_tokens_is_not_known() -> None:
    found = summarize([sample(0.0, 1.0), sample(0.0, 1.0, output_tokens=None)])
    assert found.input_tokens == 20
    assert (found.output_tokens, found.output_tokens_per_s, found.total_tokens_per_s) == (None, None, None)


def test_nothing_at_all_is_no_figure_and_no_error() -> None:
    found = summarize([])
    assert (found.requests_per_s, found.error_share, found.output_tokens) == (None, None, None)
    assert (found.mean_concurrency, found.peak_concurrency) == (0.0, 0)
    assert found.e2e.to_json() == {"count": 0, "mean": None, "std": None, **{f"p{p}": None for p in PERCENTILES}}


def test_lateness_is_told_of_open_loops_alone() -> None:
    assert summarize([sample(0.0, 1.0, late_s=0.25)], open_loop=True).late.mean == 250
    assert summarize([sample(0.0, 1.0)]).late.count == 0
