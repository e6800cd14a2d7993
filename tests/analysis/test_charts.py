from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from tau2tui.analysis.charts import file_names, write_pngs
from tau2tui.analysis.drawing import draw, round_ticks
from tau2tui.analysis.frames import EVENTS
from tau2tui.analysis.terminal_charts import terminal_cdf, terminal_histogram

ANSI = re.compile(r"\x1b\[[0-9;]*m")
SLA_MS = 5000.0


def heavy_tail(calls: int = 1000) -> pl.Series:
    """Shaped like the published latencies of the orchestrator: median 4 s, one in a hundred over a minute."""
    made = random.Random(1)
    bulk = [made.lognormvariate(8.3, 0.7) for _ in range(calls - calls // 80)]
    return pl.Series(bulk + [made.uniform(60_000, 427_000) for _ in range(calls // 80)])


def llm_calls(values: pl.Series, **fields: Any) -> pl.DataFrame:
    return pl.DataFrame(
        [{"type": "llm_call", "model": "m", "duration_ms": value, **fields} for value in values], EVENTS
    )


def colors(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.size == (1080, 576)
        found = image.convert("RGB").getcolors(maxcolors=1 << 20)
    assert found is not None
    return {color for _, color in found if isinstance(color, tuple)}


def test_each_series_has_its_png_in_the_order_of_the_table(tmp_path: Path) -> None:
    expert = llm_calls(pl.Series([1.0, 2.0]), type="expert_call", model="openai/gpt-oss-20b")
    step = llm_calls(pl.Series([1.0]), type="step_complete")
    files = write_pngs(pl.concat([step, expert, llm_calls(heavy_tail())]), tmp_path / "charts", SLA_MS)
    assert [file.name for file in files] == ["orchestrator.png", "expert_openai_gpt-oss-20b.png"]
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == sorted(file.name for file in files)
    assert {(0, 114, 178), (213, 94, 0), (34, 34, 34)} <= colors(files[0]), "bars, SLA line, p50"
    assert (230, 159, 0) in colors(files[1]), "an expert's own colour"
    assert (213, 94, 0) not in colors(files[1]), "the SLA is far to the right of two milliseconds"


@pytest.mark.parametrize("model", ["a/b/../c", '"q" \\ $x^{$', "two\nlines", "日本\u202e\x1b[31m", "." * 300, ""])
def test_a_model_may_be_called_anything(tmp_path: Path, model: str) -> None:
    files = write_pngs(llm_calls(pl.Series([3.0]), type="expert_call", model=model), tmp_path, SLA_MS)
    assert len(files) == 1
    assert files[0].parent == tmp_path
    assert re.fullmatch(r"[A-Za-z0-9_.-]+\.png", files[0].name)
    assert colors(files[0])


def test_names_that_would_make_one_file_make_two() -> None:
    names = file_names(["expert:a/b", "expert:a b", "EXPERT:a_b", "***", "..."])
    assert names["expert:a/b"] == "expert_a_b.png"
    assert len({name.casefold() for name in names.values()}) == 5


def test_no_calls_make_no_charts(tmp_path: Path) -> None:
    assert write_pngs(EVENTS.to_frame(), tmp_path / "charts", SLA_MS) == ()
    assert not (tmp_path / "charts").exists()


def test_the_axis_ends_before_a_heavy_tail_and_says_what_is_beyond() -> None:
    values = heavy_tail()
    drawing = draw(values, SLA_MS, 40)
    assert drawing is not None
    assert drawing.right < 40 < drawing.longest
    assert drawing.beyond == values.filter(values > drawing.shown.edges[-1] * 1000).len() > 0
    assert sum(drawing.shown.counts) + drawing.beyond == drawing.count == 1000
    assert drawing.tail == f"{drawing.beyond} beyond, longest {drawing.longest:.1f} s"
    assert drawing.under_sla == pytest.approx((values < SLA_MS).sum() / 1000)


def test_without_a_tail_every_call_is_on_the_axis() -> None:
    drawing = draw(pl.Series([1.0, 2.0, 3.0, 4.0]), SLA_MS, 4)
    assert drawing is not None
    assert (drawing.beyond, drawing.tail, drawing.unit, drawing.sla_in_sight) == (0, "", "ms", False)
    assert drawing.headline == "4 calls, 100.0 % under 5 s"


@pytest.mark.parametrize("size", [(78, 18), (40, 8), (120, 40)])
@pytest.mark.parametrize("values", [heavy_tail(), pl.Series([12.34]), pl.Series([0.0, 0.0]), pl.Series([1e6, 2e6])])
def test_a_terminal_histogram_has_exactly_its_size(size: tuple[int, int], values: pl.Series) -> None:
    lines = ANSI.sub("", terminal_histogram(values, "orchestrator", *size, SLA_MS)).split("\n")
    assert (max(map(len, lines)), len(lines)) == size
    assert {len(line) for line in lines} == {size[0]}


def test_a_terminal_histogram_shows_what_there_is_to_know() -> None:
    text = terminal_histogram(heavy_tail(), "orchestrator", 78, 18, SLA_MS, color=False)
    assert "orchestrator: 1000 calls, 6" in text
    assert "p50 4." in text
    assert re.search(r"\d+ beyond, longest \d+", text)
    assert "█" in text
    # The SLA line stands over the tick of 5 s.
    *rows, _, ticks, _ = text.split("\n")
    column = ticks.index(" 5 ") + 1
    assert [row[column] for row in rows[2:6]] == ["│"] * 4


def test_ascii_is_ascii_and_colours_can_be_left_out() -> None:
    text = terminal_histogram(heavy_tail(), "日本 …", 78, 18, SLA_MS, ascii_only=True, color=False)
    assert "\x1b" not in text
    assert "#" in text
    assert all(line.isascii() for line in text.split("\n")[1:])
    assert "\x1b[" in terminal_histogram(heavy_tail(), "x", 78, 18, SLA_MS)


def test_a_title_cannot_move_the_cursor() -> None:
    text = terminal_histogram(pl.Series([1.0]), "evil\x1b[2J\nname", 60, 10, SLA_MS, color=False)
    assert "\x1b" not in text
    assert len(text.split("\n")) == 10


def test_no_values_are_said_to_be_none() -> None:
    assert terminal_histogram(pl.Series([], dtype=pl.Float64), "x", 78, 18, SLA_MS) == "x: no calls"


def test_histograms_do_not_leak_into_each_other() -> None:
    first = terminal_histogram(heavy_tail(), "a", 78, 18, SLA_MS)
    terminal_histogram(pl.Series([1.0]), "b", 40, 10, SLA_MS)
    assert terminal_histogram(heavy_tail(), "a", 78, 18, SLA_MS) == first


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0, 27, 6), [0, 5, 10, 15, 20, 25]), ((0.0, 1.0, 2), [0, 0.5, 1]), ((4.5, 5.5, 2), [4.5, 5, 5.5])],
)
def test_ticks_are_round(arguments: tuple[float, float, int], expected: list[float]) -> None:
    assert round_ticks(*arguments) == pytest.approx(expected)


def test_ticks_of_counts_have_no_fractions() -> None:
    assert round_ticks(0, 1, 4, least=1.0) == [0, 1]


@pytest.mark.parametrize("values", [heavy_tail(), pl.Series([12.34]), pl.Series([0.0, 0.0])])
def test_a_terminal_distribution_function_has_exactly_its_size(values: pl.Series) -> None:
    lines = terminal_cdf(values, "orchestrator", 78, 14, SLA_MS, color=False).split("\n")
    assert {len(line) for line in lines} == {78}
    assert len(lines) == 14


def test_a_terminal_distribution_function_rises_to_the_top_and_says_what_is_beyond() -> None:
    text = terminal_cdf(heavy_tail(), "orchestrator", 78, 16, SLA_MS, ascii_only=True, color=False)
    assert text.isascii()
    assert "share of calls up to a latency" in text
    assert "beyond, longest" in text
    rows = [row for row in text.split("\n") if "*" in row]
    # From the lower left to the upper right: each higher row begins further to the right.
    firsts = [row.index("*") for row in rows]
    assert firsts == sorted(firsts, reverse=True)
    assert len(firsts) > 6
    assert terminal_cdf(pl.Series([], dtype=pl.Float64), "x", 40, 10, SLA_MS) == "x: no calls"
