"""The words `latency` and `compare`, and what `report` writes of a directory."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from tau2tui.analysis.latency_figures import LatencyCalls
from tau2tui.analysis.latency_question import PictureQuestion
from tau2tui.analysis.scan import find_logs, read_logs
from tau2tui.cli import words
from tau2tui.core.window import parse_window
from tests.analysis.made_logs import LogMaker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("logs")
    LogMaker(5).write(directory, 600)
    return directory


def said(*arguments: object) -> str:
    result = CliRunner().invoke(words, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_latency_is_readable_at_80_columns(logs: Path) -> None:
    text = said("latency", logs)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"^orchestrator +\d+ ", text, re.MULTILINE)
    assert "p25" in text
    assert "share of calls up to a latency" in text


@pytest.mark.parametrize("metric", ["total", "prefill", "decode", "ttft", "queue"])
def test_latency_answers_programs(logs: Path, metric: str) -> None:
    data = json.loads(said("latency", logs, "--metric", metric, "--bins", 10, "--sla", 1000, "--json"))
    row = data["rows"][0]
    assert (data["metric"], data["sla_ms"], row["series"]) == (metric, 1000.0, "orchestrator")
    binned = data["series"]["orchestrator"]["histogram"]
    assert (len(binned["counts"]), sum(binned["counts"])) == (10, row["count"])


def test_latency_by_domain_has_a_row_for_each(logs: Path) -> None:
    data = json.loads(said("latency", logs, "--by", "domain", "--json"))
    assert {row["domain"] for row in data["rows"]} == {"retail", "telecom"}


def test_latency_of_a_domain_and_a_stretch_of_time_is_that_of_the_screen(logs: Path) -> None:
    def count(*options: object) -> int:
        rows = json.loads(said("latency", logs, "--json", *options))["rows"]
        return sum(int(row["count"]) for row in rows)

    whole, retail = count(), count("--domain", "retail")
    times = read_logs(find_logs([logs])).events["at"].drop_nulls().sort()
    middle = f"{times[len(times) // 2]:%Y-%m-%d %H:%M:%S}"
    before, after = count("--window", f"2000-01-01 00:00..{middle}"), count("--window", f"{middle}..")
    calls = LatencyCalls(read_logs(find_logs([logs])).events)
    question = PictureQuestion(domain="retail", window=parse_window(f"{middle}.."))
    assert 0 < retail < whole
    assert 0 < after < whole and before + after == whole
    assert count("--domain", "retail", "--window", f"{middle}..") == sum(row.count for row in calls.rows(question))


def test_a_domain_and_a_window_that_are_none_are_refused_in_a_line(logs: Path) -> None:
    result = CliRunner().invoke(words, ["latency", str(logs), "--domain", "banking"])
    assert "no call of the domain 'banking'" in str(result.exception)
    result = CliRunner().invoke(words, ["latency", str(logs), "--window", "yesterday"])
    assert result.exit_code == 2 and "is no window" in result.output


@pytest.mark.parametrize("picture", ["histogram", "cdf", "heat-map"])
@pytest.mark.parametrize("ending", ["csv", "json", "svg", "png"])
def test_latency_is_exported_as_the_ending_says(logs: Path, tmp_path: Path, picture: str, ending: str) -> None:
    file = tmp_path / f"drawn.{ending}"
    said("latency", logs, "--domain", "retail", "--metric", "ttft", "--picture", picture, "--export", file)
    begin = {"csv": b"series,run", "json": b"{", "svg": b"<?xml", "png": b"\x89PNG"}[ending]
    assert file.read_bytes().startswith(begin)
    again = CliRunner().invoke(words, ["latency", str(logs), "--export", str(file)])
    assert "is there already" in str(again.exception)


@pytest.mark.parametrize("export", [(), ("--export", "drawn.csv")])
def test_an_unknown_series_is_named_with_those_that_there_are(logs: Path, export: tuple[str, ...]) -> None:
    result = CliRunner().invoke(words, ["latency", str(logs), "--series", "nobody", *export])
    assert "no series 'nobody'" in str(result.exception)
    assert "orchestrator" in str(result.exception)


def test_compare_writes_its_markdown(logs: Path, tmp_path: Path) -> None:
    data = json.loads(said("compare", logs, logs, "--json", "--out", tmp_path))
    assert data["latencies"]["orchestrator"][1]["difference"] == 0
    assert (tmp_path / f"compare_{logs.name}_{logs.name}.md").read_text().startswith("# ")


def test_the_html_needs_no_other_file(logs: Path, tmp_path: Path) -> None:
    data = json.loads(said("report", logs, "--out", tmp_path, "--csv", "--json"))
    html = Path(data["html"]).read_text()
    assert html.count('src="data:image/png;base64,') == len(data["charts"]) > 3
    assert not re.search(r"<script|(?:src|href)=\"(?!data:)", html)
    assert data["tables"]["All percentiles"][0]["series"] == "orchestrator"
    events = pl.read_parquet(tmp_path / "frames/events.parquet")
    assert events.height == pl.read_csv(tmp_path / "frames/events.csv", infer_schema=False).height > 100


@pytest.mark.parametrize(
    "question",
    [
        ("latency",),
        *(("latency", "--by", by) for by in ("domain", "trial", "turn", "window")),
        *(("latency", "--metric", metric, "--by", "turn", "--by", "domain") for metric in ("prefill", "queue")),
        ("progress",),
        ("errors",),
    ],
)
@pytest.mark.parametrize("file", ["", "fullrun.log", "tau2_retail.log"])
def test_what_is_read_for_one_question_answers_it_as_everything_does(
    logs: Path, question: tuple[str, ...], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = (*question, logs / file, "--json")
    assert json.loads(said(*asked, "--no-cache")) == json.loads(said(*asked))


def test_only_no_cache_looks_at_a_log_again_that_has_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    line = (
        "[USER_JUDGE] 2025-12-23 10:15:34.100 task=1 thread=1 type=user_sim model=m call_type=openai duration_ms=1.00\n"
    )
    log = tmp_path / "fullrun.log"
    log.write_text(line * 12_000)

    def count(*options: str) -> int:
        return int(json.loads(said("latency", log, "--json", *options))["rows"][0]["count"])

    assert (count(), count()) == (12_000, 12_000)
    with log.open("r+b") as file:  # where neither the first nor the last bytes are
        os.pwrite(file.fileno(), b"x" * len(line), len(line) * 6000)
    assert (count(), count("--no-cache")) == (12_000, 11_999)
    for options, events in (((), 12_000), (("--no-cache",), 11_999)):
        said("report", log, "--out", tmp_path / "report", *options)
        assert pl.read_parquet(tmp_path / "report/frames/events.parquet").height == events
    shift = json.loads(said("compare", log, log, "--no-cache", "--json"))["latencies"]["user_sim:m"][1]
    assert shift["difference"] == 0
