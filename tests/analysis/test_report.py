from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tau2tui.analysis.errors.budget import FAILURES
from tau2tui.analysis.errors.counters import COUNTED
from tau2tui.analysis.errors.fates import Fate
from tau2tui.analysis.frames import DRIVER, ERRORS, EVENTS, TASKS, Logs
from tau2tui.analysis.measures import PERCENTILES, series_values
from tau2tui.analysis.report import ReportContext, ReportFiles, ServedExpert, write_report
from tau2tui.analysis.run_files import RunFiles, Side
from tau2tui.analysis.scan import read_logs
from tau2tui.core.model import DomainProgress
from tau2tui.errors import NothingToRead
from tests.analysis.made_logs import AGENT, EXPERTS, LogMaker

pytestmark = pytest.mark.slow

NOW = datetime.fromisoformat("2026-01-02 03:04:05")
STATISTICS = {"count", "mean", "std", "min", "max", *(f"p{share}" for share in PERCENTILES), "under_5s_pct"}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return tuple(LogMaker(3).write(tmp_path_factory.mktemp("logs"), 1200))


@pytest.fixture(scope="module")
def made(paths: tuple[Path, ...]) -> Logs:
    return read_logs(paths)


@pytest.fixture(scope="module")
def written(made: Logs, paths: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return write_report(side(made, logs=paths), tmp_path_factory.mktemp("run"), sla_ms=5000.0, now=NOW)


def side(read: Logs, **files: Any) -> Side:
    return Side(RunFiles(**{"name": "made", "logs": (), **files}), read)


def nasty_logs(name: str) -> Logs:
    rows: list[dict[str, Any]] = [{"type": "expert_call", "model": name, "duration_ms": 4.0}]
    events = pl.DataFrame(rows, schema=EVENTS)
    return Logs(events, TASKS.to_frame(), DRIVER.to_frame(), ERRORS.to_frame())


def table(report: str, title: str) -> list[list[str]]:
    """The cells of the table below a heading, its head first."""
    section = report.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.split("\n") if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_files_have_their_names_and_nothing_else_is_left(written: ReportFiles) -> None:
    out = written.report.parent
    assert sorted(path.name for path in out.iterdir()) == [
        *("experiment_report_20260102_030405.html", "experiment_report_20260102_030405.md"),
        *("frames", "profile_analysis.json", "profile_charts"),
    ]
    assert sorted(out.glob("profile_charts/*")) == sorted(written.charts)
    assert sorted(out.glob("frames/*")) == sorted(written.frames)


def test_the_analysis_has_the_shape_that_other_tools_read(made: Logs, written: ReportFiles) -> None:
    analysis = json.loads(written.analysis.read_text())
    experts = {f"expert:{model}" for model in EXPERTS}
    tools = {"tool:retail:get_order_details", "tool:telecom:get_order_details"}
    assert set(analysis) == {"orchestrator", "user_sim:gpt-5"} | experts | tools
    for series, entry in analysis.items():
        assert {"stats", "histogram", "prefill_stats", "decode_stats"} <= set(entry)
        values = series_values(made.events, series).to_numpy()
        stats = entry["stats"]
        assert set(stats) == STATISTICS
        assert stats["count"] == len(values)
        assert stats["p95"] == pytest.approx(np.percentile(values, 95))
        assert stats["under_5s_pct"] == pytest.approx(np.mean(values < 5000) * 100)
        bins = entry["histogram"]
        assert (len(bins["bins"]), len(bins["counts"]), len(bins["edges"])) == (10, 10, 11)
        assert bins["counts"] == np.histogram(values, 10)[0].tolist()
        assert all(re.fullmatch(r"[\d.]+-[\d.]+", label) for label in bins["bins"])
    assert analysis["user_sim:gpt-5"]["prefill_stats"] == {"count": 0}
    prefill = series_values(made.events, "orchestrator", "prefill_ms").to_numpy()
    assert analysis["orchestrator"]["prefill_stats"]["mean"] == pytest.approx(prefill.mean())


def test_under_5s_means_5_seconds_whatever_the_service_level_is(
    made: Logs, tmp_path: Path, written: ReportFiles
) -> None:
    other = write_report(side(made), tmp_path, sla_ms=1000.0, now=NOW)
    assert other.analysis.read_text() == written.analysis.read_text()
    assert "| < 1 s |" in other.report.read_text()


def test_the_latencies_of_the_report_are_those_of_the_analysis(written: ReportFiles) -> None:
    analysis = json.loads(written.analysis.read_text())
    head, *rows = table(written.report.read_text(), "Latency")
    assert head[-1] == "< 5 s"
    assert len(rows) == len(analysis)
    for row in rows:
        stats = analysis[row[0].replace("\\", "")]["stats"]
        assert row[1] == str(stats["count"])
        assert dict(zip(head[2:-1], row[2:-1], strict=True)) == {name: f"{stats[name]:.1f}" for name in head[2:-1]}
        assert row[-1] == f"{stats['under_5s_pct']:.1f} %"


def test_the_report_counts_errors_tasks_and_what_it_could_not_read(made: Logs, written: ReportFiles) -> None:
    report = written.report.read_text()
    orchestrator = made.events.filter(pl.col("model") == AGENT).height
    finished = made.tasks.select("domain", "trial", "task_id").n_unique()
    assert f"over {orchestrator} orchestrator calls and {finished} finished tasks" in report
    (harmony,) = (row for row in table(report, "Errors") if row[0] == "harmony")
    count = made.errors.filter(pl.col("name") == "harmony").height
    assert (harmony[1], sum(map(int, harmony[2:6]))) == (str(count), count)
    assert harmony[6:] == [f"{count / orchestrator * 100:.2f} %", f"{count / finished * 100:.2f} %"]
    assert [row[0] for row in table(report, "Lines as grep counts them")[1:]] == list(COUNTED.values())
    assert sum(int(row[4]) for row in table(report, "Tasks by status")[1:]) == finished
    assert f"{made.skipped.profile_lines} profile lines, {made.skipped.markers} markers" in report


def test_every_chart_of_the_report_is_there(written: ReportFiles) -> None:
    links = re.findall(r"!\[[^]]*\]\(([^)]*)\)", written.report.read_text())
    assert [written.report.parent / link for link in links] == list(written.charts)
    assert all(path.is_file() for path in written.charts)


def test_what_only_the_run_knows_is_in_the_report(made: Logs, tmp_path: Path) -> None:
    context = ReportContext(
        run="2025-12-30-oss",
        started_at=datetime.fromisoformat("2025-12-30 17:32:15").timestamp(),
        fleet=(ServedExpert("expert-3", "Qwen/Qwen3-Next-80B", "3", (0, 1), (1920,), 1),),
        domains=(
            DomainProgress("retail", 114, ok=56, errors=2, passed=25, reward_sum=25.5),
            DomainProgress("airline", 50),
        ),
        calls={"orchestrator": 3453},
    )
    report = write_report(side(made), tmp_path, sla_ms=5000.0, now=NOW, context=context).report.read_text()
    assert report.startswith("# Experiment report: 2025-12-30-oss\n")
    assert ["Started", "2025-12-30 17:32:15"] in table(report, "Overview")
    assert "Finished" not in dict(table(report, "Overview"))
    assert table(report, "Fleet")[1] == ["expert-3", "Qwen/Qwen3-Next-80B", "3", "0, 1", "1920", "1"]
    assert table(report, "Results")[1:] == [
        ["retail", "114", "56", "2", "25", "44.6 %", "32.4 % – 57.6 %", "0.455"],
        ["airline", "50", "0", "0", "0", "–", "–", "–"],
        ["all", "164", "56", "2", "25", "44.6 %", "32.4 % – 57.6 %", "0.455"],
    ]
    assert table(report, "Calls as the driver counted them")[1] == ["orchestrator", "3453"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b`c`*d*", r"expert:a\|b\`c\`\*d\*"),
        ("<img src=x onerror=alert(1)>", "expert:&lt;img src=x onerror=alert(1)&gt;"),
        ("[x](javascript:1)", r"expert:\[x\](javascript:1)"),
        ("two\n## lines", "expert:two ## lines"),
        ("gpt_oss __b__ \\| $x$ &amp;", r"expert:gpt_oss \_\_b\_\_ \\\| \$x\$ &amp;amp;"),
    ],
)
def test_nothing_from_a_log_is_markup(tmp_path: Path, name: str, shown: str) -> None:
    report = write_report(side(nasty_logs(name)), tmp_path, sla_ms=5000.0, now=NOW).report.read_text()
    assert table(report, "Latency")[1][0] == shown
    assert len(table(report, "Latency")[1]) == 14


def test_a_name_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"type": kind, "model": "$x^{$", "function": "$y_{$", "duration_ms": 4.0}
        for kind in ("expert_call", "tool_call")
    ]
    logs = Logs(pl.DataFrame(rows, schema=EVENTS), TASKS.to_frame(), DRIVER.to_frame(), ERRORS.to_frame())
    charts = write_report(side(logs), tmp_path, sla_ms=5000.0, now=NOW).charts
    assert {"experts_stacked.png", "tools_stacked.png", "tools.png"} <= {chart.name for chart in charts}


def test_logs_without_anything_make_no_report(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("hello\n")
    with pytest.raises(NothingToRead, match="nothing to report"):
        write_report(side(read_logs([tmp_path / "a.log"])), tmp_path / "out", sla_ms=5000.0, now=NOW)
    assert not (tmp_path / "out").exists()


def test_markers_alone_make_a_report(tmp_path: Path) -> None:
    (tmp_path / "fullrun.log").write_text(
        "[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=114\n"
    )
    files = write_report(
        side(read_logs([tmp_path / "fullrun.log"]), logs=(tmp_path / "fullrun.log",)),
        tmp_path / "out",
        sla_ms=5000.0,
        now=NOW,
    )
    assert json.loads(files.analysis.read_text()) == {}
    assert files.charts == ()
    report = files.report.read_text()
    assert table(report, "Tasks by status")[1] == ["retail", "1", "0", "0", "1", "114"]
    assert table(report, "Errors")[1:] == [["all", "0", "0", "0", "0", "0", "–", "0.00 %"]]
    assert "## Latency" not in report


def test_without_charts_everything_else_is_there(made: Logs, paths: tuple[Path, ...], tmp_path: Path) -> None:
    files = write_report(side(made, logs=paths), tmp_path, sla_ms=5000.0, now=NOW, charts=False)
    assert files.charts == ()
    assert not (tmp_path / "profile_charts").exists()
    report = files.report.read_text()
    assert "## Latency" in report
    assert "## Charts" not in report
    assert "<img" not in files.html.read_text()


def test_the_errors_frame_holds_each_error_with_its_fate(written: ReportFiles) -> None:
    (file,) = (path for path in written.frames if path.name == "errors.parquet")
    frame = pl.read_parquet(file)
    assert frame.schema == FAILURES
    assert set(frame["fate"]) <= set(map(str, Fate))
