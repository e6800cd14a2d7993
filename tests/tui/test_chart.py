"""Latency pictures as text."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import polars as pl
import pytest

from tau2tui.analysis.distribution import HeatMap, even_edges, heat_map, heat_size, picture
from tau2tui.tui.chart import (
    CROSSED,
    SECOND,
    SHADES,
    Line,
    cdf_chart,
    heat_chart,
    histogram_chart,
    shade_legend,
    shade_steps,
)
from tau2tui.tui.format import Tone, in_ascii

SLA_MS = 5000.0
BLOCKS = set("▗▄▟█▌▙▖▐▀▘▝▛▜▞▚")


def heavy_tailed(count: int = 2000, seed: int = 7) -> pl.Series:
    source = random.Random(seed)
    values = [source.lognormvariate(math.log(3000), 0.8) for _ in range(count)]
    return pl.Series([*values, 426_958.6, 497_098.7])


def drawn(
    *samples: pl.Series, kind: str = "histogram", log: bool = False, size: tuple[int, int] = (78, 12)
) -> list[str]:
    return plain(lines(*samples, kind=kind, log=log, size=size))


def lines(
    *samples: pl.Series, kind: str = "histogram", log: bool = False, size: tuple[int, int] = (78, 12)
) -> tuple[Line, ...]:
    found = picture(samples, SLA_MS, 40, log=log)
    assert found is not None
    if kind == "cdf":
        return cdf_chart(found, samples, SLA_MS, *size)
    return histogram_chart(found, [len(values) for values in samples], SLA_MS, *size)


def plain(chart: tuple[Line, ...]) -> list[str]:
    return ["".join(words for words, _ in line) for line in chart]


def made_heat_map(columns: int = 60, rows: int = 8) -> HeatMap:
    source = random.Random(4)
    values = heavy_tailed(600)
    at = [datetime.fromisoformat("2025-12-30 17:00") + timedelta(seconds=source.random() * 7200) for _ in values]
    found = picture([values], SLA_MS, 40, log=True)
    assert found is not None
    edges = even_edges(found.axis.low, found.axis.high, rows, log=True)
    heat = heat_map(pl.DataFrame({"at": at, "value": values}), edges, columns)
    assert heat is not None
    return heat


@pytest.mark.parametrize("size", [(30, 5), (78, 12), (118, 30), (300, 80)])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", ["histogram", "cdf"])
def test_a_chart_fills_its_cells_whatever_the_size_of_the_terminal(size: tuple[int, int], log: bool, kind: str) -> None:
    width, height = size
    chart = drawn(heavy_tailed(), heavy_tailed(90, 8), kind=kind, log=log, size=size)
    assert len(chart) == height
    assert max(map(len, chart)) == width


def test_no_chart_is_drawn_where_none_could_be_read() -> None:
    assert drawn(heavy_tailed(), size=(20, 12)) == []
    assert drawn(heavy_tailed(), kind="cdf", size=(78, 4)) == []
    assert heat_size(20, 12, 100) == (0, 0)


def test_a_threshold_parts_the_tones_and_has_a_line() -> None:
    chart = lines(heavy_tailed())
    bottom = [part for part in chart[-3] if set(part[0]) & BLOCKS]
    tones = [tone for _, tone in bottom]
    assert tones == sorted(tones, key=[Tone.ACCENT, Tone.WARN].index)
    assert set(tones) == {Tone.ACCENT, Tone.WARN}
    assert "│" in plain(chart)[3][10:]
    assert "│" not in drawn(pl.Series([100.0, 200.0]))[3][10:]


def test_equal_values_and_a_single_one_can_be_drawn() -> None:
    for values in (pl.Series([7.0]), pl.Series([7.0] * 9), pl.Series([0.0, 0.0])):
        assert BLOCKS & set("".join(drawn(values)))
        assert BLOCKS & set("".join(drawn(values, kind="cdf")))
    assert BLOCKS & set("".join(drawn(pl.Series([7.0]), log=True)))


def test_two_series_are_told_apart_without_colour_and_in_ascii() -> None:
    for kind in ("histogram", "cdf"):
        chart = "\n".join(drawn(heavy_tailed(), heavy_tailed(90, 8), kind=kind))
        assert SECOND in chart
        assert BLOCKS & set(chart)
        assert "%" in chart
        assert "x" in in_ascii(chart)
        assert {"#", ":"} & set(in_ascii(chart))
        assert "?" not in in_ascii(chart)


def test_a_distribution_function_rises_to_the_share_that_the_axis_holds() -> None:
    values = pl.Series([float(number) for number in range(1, 101)])
    found = picture([values], 50.0, 10, log=False)
    assert found is not None
    chart = plain(cdf_chart(found, [values], 50.0, 60, 12))
    assert chart[0].lstrip().startswith("100%┤")
    assert chart[0].rstrip()[-1] in BLOCKS
    tops = [next(row for row in range(10) if chart[row][column] in BLOCKS | {"│"}) for column in range(12, 60, 6)]
    assert tops == sorted(tops, reverse=True)


def test_a_heat_map_fills_its_cells_and_every_call_leaves_a_mark() -> None:
    heat = made_heat_map()
    chart = plain(heat_chart(heat, SLA_MS, 68))
    assert len(chart) == 10
    body = [line[8:] for line in chart[:8]]
    for counts, line in zip(reversed(heat.counts), body, strict=True):
        assert [mark != " " for mark in line] == [count > 0 for count in counts]
    assert "17:00" in chart[-1]
    assert sum(CROSSED in line for line in chart) == 1


def test_shades_step_by_their_legend_and_read_in_ascii() -> None:
    heat = made_heat_map(12)
    steps = shade_steps(heat)
    peak = max(max(row) for row in heat.counts)
    assert steps[0] == 1
    assert list(steps) == sorted(set(steps))
    assert shade_legend(heat).endswith(f"{SHADES[len(steps) - 1]} {steps[-1]}–{peak}")
    marks = in_ascii(SHADES)
    assert len(set(marks)) == len(SHADES)
    assert "?" not in marks


def test_few_calls_get_wide_stretches_of_time() -> None:
    assert heat_size(80, 12, 10_000) == (72, 10)
    assert heat_size(80, 12, 20) == (12, 10)
    columns, rows = heat_size(80, 12, 20)
    chart = plain(heat_chart(made_heat_map(columns, rows), SLA_MS, 80))
    assert max(map(len, chart)) == 80
