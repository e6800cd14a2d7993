"""Reports on the screen: listed, read, made and compared."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tau2tui import reporting
from tau2tui.errors import Unreachable
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.app import Tau2App
from tau2tui.tui.report_files import DirectoryReports, ReportFile
from tau2tui.tui.screens.reports import ReportsScreen
from tau2tui.tui.views import REPORTS, VIEWS
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.page_view import PageView
from tests.analysis.made_logs import LogMaker
from tests.tui.driving import WatchedApp, run_on, run_on_logs, screen_text, shows, tells, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config
from tests.tui.test_report_files import NEW, OLD, local_ops

pytestmark = pytest.mark.slow

TEXT = "# A report\n\n" + "\n\n".join(f"Paragraph {number}." for number in range(120))
TABLE = "\n\n| series | " + " | ".join(f"p{share}" for share in range(30)) + " |\n|" + "---|" * 31 + "\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The current run without a report, and one before it with two."""
    for name in ("b-now", "a-before"):
        (tmp_path / name / "logs").mkdir(parents=True)
    (tmp_path / "a-before" / OLD).write_text("# An older report\n")
    (tmp_path / "a-before" / NEW).write_text(TEXT + TABLE)
    return tmp_path


def table(app: Tau2App) -> KeyedTable:
    return app.screen.query_one("#report-list", KeyedTable)


def view(app: Tau2App) -> PageView:
    return app.screen.query_one(PageView)


async def opened(pilot: Pilot[None], rows: int = 3) -> None:
    await pilot.press("7")
    await until(pilot, lambda: isinstance(pilot.app.screen, ReportsScreen))
    await until(pilot, lambda: pilot.app.screen.query_one("#report-list", KeyedTable).row_count == rows)


