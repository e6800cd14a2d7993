from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.core.metrics.histogram import Histogram
from tau2tui.core.metrics.names import Quantity
from tau2tui.core.metrics.scrape import Labels, Scrape, parse
from tau2tui.core.metrics.window import Window, beside, between, following
from tests.core.metrics.texts import text

E0: Labels = (("engine", "0"),)
E1: Labels = (("engine", "1"),)
TOKENS = Quantity.GENERATION_TOKENS


def tokens(at: float, counts: dict[Labels, float], start: float | None = None) -> Scrape:
    """A scrape with one counter."""
    values: dict[Quantity, dict[Labels, float]] = {TOKENS: counts}
    if start is not None:
        values[Quantity.PROCESS_START] = {(): start}
    return Scrape(at, values)


def window(before: Scrape, after: Scrape) -> Window:
    found = between(before, after)
    assert found is not None
    return found


def test_a_rate_is_the_sum_over_engines_by_the_scrapes_own_times() -> None:
    found = window(tokens(100.0, {E0: 10, E1: 5}), tokens(104.0, {E0: 30, E1: 9}))
    assert found.increase(TOKENS) == 24 and found.increase(TOKENS, engine="1") == 4
    assert found.rate(TOKENS) == 6.0 and not found.restarted


def test_after_a_reset_only_what_was_counted_since_counts() -> None:
    found = window(tokens(0.0, {E0: 1000, E1: 5}), tokens(2.0, {E0: 30, E1: 9}))
    assert found.increase(TOKENS) == 39 and found.restarted, "the other engine began anew with it"


def test_a_restart_is_seen_though_the_counter_has_grown_beyond_what_it_was() -> None:
    found = window(tokens(0.0, {E0: 10}, start=500.0), tokens(10.0, {E0: 70}, start=508.0))
    assert found.increase(TOKENS) == 70 and found.restarted
    same = window(tokens(0.0, {E0: 10}, start=500.0), tokens(10.0, {E0: 70}, start=500.01))
    assert same.increase(TOKENS) == 60 and not same.restarted


def test_a_series_that_comes_to_be_began_at_zero_and_one_that_goes_is_left_out() -> None:
    assert window(tokens(0.0, {E0: 10}), tokens(1.0, {E1: 4})).increase(TOKENS) == 4


def test_what_one_of_two_scrapes_does_not_report_is_not_known() -> None:
    found = window(Scrape(0.0), tokens(1.0, {E0: 4}))
    assert (found.increase(TOKENS), found.rate(TOKENS), found.prefix_hit_share) == (None, None, None)
    assert found.preemptions_per_min is None and found.finish_reasons is None and found.failed_share is None


def test_two_scrapes_at_one_time_are_no_window() -> None:
    assert between(tokens(1.0, {E0: 1}), tokens(1.0, {E0: 2})) is None
    assert between(tokens(2.0, {E0: 1}), tokens(1.0, {E0: 2})) is None


def test_hand_checked_figures_of_a_server_that_had_counted_nothing_before() -> None:
    scrape = parse(text("vllm-0.12-composed"), 60.0)
    nothing = Scrape(
        0.0,
        {quantity: dict.fromkeys(series, 0.0) for quantity, series in scrape.values.items()
         if quantity is not Quantity.PROCESS_START},
        {quantity: {labels: Histogram(h.bounds, (0.0,) * len(h.bounds)) for labels, h in series.items()}
         for quantity, series in scrape.histograms.items()},
    )  # fmt: skip
    found = window(nothing, scrape)
    assert found.rate(TOKENS) == pytest.approx(800 / 60)
    assert found.prefix_hit_share == 0.5
    assert found.acceptance == 0.75 and found.accepted_length == 4.0
    assert found.preemptions_per_min == pytest.approx(4.0)
    assert found.finish_reasons == {"stop": 14, "length": 1, "abort": 1}
    # 404s of unknown paths are none of the API's.
    assert found.http_statuses == {"2xx": 16, "5xx": 4} and found.failed_share == 0.2
    # 32 requests, half of them between 0.5 and 1 s, half between 1 and 2.5 s.
    e2e = found.histograms[Quantity.E2E]
    p50, p99 = e2e.quantile(0.5), e2e.quantile(0.99)
    assert p50 is not None and p50.value == 1.0
    assert p99 is not None and p99.value == pytest.approx(1 + 1.5 * (31.68 - 16) / 16)


def test_windows_of_replicas_are_added_up_before_a_quantile_is_taken() -> None:
    def of(counts: tuple[float, ...], rate: float, seconds: float) -> Window:
        histogram = Histogram((1.0, 10.0, math.inf), counts)
        return Window(seconds, {TOKENS: {E0: rate * seconds}}, {Quantity.E2E: histogram}, {TOKENS: rate})

    both = beside((of((90, 90, 90), 3.0, 10.0), of((0, 10, 10), 5.0, 20.0)))
    assert both is not None
    p95 = both.histograms[Quantity.E2E].quantile(0.95)
    assert p95 is not None and p95.value == pytest.approx(1 + 9 * 0.5), "no mean of two quantiles"
    assert both.rate(TOKENS) == 8.0 and both.seconds == 20.0
    assert beside(()) is None and following(()) is None


def test_a_reset_between_two_windows_is_not_overlooked_when_they_are_joined() -> None:
    scrapes = [tokens(0.0, {E0: 100}), tokens(10.0, {E0: 5}), tokens(20.0, {E0: 200})]
    joined = following(window(a, b) for a, b in pairwise(scrapes))
    assert joined is not None
    assert joined.increase(TOKENS) == 200 and joined.restarted and joined.rate(TOKENS) == 10.0
    assert window(scrapes[0], scrapes[2]).increase(TOKENS) == 100, "which is why each is compared with the next"


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=50), min_size=2, max_size=12), st.data())
def test_without_resets_joined_windows_are_the_whole_and_with_them_nothing_is_negative(
    steps: list[int], data: st.DataObject
) -> None:
    counts = [float(sum(steps[: n + 1])) for n in range(len(steps))]
    scrapes = [tokens(float(n), {E0: count}) for n, count in enumerate(counts)]
    joined = following(window(a, b) for a, b in pairwise(scrapes))
    assert joined is not None and joined.increases == window(scrapes[0], scrapes[-1]).increases
    place = data.draw(st.integers(min_value=1, max_value=len(steps) - 1))
    reset = [
        scrape if n < place else replace(scrape, values={TOKENS: {E0: counts[n] - counts[place]}})
        for n, scrape in enumerate(scrapes)
    ]
    joined = following(window(a, b) for a, b in pairwise(reset))
    # All but what the reset hid: between the last scrape before it and the first after, which showed 0.
    assert joined is not None and joined.increase(TOKENS) == counts[place - 1] - counts[0] + counts[-1] - counts[place]


def test_a_recorded_text_compared_with_itself_is_a_window_in_which_nothing_happened() -> None:
    scrape = parse(text("vllm-0.32.0-recorded"), 0.0)
    found = window(scrape, replace(scrape, at=5.0))
    assert set(found.rates.values()) == {0.0} and not found.restarted
    assert all(histogram.count == 0 for histogram in found.histograms.values())
