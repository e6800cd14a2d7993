"""Latency histograms as text."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest
from rich.text import Text

from tau2tui.tui.chart import caption, histogram_chart, picture, round_ticks

SLA_MS = 5000.0


def heavy_tailed(count: int = 2000) -> pl.Series:
    source = random.Random(7)
    values = [source.lognormvariate(math.log(3000), 0.8) for _ in range(count)]
    return pl.Series([*values, 426_958.6, 497_098.7])


def drawn(values: pl.Series, bins: int = 40, *, log: bool = False, width: int = 78, height: int = 12) -> Text:
    found = picture(values, SLA_MS, bins, log=log)
    assert found is not None
    return histogram_chart(found, SLA_MS, width, height)


@pytest.mark.parametrize("size", [(30, 5), (78, 12), (118, 30), (300, 80)])
@pytest.mark.parametrize("log", [False, True])
def test_a_chart_fills_its_cells_whatever_the_size_of_the_terminal(size: tuple[int, int], log: bool) -> None:
    width, height = size
    lines = drawn(heavy_tailed(), width=width, height=height, log=log).plain.rstrip("\n").split("\n")
    assert len(lines) == height
    assert max(map(len, lines)) == width


def test_no_chart_is_drawn_where_none_could_be_read() -> None:
    assert drawn(heavy_tailed(), width=20, height=12).plain == ""


def test_a_hung_call_does_not_push_the_others_into_one_bar() -> None:
    values = heavy_tailed()
    found = picture(values, SLA_MS, 40, log=False)
    assert found is not None
    assert found.axis.right < 25_000
    assert found.beyond == int((values > found.shown.edges[-1]).sum())
    assert sum(found.shown.counts) + found.beyond == len(values)
    assert f"{found.beyond} beyond the axis, longest 497s" in caption(values, found, SLA_MS)


def test_a_logarithmic_axis_shows_everything() -> None:
    values = heavy_tailed()
    found = picture(values, SLA_MS, 40, log=True)
    assert found is not None
    assert found.beyond == 0
    assert sum(found.shown.counts) == len(values)
    assert "beyond" not in caption(values, found, SLA_MS)


def test_the_line_of_the_threshold_is_drawn_where_it_is_in_reach() -> None:
    assert "│" in drawn(pl.Series([100.0, 4000.0])).plain.split("\n")[3][10:]
    assert "│" not in drawn(pl.Series([100.0, 200.0])).plain.split("\n")[3][10:]


def test_the_share_below_the_threshold_is_strict() -> None:
    values = pl.Series([4999.9, 5000.0, 5000.1, 1.0])
    found = picture(values, SLA_MS, 10, log=False)
    assert found is not None
    assert caption(values, found, SLA_MS).startswith("4 calls · 50.0% below 5s")


def test_equal_values_and_a_single_one_can_be_drawn() -> None:
    for values in (pl.Series([7.0]), pl.Series([7.0] * 9), pl.Series([0.0, 0.0])):
        assert set("▐█▌") & set(drawn(values).plain)
    assert set("▐█▌") & set(drawn(pl.Series([7.0]), log=True).plain)


def test_nothing_is_no_picture() -> None:
    assert picture(pl.Series([], dtype=pl.Float64), SLA_MS, 10, log=False) is None
    assert picture(pl.Series([0.0]), SLA_MS, 10, log=True) is None


@pytest.mark.parametrize(
    ("low", "high", "at_most", "ticks"),
    [
        (0, 20_000, 5, [0, 5000, 10_000, 15_000, 20_000]),
        (0, 3, 8, [0, 1, 2, 3]),
        (0, 1, 3, [0, 1]),
        (100, 130, 3, [100, 110, 120, 130]),
    ],
)
def test_ticks_are_round(low: float, high: float, at_most: int, ticks: list[float]) -> None:
    assert round_ticks(low, high, at_most, least=1) == ticks
