"""Exact numbers behind the latency pictures, held against NumPy."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tau2tui.analysis.distribution import Axis, binned, even_edges, heat_map, picture, shares_up_to
from tau2tui.analysis.drawing import round_ticks

SLA_MS = 5000.0
BEGAN = datetime.fromisoformat("2025-12-30 17:00")


def heavy_tailed(count: int = 2000, seed: int = 7, middle: float = 3000) -> pl.Series:
    source = random.Random(seed)
    values = [source.lognormvariate(math.log(middle), 0.8) for _ in range(count)]
    return pl.Series([*values, 426_958.6, 497_098.7])


def test_bins_are_those_of_numpy() -> None:
    values = heavy_tailed()
    for log in (False, True):
        found = picture([values], SLA_MS, 40, log=log)
        assert found is not None
        inside = values.filter(values <= found.edges[-1]).to_numpy()
        counts, _ = np.histogram(inside, bins=np.asarray(found.edges))
        assert found.bins[0].counts == tuple(counts.tolist())
        assert sum(found.bins[0].counts) + found.bins[0].beyond == len(values)
    assert picture([values], SLA_MS, 40, log=True) is not None


def test_a_linear_axis_bins_as_numpy_does_by_itself() -> None:
    values = pl.Series([float(number * number % 97) for number in range(200)])
    found = picture([values], SLA_MS, 12, log=False)
    assert found is not None
    counts, edges = np.histogram(values.to_numpy(), 12)
    assert found.bins[0].counts == tuple(counts.tolist())
    assert found.edges == pytest.approx(tuple(edges))


def test_a_hung_call_does_not_push_the_others_into_one_bar() -> None:
    values = heavy_tailed()
    found = picture([values], SLA_MS, 40, log=False)
    assert found is not None
    assert found.axis.high < 25_000
    assert found.bins[0].beyond == int((values > found.edges[-1]).sum())


def test_a_logarithmic_axis_shows_everything_zeros_too() -> None:
    values = pl.concat([heavy_tailed(), pl.Series([0.0, 0.0])])
    found = picture([values], SLA_MS, 40, log=True)
    assert found is not None
    assert (found.bins[0].below, found.bins[0].beyond) == (0, 0)
    assert sum(found.bins[0].counts) == len(values)


def test_two_samples_share_axis_and_edges() -> None:
    fast, slow = heavy_tailed(), heavy_tailed(300, 8, 9000)
    found = picture([fast, slow], SLA_MS, 20, log=False)
    assert found is not None
    assert found.edges[-1] > 12_000
    for values, bins in zip((fast, slow), found.bins, strict=True):
        assert bins == binned(values, found.edges)
        assert sum(bins.counts) + bins.below + bins.beyond == len(values)


def test_a_zoomed_axis_is_exactly_that_and_counts_what_it_leaves_out() -> None:
    values = heavy_tailed()
    for log in (False, True):
        found = picture([values], SLA_MS, 10, log=log, zoom=(1000.0, 4000.0))
        assert found is not None
        assert (found.axis.low, found.axis.high) == (1000.0, 4000.0)
        inside = int(((values >= 1000) & (values <= 4000)).sum())
        assert sum(found.bins[0].counts) == inside
        assert found.bins[0].below == int((values < 1000).sum())
        assert found.bins[0].beyond == int((values > 4000).sum())


def test_a_logarithmic_zoom_from_zero_begins_at_the_least_value() -> None:
    found = picture([pl.Series([20.0, 300.0, 0.0])], SLA_MS, 10, log=True, zoom=(0.0, 4000.0))
    assert found is not None
    assert found.axis.low == 20.0
    assert (found.bins[0].below, sum(found.bins[0].counts)) == (1, 2)


def test_equal_values_and_a_single_one_have_a_picture() -> None:
    for values in (pl.Series([7.0]), pl.Series([7.0] * 9), pl.Series([0.0, 0.0])):
        found = picture([values], SLA_MS, 10, log=False)
        assert found is not None
        assert sum(found.bins[0].counts) == len(values)
    assert picture([pl.Series([7.0])], SLA_MS, 10, log=True) is not None
    for log in (False, True):
        hardly = picture([pl.Series([1000.0, 1000.0 + 2e-13, 1000.0])], SLA_MS, 1000, log=log)
        assert hardly is not None
        assert sum(hardly.bins[0].counts) == 3


def test_nothing_is_no_picture() -> None:
    empty = pl.Series([], dtype=pl.Float64)
    assert picture([empty], SLA_MS, 10, log=False) is None
    assert picture([empty, empty], SLA_MS, 10, log=True) is None
    assert picture([pl.Series([0.0])], SLA_MS, 10, log=True) is None
    found = picture([empty, pl.Series([5.0, 9.0])], SLA_MS, 10, log=False)
    assert found is not None
    assert sum(found.bins[0].counts) == 0


def test_shares_are_those_of_the_empirical_distribution() -> None:
    values = pl.Series([1.0, 2.0, 2.0, 4.0])
    assert shares_up_to(values, [0.9, 1.0, 1.9, 2.0, 3.9, 4.0, 9.0]) == [0, 0.25, 0.25, 0.75, 0.75, 1, 1]


def test_a_heat_map_counts_every_call_where_it_belongs() -> None:
    source = random.Random(3)
    values = heavy_tailed(998)
    at = [BEGAN + timedelta(milliseconds=source.randrange(7_200_000)) for _ in values]
    edges = even_edges(float(values.min()), 20_000.0, 7, log=True)  # type: ignore[arg-type]
    heat = heat_map(pl.DataFrame({"at": at, "value": values}), edges, 13, BEGAN, BEGAN + timedelta(hours=2))
    assert heat is not None
    wanted = [[0] * 13 for _ in range(7)]
    out = 0
    for moment, value in zip(at, values, strict=True):
        row = next((row for row in range(7) if edges[row] <= value <= edges[row + 1]), None)
        column = next(column for column in range(13) if moment <= heat.times[column + 1])
        if row is None:
            out += 1
        else:
            wanted[row][column] += 1
    assert heat.counts == tuple(map(tuple, wanted))
    assert heat.left_out == out > 0
    assert heat.times[0] == BEGAN
    assert heat.times[-1] == BEGAN + timedelta(hours=2)


def test_calls_without_a_time_are_counted_beside_a_heat_map() -> None:
    calls = pl.DataFrame(
        {"at": [BEGAN, None], "value": [1.0, 2.0]}, schema={"at": pl.Datetime("ms"), "value": pl.Float64}
    )
    heat = heat_map(calls, (0.0, 5.0), 4)
    assert heat is not None
    assert (heat.timeless, sum(map(sum, heat.counts))) == (1, 1)
    assert heat_map(calls.filter(pl.col("at").is_null()), (0.0, 5.0), 4) is None


@pytest.mark.parametrize(
    ("low", "high", "at_most", "ticks"),
    [
        (0, 20_000, 5, [0, 5000, 10_000, 15_000, 20_000]),
        (0, 3, 8, [0, 1, 2, 3]),
        (0, 1, 3, [0, 1]),
        (100, 130, 3, [100, 110, 120, 130]),
        (3, 3, 3, [3]),
        (0, 0.5, 3, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, at_most: int, ticks: list[float]) -> None:
    assert round_ticks(low, high, at_most, least=1) == ticks


def test_a_logarithmic_axis_has_round_ticks_also_inside_a_decade() -> None:
    assert Axis(100.0, 100_000.0, log=True).ticks(4) == [100, 1000, 10_000, 100_000]
    assert Axis(900.0, 6000.0, log=True).ticks(8) == [1000, 2000, 5000]
    assert Axis(2100.0, 4900.0, log=True).ticks(4) == [3000, 4000]
