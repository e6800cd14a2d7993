"""Reports that are found, read and made, here and through a shell."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path, PurePosixPath

import pytest

from tau2tui.errors import NothingToRead, Refused
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import LocalShell
from tau2tui.tui.report_files import READ_BYTES, RUNS, DirectoryReports, RunReports
from tests.analysis.made_logs import LogMaker
from tests.tui.fakes import FakeCluster, FakeQueue, make_ops, seed_config

OLD, NEW = "experiment_report_20251228_090000.md", "experiment_report_20251230_173000.md"


def local_ops(run: Path, *, read_only: bool = False) -> Ops:
    """The real Ops on a directory of this machine, without a scheduler to ask."""
    cluster = FakeCluster(seed_config())
    shell = LocalShell()
    directory = RunDirectory(shell, PurePosixPath(run), "python3")
    return Ops(cluster.config, shell, FakeQueue(cluster), directory, True, clock=cluster.clock, read_only=read_only)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs: the current one without a report, one with two, one with something else."""
    for name, files in {"c-now": (), "b": (OLD, NEW), "a": ("experiment_report_.md", "notes.md")}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text(f"# {name} {file}\n")
    (tmp_path / "latest").write_text("c-now")
    return tmp_path


async def test_the_current_run_comes_first_and_those_without_a_report_are_listed(runs: Path) -> None:
    listed = await RunReports(local_ops(runs / "c-now")).listed()
    assert [(report.run, report.name) for report in listed.reports] == [
        ("c-now", ""),
        ("b", NEW),
        ("b", OLD),
        ("a", ""),
    ]
    assert listed.reports[0].path == str(runs / "c-now")
    assert listed.reports[1].path == str(runs / "b" / NEW)
    assert listed.reports[1].written == datetime.fromisoformat("2025-12-30 17:30")
    assert listed.not_looked_into == 0


async def test_what_is_no_directory_among_the_runs_is_named_and_stops_nothing(runs: Path) -> None:
    (runs / "a-note").write_text("not a run")
    listed = (await RunReports(local_ops(runs / "c-now")).listed()).reports
    assert [(report.run, report.trouble) for report in listed if report.trouble] == [
        ("a-note", "not readable: Not a directory")
    ]
    assert len(listed) == 5


async def test_only_the_newest_runs_are_looked_into_and_the_rest_is_counted(tmp_path: Path) -> None:
    for number in range(RUNS + 20):
        (tmp_path / f"run-{number:03}").mkdir()
    listed = await RunReports(local_ops(tmp_path / "run-007")).listed()
    assert listed.reports[0].run == "run-007"
    assert listed.reports[1].run == f"run-{RUNS + 19}"
    assert (len(listed.reports), listed.not_looked_into) == (RUNS, 20)


async def test_a_long_report_is_read_as_far_as_it_is_shown(runs: Path) -> None:
    files = RunReports(local_ops(runs / "c-now"))
    report = (await files.listed()).reports[1]
    assert await files.read(report) == f"# b {NEW}\n"
    Path(report.path).write_bytes(b"\xff\x00x" + b"y" * READ_BYTES)
    text = await files.read(report)
    assert text.startswith("�\x00xyyy")
    assert text.endswith("Only the first 1 MB are shown.\n")
    assert len(text) < READ_BYTES + 100


async def test_a_run_elsewhere_is_read_through_its_shell_and_reports_made_here_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster(seed_config())
    ops = make_ops(cluster)
    parent = ops.run.path.parent
    cluster.files |= {f"{parent}/older": b"", f"{parent}/older/{OLD}": b"# elsewhere"}
    made = tmp_path / f"report-{ops.run.run_id}" / NEW
    made.parent.mkdir()
    made.write_text("# here")
    files = RunReports(ops)
    here, there = (await files.listed()).reports
    assert (here.path, here.local, there.path, there.local) == (str(made), True, f"{parent}/older/{OLD}", False)
    assert [await files.read(report) for report in (here, there)] == ["# here", "# elsewhere"]


async def test_a_report_is_made_by_the_same_function_as_the_word(runs: Path) -> None:
    logs = runs / "c-now" / "logs"
    logs.mkdir()
    lines = [LogMaker(number).profile_line("retail")[0] for number in range(40)]
    (logs / "tau2_retail.log").write_text("\n".join(line for line in lines if "type=llm_call" in line) + "\n")
    files = RunReports(local_ops(runs / "c-now"))
    written = await files.make()
    assert written.parent == runs / "c-now"
    assert (await files.listed()).reports[0].path == str(written)
    assert (runs / "c-now" / "profile_analysis.json").exists()


async def test_nothing_is_made_where_nothing_must_be_changed_or_is_there(runs: Path) -> None:
    with pytest.raises(Refused, match="read-only"):
        await RunReports(local_ops(runs / "c-now", read_only=True)).make()
    with pytest.raises(NothingToRead, match="no logs"):
        await RunReports(local_ops(runs / "c-now")).make()


async def test_two_runs_are_compared_as_the_word_does(runs: Path) -> None:
    for number, name in enumerate(("a", "b")):
        (runs / name / "logs").mkdir()
        LogMaker(number).write(runs / name / "logs", 150)
    text = await RunReports(local_ops(runs / "c-now")).compared("a", "b")
    assert text.startswith("A a\nB b\n")
    assert "orchestrator, ms" in text
    with pytest.raises(NothingToRead):
        await RunReports(local_ops(runs / "c-now")).compared("a", "c-now")


async def test_logs_alone_have_the_reports_beside_them_and_in_the_current_directory(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = runs / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    files = DirectoryReports(DirectoryLogs(runs / "b"))
    assert [report.name for report in (await files.listed()).reports] == [NEW, OLD]
    (elsewhere / "experiment_report_20260101_000000.md").write_text("# mine")
    mine, *others = (await files.listed()).reports
    assert (await files.read(mine), len(others)) == ("# mine", 2)
    empty = (await DirectoryReports(DirectoryLogs(runs / "a")).listed()).reports
    assert [report.name for report in empty] == ["experiment_report_20260101_000000.md"]
    with pytest.raises(Refused, match="tau2tui compare A B"):
        await files.compared("these logs", "those")
    assert Path.cwd() == elsewhere
    assert [path.name for path in elsewhere.iterdir()] == ["experiment_report_20260101_000000.md"]
