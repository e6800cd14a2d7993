"""How quantities are written."""

from __future__ import annotations

import pytest

from tau2tui.core.quantities import duration, latency, percent, size, threshold, whole


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (245, "4m05s"),
        (3600, "1h00m"),
        (11_400, "3h10m"),
        (97_200, "1d03h"),
        (-3, "0s"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "–"),
        (0.04, "0.0ms"),
        (9.99, "10.0ms"),
        (93.4, "93ms"),
        (999.6, "1.00s"),
        (4020.2, "4.02s"),
        (70_584.2, "70.6s"),
        (426_958.6, "427s"),
    ],
)
def test_latencies_have_three_digits_that_count(milliseconds: float | None, words: str) -> None:
    assert latency(milliseconds) == words


@pytest.mark.parametrize(("milliseconds", "words"), [(5000, "5s"), (1500, "1.5s"), (200, "200ms")])
def test_thresholds_are_round(milliseconds: float, words: str) -> None:
    assert threshold(milliseconds) == words


def test_what_is_not_known_is_never_a_zero() -> None:
    assert whole(None) == percent(None) == duration(None) == latency(None) == "–"
    assert (whole(0), percent(0.0)) == ("0", "0%")


def test_counts_are_grouped_and_shares_become_per_cent() -> None:
    assert whole(3453.0) == "3 453"
    assert percent(0.446) == "45%"
    assert percent(0.446, 1) == "44.6%"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1024, "1.0 KB"), (64 << 10, "64 KB"), (12_900_000, "12 MB"), (5 << 30, "5.0 GB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words
