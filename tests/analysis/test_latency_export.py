"""Latency pictures and numbers as files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from matplotlib import image

from tau2tui.analysis.latency_export import export
from tau2tui.analysis.latency_figures import LatencyCalls, figures_of
from tau2tui.analysis.latency_question import PictureQuestion
from tau2tui.analysis.scan import find_logs, read_logs
from tau2tui.errors import CommandFailed, NothingToRead, Refused
from tests.analysis.made_logs import LogMaker

EXPERT = "expert:openai/gpt-oss-20b"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogMaker, Path]:
    directory, maker = tmp_path_factory.mktemp("logs"), LogMaker(5)
    maker.write(directory, 600)
    return maker, directory


def calls_in(directory: Path) -> LatencyCalls:
    return LatencyCalls(read_logs(find_logs([directory])).events)


def written(directory: Path, path: Path, before: Path | None = None, **question: Any) -> Path:
    over = (calls_in(before), "before") if before else ()
    return export(figures_of(calls_in(directory), PictureQuestion(**question), *over), path)


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("kind", ["histogram", "cdf", "heat-map"])
def test_a_picture_is_a_png_or_an_svg(made: tuple[LogMaker, Path], tmp_path: Path, kind: str) -> None:
    png = written(made[1], tmp_path / "a.png", picture=kind, log=kind == "cdf", other=EXPERT)
    assert image.imread(png).shape[:2] > (400, 800)
    svg = written(made[1], tmp_path / "a.SVG", picture=kind)
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")


def test_a_name_from_a_log_is_no_markup_in_a_picture(tmp_path: Path) -> None:
    line = (
        "[PROFILE] 2025-12-30 17:32:15.000 task=1 thread=1 type=expert_call step=1 "
        "model=_$x^{2}$<b>\x1b]0;t duration_ms=12.5\n"
    )
    (tmp_path / "tau2_retail.log").write_text(line)
    svg = written(tmp_path, tmp_path / "a.svg").read_text()
    assert "<b>" not in svg
    assert "\x1b" not in svg


def test_numbers_as_json_are_exact(made: tuple[LogMaker, Path], tmp_path: Path) -> None:
    data = json.loads(written(made[1], tmp_path / "a.json", other=EXPERT, picture="heat-map").read_text())
    assert [one["series"] for one in data["series"]] == ["orchestrator", EXPERT]
    calls = made[0].truth.event_frame().filter(pl.col("type") == "llm_call")["duration_ms"].to_numpy()
    first = data["series"][0]
    assert first["count"] == len(calls)
    for share in (10, 50, 90, 99):
        assert first["percentiles"][f"p{share}"] == pytest.approx(np.percentile(calls, share))
    assert sum(first["counts"]) + first["before_axis"] + first["beyond_axis"] == len(calls)
    assert len(data["edges_ms"]) == len(first["counts"]) + 1
    assert first["cdf"][-1] == [calls.max(), 1.0]
    assert len(data["heat_map"]["counts"]) == len(data["heat_map"]["edges_ms"]) - 1


def test_numbers_as_csv_are_those_of_the_picture(made: tuple[LogMaker, Path], tmp_path: Path) -> None:
    calls = made[0].truth.event_frame().filter(pl.col("type") == "llm_call")["duration_ms"]
    bins = table(written(made[1], tmp_path / "a.csv", made[1], log=True))
    assert {row["run"] for row in bins} == {"", "before"}
    assert sum(int(row["count"]) for row in bins) == 2 * len(calls)
    steps = table(written(made[1], tmp_path / "b.csv", picture="cdf"))
    assert float(steps[-1]["latency_ms"]) == calls.max()
    middle = next(row for row in steps if float(row["share_up_to"]) >= 0.5)
    assert float(middle["latency_ms"]) == calls.quantile(0.5, "lower")
    cells = table(written(made[1], tmp_path / "c.csv", picture="heat-map", log=True))
    assert sum(int(row["count"]) for row in cells) == len(calls)


def test_what_cannot_be_written_is_said(made: tuple[LogMaker, Path], tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"one of \.png, \.svg, \.csv, \.json"):
        written(made[1], tmp_path / "a.pdf")
    with pytest.raises(Refused, match="there already"):
        written(made[1], written(made[1], tmp_path / "a.csv"))
    with pytest.raises(CommandFailed, match="cannot be written"):
        written(made[1], tmp_path / "missing" / "a.csv")
    with pytest.raises(NothingToRead, match="no call is drawn"):
        written(made[1], tmp_path / "b.csv", domain="banking")
