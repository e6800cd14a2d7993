from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from tau2tui.analysis.frames import EVENTS
from tau2tui.analysis.tool_charts import tool_ranges, write_tool_charts


def tool_calls(*rows: tuple[str, str, float, bool]) -> pl.DataFrame:
    names = ("domain", "function", "duration_ms", "error")
    made: list[dict[str, Any]] = [{"type": "tool_call", **dict(zip(names, row, strict=True))} for row in rows]
    return pl.DataFrame([*made, {"type": "llm_call", "model": "m", "duration_ms": 1.0}], schema=EVENTS)


def colors(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as image:
        found = image.convert("RGB").getcolors(maxcolors=1 << 20)
    assert found is not None
    return {color for _, color in found if isinstance(color, tuple)}


def test_each_domain_has_one_chart_of_its_tools(tmp_path: Path) -> None:
    rows = [("retail", f"get_{number % 3}", 0.1 * (number + 1), number == 7) for number in range(30)]
    events = tool_calls(*rows, ("telecom", "toggle", 3.0, False))
    files = write_tool_charts(events, tmp_path / "charts")
    assert [file.name for file in files] == ["tools_retail.png", "tools_telecom.png"]
    assert {(0, 114, 178), (213, 94, 0)} <= colors(files[0]), "ranges and p99"


def test_more_tools_make_a_taller_chart_up_to_a_limit(tmp_path: Path) -> None:
    heights = []
    for count in (1, 20, 200):
        events = tool_calls(*(("d", f"tool_{number}", 1.0 + number, False) for number in range(count)))
        (file,) = write_tool_charts(events, tmp_path)
        with Image.open(file) as image:
            heights.append(image.size[1])
    assert heights[0] < heights[1] < heights[2] < 2000


@pytest.mark.parametrize("name", ["", "$x^{$ \\", "日本\u202e\x1b[31m", "x" * 500, "two\nlines"])
@pytest.mark.parametrize("ms", [0.0, 1e7])
def test_a_tool_may_be_called_anything_and_take_any_time(tmp_path: Path, name: str, ms: float) -> None:
    (file,) = write_tool_charts(tool_calls(("d", name, ms, True)), tmp_path)
    assert colors(file)


def test_no_tool_calls_make_no_chart(tmp_path: Path) -> None:
    assert write_tool_charts(tool_calls(), tmp_path / "charts") == ()
    assert not (tmp_path / "charts").exists()


def test_ranges_are_exact_and_the_most_called_tool_stands_first() -> None:
    calls = pl.DataFrame(
        {"tool": ["b"] * 11 + ["a"], "ms": [*map(float, range(11)), 5.0], "error": [True] + [False] * 11}
    )
    rare = {"tool": "a", "calls": 1, "failed": 0, **dict.fromkeys(("p10", "p50", "p90", "p99", "max"), 5.0)}
    often = {"tool": "b", "calls": 11, "failed": 1, "p10": 1.0, "p50": 5.0, "p90": 9.0, "p99": 9.9, "max": 10.0}
    assert tool_ranges(calls).to_dicts() == [often, rare]
