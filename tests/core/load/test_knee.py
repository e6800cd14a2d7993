from __future__ import annotations

import pytest

from tau2tui.core.load.knee import Level, suggest
from tau2tui.core.load.measured import Sample, summarize


def level(concurrency: int, tokens_per_s: int, p99_ms: float, *, counted: bool = True) -> Level:
    """A level of one second, with one request that says everything."""
    long = Sample("a", 0.0, p99_ms / 1000, ttft_ms=1.0, input_tokens=1, output_tokens=0 if counted else None)
    rest = Sample("a", 0.0, p99_ms / 1000, ttft_ms=1.0, input_tokens=1)
    whole = round(tokens_per_s * p99_ms / 1000)
    if not counted:
        return Level(concurrency, summarize([rest] * whole))
    return Level(concurrency, summarize([Sample("a", 0.0, p99_ms / 1000, 0.0, 1.0, (), 1, whole), long]))


def test_the_level_before_the_first_step_that_brings_little_and_costs_much_is_suggested() -> None:
    found = suggest([level(1, 100, 1000), level(2, 190, 1050), level(4, 300, 1300), level(8, 310, 2500)])
    assert found is not None and (found.concurrency, found.knee) == (4, 8)
    assert found.growth == pytest.approx(1 / 30, abs=0.005) and found.cost == pytest.approx(2500 / 1300 - 1)


def test_levels_may_come_in_any_order() -> None:
    found = suggest([level(8, 310, 2500), level(4, 300, 1300)])
    assert found is not None and (found.concurrency, found.knee) == (4, 8)


def test_little_growth_at_no_cost_is_no_knee() -> None:
    found = suggest([level(1, 100, 1000), level(2, 101, 1010)])
    assert found is not None and (found.concurrency, found.knee) == (2, None)


def test_a_level_that_one_long_answer_spoils_is_no_knee_if_a_later_one_brings_more() -> None:
    found = suggest([level(2, 100, 1000), level(4, 60, 3000), level(8, 180, 1900), level(16, 182, 4000)])
    assert found is not None and (found.concurrency, found.knee) == (8, 16)


def test_without_token_counts_requests_are_the_throughput() -> None:
    found = suggest([level(1, 10, 1000, counted=False), level(2, 10, 2000, counted=False)])
    assert found is not None and (found.concurrency, found.knee) == (1, 2)


def test_without_an_answer_nothing_is_suggested() -> None:
    assert suggest([]) is None
    assert suggest([Level(4, summarize([]))]) is None