async def test_reports_are_listed_and_the_one_under_the_cursor_is_shown(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now")) as (_, pilot):
        await opened(pilot)
        await shows(pilot, "No report yet: n makes one.", "none yet", "2025-12-30 17:30", "a-before")
        await pilot.press("j")
        await shows(pilot, "A report", "━━━━━━━━", "Paragraph 1.", NEW)
        await pilot.press("j")
        await shows(pilot, "An older report")


async def test_a_report_is_scrolled_in_both_directions_and_its_path_copied(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        await pilot.press("j", "enter")
        await until(pilot, lambda: view(app).has_focus and view(app).line_count > 200)
        await pilot.press("j", "j", "ctrl+d")
        await until(pilot, lambda: view(app).scroll_offset.y > 20)
        await pilot.press("G")
        await until(pilot, lambda: "p20" not in screen_text(app) and view(app).scroll_offset.y > 150)
        await pilot.press("l", "l")
        await until(pilot, lambda: view(app).scroll_offset.x == 16)
        await pilot.press("g")
        await until(pilot, lambda: view(app).scroll_offset == (0, 0) or view(app).scroll_offset.y == 0)
        await pilot.press("y")
        await tells(pilot, app, "bytes")
        assert view(app).path == str(runs / "a-before" / NEW)


async def test_where_there_is_little_room_list_and_text_take_turns(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now"), size=(80, 24)) as (app, pilot):
        await opened(pilot)
        await shows(pilot, "No report yet: n makes one", "none yet")
        await pilot.press("j", "enter")
        await shows(pilot, "Paragraph 1.")
        assert "WRITTEN" not in screen_text(app)
        await pilot.press("escape")
        await shows(pilot, "WRITTEN", "none yet")
        assert table(app).has_focus
        assert table(app).cursor_key == str(runs / "a-before" / NEW)


async def test_another_width_is_laid_out_anew_and_keeps_the_place(runs: Path) -> None:
    (runs / "a-before" / NEW).write_text("word " * 400)
    async with run_on(local_ops(runs / "b-now"), size=(160, 45)) as (app, pilot):
        await opened(pilot)
        await pilot.press("j")
        await until(pilot, lambda: view(app).line_count > 15)
        before = view(app).line_count
        await pilot.resize_terminal(110, 45)
        await until(pilot, lambda: view(app).line_count > before)


class HeldReports(DirectoryReports):
    """Makes a report only when it is let go."""

    def __init__(self, directory: Path) -> None:
        super().__init__(DirectoryLogs(directory))
        self.directory, self.let_go, self.made = directory, asyncio.Event(), 0

    async def make(self) -> Path:
        await self.let_go.wait()
        self.made += 1
        path = self.directory / NEW
        path.write_text("# Just made\n")
        return path


async def test_while_a_report_is_made_the_screen_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = HeldReports(tmp_path)
    (tmp_path / OLD).write_text("# An older report\n")
    app = WatchedApp(None, DirectoryLogs(tmp_path))
    app._framed.made[REPORTS.name] = ReportsScreen(REPORTS, VIEWS[-2:], "", None, files)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, 1)
        await pilot.press("n")
        await shows(pilot, "a report of these logs is being made", "An older report")
        await pilot.press("n", "enter", "escape")
        await until(pilot, lambda: "a report is being made already" in app.told)
        await shows(pilot, "a report of these logs is being made")
        files.let_go.set()
        await shows(pilot, "Just made")
        assert "being made" not in screen_text(app).replace("is being made already", "")
        assert any("written:" in told for told in app.told)
        assert files.made == 1


async def test_n_makes_a_report_of_this_run_and_opens_it(runs: Path) -> None:
    lines = [LogMaker(number).profile_line("retail")[0] for number in range(40)]
    calls = [line for line in lines if "type=llm_call" in line]
    (runs / "b-now" / "logs" / "tau2_retail.log").write_text("\n".join(calls) + "\n")
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        await pilot.press("n")
        await tells(pilot, app, "written:")
        await shows(pilot, "Experiment report", "Orchestrator calls")
        written = next((runs / "b-now").glob("experiment_report_*.md"))
        assert table(app).cursor_key == str(written)


async def test_a_report_that_cannot_be_made_says_why(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: any("no report was made:" in told and "no logs" in told for told in app.told))
        assert "being made" not in screen_text(app)
    async with run_on(local_ops(runs / "b-now", read_only=True)) as (app, pilot):
        await opened(pilot)
        await pilot.press("n")
        await tells(pilot, app, "read-only: nothing was changed")


async def test_two_marked_runs_are_compared_in_words(runs: Path) -> None:
    for number, name in enumerate(("b-now", "a-before")):
        LogMaker(number).write(runs / name / "logs", 200)
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        await pilot.press("v")
        await tells(pilot, app, "mark the rows of two runs")
        await pilot.press("j", "space", "g", "v")
        await shows(pilot, "A a-before compared with B b-now", "orchestrator, ms", "B − A")
        assert view(app).has_focus
        words = await asyncio.to_thread(_compared, runs / "a-before", runs / "b-now", local_ops(runs / "b-now"))
        assert view(app).line_count >= len(words.splitlines())


def _compared(a: Path, b: Path, ops: Ops) -> str:
    from tau2tui.analysis.compare import compare
    from tau2tui.analysis.compare_text import to_text

    return to_text(compare(reporting.side_of_directory(a, ops.config), reporting.side_of_directory(b, ops.config)))


async def test_a_report_that_is_gone_or_out_of_reach_says_so(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        (runs / "a-before" / OLD).unlink()
        await pilot.press("G")
        await shows(pilot, "it is gone; r looks again")
        await pilot.press("r")
        await until(pilot, lambda: table(app).row_count == 2)


async def test_a_login_node_that_does_not_answer_leaves_what_was_listed() -> None:
    cluster = FakeCluster(seed_config())
    ops = make_ops(cluster)
    cluster.files[f"{ops.run.path}/{OLD}"] = b"# through the shell [/b]"
    async with run_on(ops) as (app, pilot):
        await opened(pilot, 1)
        await shows(pilot, "through the shell [/b]")

        async def lost(directory: str) -> tuple[str, ...]:
            raise Unreachable("login1: connection lost")

        ops.shell.names = lost  # type: ignore[method-assign]
        await pilot.press("r")
        await shows(pilot, "the list of reports: login1: connection lost")
        assert table(app).row_count == 1


async def test_logs_alone_have_reports_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    async with run_on_logs(tmp_path / "logs") as (_, pilot):
        await opened(pilot, 1)
        await shows(pilot, "No report yet: n makes one")
        (tmp_path / OLD).write_text("# Of these logs\n")
        await pilot.press("r")
        await shows(pilot, "Of these logs")


async def test_reports_are_looked_for_only_when_somebody_looks(runs: Path) -> None:
    ops = local_ops(runs / "b-now")
    asked: list[str] = []
    names = ops.shell.names

    async def counted(directory: str) -> tuple[str, ...]:
        asked.append(directory)
        return await names(directory)

    ops.shell.names = counted  # type: ignore[method-assign]
    async with run_on(ops) as (_, pilot):
        before = len(asked)
        await pilot.pause(0.5)
        assert len(asked) == before
        await opened(pilot)
        looked = len(asked)
        await pilot.press("1")
        await pilot.pause(0.5)
        assert len(asked) == looked


async def test_a_report_is_readable_in_ascii(runs: Path) -> None:
    (runs / "a-before" / NEW).write_text("# Bericht – größer\n\n| a | b |\n|---|---|\n| 1 · 2 | … |\n\n---\n\n- one\n")
    async with run_on(local_ops(runs / "b-now")) as (app, pilot):
        await opened(pilot)
        await pilot.press("j")
        await shows(pilot, "Bericht")
        app.action_ascii()
        await until(pilot, lambda: "Bericht - gr??er" in screen_text(app))
        body = "\n".join(screen_text(app).splitlines()[2:-1])
        assert body.isascii(), [mark for mark in body if not mark.isascii()]
        app.action_ascii()


class SlowReports(HeldReports):
    """Reads only when it is let go."""

    async def read(self, report: ReportFile) -> str:
        await self.let_go.wait()
        return await super().read(report)


async def test_a_report_that_comes_late_does_not_take_the_place_of_what_was_chosen_since(tmp_path: Path) -> None:
    (tmp_path / NEW).write_text(TEXT)
    files = SlowReports(tmp_path)
    async with run_on_logs(tmp_path) as (app, pilot):
        screen = ReportsScreen(REPORTS, VIEWS, "", None, files)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.query_one("#report-list", KeyedTable).row_count > 0)
        screen._show(ReportFile("another run", str(tmp_path / "another")))
        await shows(pilot, "another run: no report yet")
        files.let_go.set()
        for _ in range(20):
            await pilot.pause()
        assert "Paragraph 1." not in screen_text(app)


async def test_a_sheet_above_a_report_takes_away_neither_it_nor_its_title(runs: Path) -> None:
    async with run_on(local_ops(runs / "b-now")) as (_, pilot):
        await opened(pilot)
        await pilot.press("j")
        await shows(pilot, "Paragraph 1.", f"a-before  {NEW}")
        await pilot.press("question_mark", "q")
        for _ in range(20):
            await pilot.pause()
        await shows(pilot, "Paragraph 1.", f"a-before  {NEW}")
