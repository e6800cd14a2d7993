"""Logs on the screen: opened at the end, followed, paused, searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from tau2tui.core.model import Phase
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.remote.loglist import LogEntry
from tau2tui.tui.app import Tau2App
from tau2tui.tui.widgets.command_line import CommandLine
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.log_list import LogList
from tau2tui.tui.widgets.log_pane import LogPane
from tau2tui.tui.widgets.log_title import LogTitle
from tau2tui.tui.widgets.log_view import LogView
from tests.tui.driving import WatchedApp, run_on, run_on_logs, screen_text, shows, tells, until
from tests.tui.fakes import RUN, busy_cluster, make_ops

pytestmark = pytest.mark.slow

LINES = b"".join(b"line %d\n" % number for number in range(200))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "server.log"
    path.write_bytes(LINES)
    return path


def view(app: Tau2App) -> LogView:
    return app.screen.query_one(LogView)


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def test_a_log_opens_at_its_end_and_is_followed(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "server.log" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        assert "● following" in screen_text(app)
        append(log, b"something new\n")
        await until(pilot, lambda: "something new" in screen_text(app))


async def test_scrolling_up_pauses_and_g_goes_to_the_end_again(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("k", "k", "k")
        assert "‖ paused" in screen_text(app)
        assert "line 199" not in screen_text(app)
        before = view(app).scroll_offset
        append(log, b"something new\n")
        await until(pilot, lambda: "▼ 1 new" in screen_text(app))
        assert view(app).scroll_offset == before
        await pilot.press("G")
        await until(pilot, lambda: "something new" in screen_text(app))
        assert "● following" in screen_text(app)


async def test_scrolling_down_to_the_end_follows_again_and_f_toggles(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("k")
        assert not view(app).follow
        await pilot.press("j")
        assert view(app).follow
        await pilot.press("f")
        assert not view(app).follow
        await pilot.press("f")
        assert view(app).follow


async def test_a_search_finds_the_newest_hit_and_n_goes_round(log: Path) -> None:
    append(log, b"Needle one\n" + LINES + b"needle TWO\n" + LINES)
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("slash", *"needle")
        assert app.screen.query_one("#log-entry", Input).has_focus
        await pilot.press("enter")
        await until(pilot, lambda: "needle TWO" in screen_text(app))
        await until(pilot, lambda: "2 hits in what is loaded" in screen_text(app))
        assert "‖ paused" in screen_text(app)
        await pilot.press("n")
        await until(pilot, lambda: "Needle one" in screen_text(app))
        await pilot.press("N")
        await until(pilot, lambda: "needle TWO" in screen_text(app))
        await pilot.press("escape")
        assert view(app).marked is None


async def test_no_key_does_anything_while_a_search_is_typed(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("slash", *"5qwef")
        assert app.current_mode == "logs"
        assert app.return_code is None
        assert app.screen.query_one("#log-entry", Input).value == "5qwef"
        await pilot.press("enter")
        await until(pilot, lambda: "0 hits" in screen_text(app))


async def test_e_goes_from_error_to_error(log: Path) -> None:
    append(log, b"ERROR first\n" + LINES + b"torch.OutOfMemoryError: CUDA out of memory\n" + LINES)
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("E")
        await until(pilot, lambda: "▸ torch.OutOfMemoryError" in screen_text(app))
        await pilot.press("E")
        await until(pilot, lambda: "▸ ERROR first" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "▸ torch.OutOfMemoryError" in screen_text(app))


async def test_a_log_without_errors_says_so(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "no error in the whole log" in screen_text(app))
        assert view(app).follow


async def test_w_wraps_long_lines_and_loses_nothing(log: Path) -> None:
    append(log, b"start " + b"ab" * 200 + b"Z\n" + "模型".encode() * 120 + b"\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "start abab" in screen_text(app))
        assert "Z" not in screen_text(app)
        await pilot.press("w")
        await until(pilot, lambda: "Z" in screen_text(app))
        assert view(app).follow
        assert screen_text(app).count("模") == 120
        await pilot.press("w")
        await until(pilot, lambda: "Z" not in screen_text(app))


async def test_words_of_a_log_are_shown_literally(log: Path) -> None:
    append(log, b"\x1b[31m[b]not bold[/b]\x1b[0m \x1b]0;pwned\x07 [/nope] \x00 \xff\n10%\r20%\r30%\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "[b]not bold[/b]  [/nope] � �" in screen_text(app))
        assert "30%" in screen_text(app)
        assert "10%" not in screen_text(app)


async def test_a_truncated_log_is_read_anew(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        log.write_bytes(b"a new beginning\n")
        await until(pilot, lambda: "a new beginning" in screen_text(app))
        assert "truncated or replaced" in screen_text(app)


async def test_a_log_that_vanished_says_so_and_keeps_what_was_read(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        log.unlink()
        await until(pilot, lambda: "the file is gone" in screen_text(app))
        assert "line 199" in screen_text(app)


async def test_a_huge_log_is_opened_at_its_tail(log: Path) -> None:
    log.unlink()
    with (log.parent / "huge.trace").open("wb") as file:  # a name that the latencies pass over
        file.truncate(3 << 30)
        file.seek(0, 2)
        file.write(b"\nthe end of three gigabytes\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "the end of three gigabytes" in screen_text(app))
        assert "3.0 GB" in screen_text(app)
        await pilot.press("f")
        await until(pilot, lambda: "100% of 3.0 GB" in screen_text(app))


# --- a log that is larger than what is loaded ---------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """So large that only its end is loaded; it begins with an error, and has one in the middle."""
    path = tmp_path / "large.log"
    lines = [b"INFO 12-24 04:%02d:%02d line %d\n" % (n // 60 % 60, n % 60, n) for n in range(40_000)]
    lines[0] = b"ERROR in the beginning\n"
    lines[20_000] = b"ValueError: in the middle\n"
    path.write_bytes(b"".join(lines))
    return path


async def opened(pilot: Pilot[None], shows: str) -> None:
    await pilot.press("6")
    await until(pilot, lambda: ".log" in screen_text(pilot.app))
    await pilot.press("enter")
    await until(pilot, lambda: shows in screen_text(pilot.app))


async def test_g_goes_to_the_true_beginning_and_scrolling_on_loads_what_follows(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        await pilot.press("g")
        await until(pilot, lambda: "ERROR in the beginning" in screen_text(app))
        await until(pilot, lambda: "‖ paused  0% of 1.2 MB" in screen_text(app))
        loaded = len(view(app).lines)
        view(app).scroll_end(animate=False, immediate=True)
        await until(pilot, lambda: len(view(app).lines) > loaded or view(app).lines[0].line.offset > 0)
        assert not view(app).follow
        await pilot.press("G")
        await until(pilot, lambda: "line 39999" in screen_text(app) and "● following" in screen_text(app))


async def test_scrolling_up_loads_the_piece_before_and_the_view_stays_where_it_is(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        first = view(app).lines[0].line.offset
        assert first > 0
        view(app).scroll_to(y=1, animate=False, immediate=True)
        top = view(app).lines[1].text
        await until(pilot, lambda: view(app).lines[0].line.offset < first)
        assert view(app).lines[view(app).top_line].text == top
        assert top in screen_text(app)


async def test_errors_beyond_what_is_loaded_are_found_in_the_file(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        await pilot.press("E")
        await until(pilot, lambda: "▸ ValueError: in the middle" in screen_text(app))
        await pilot.press("E")
        await until(pilot, lambda: "▸ ERROR in the beginning" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "▸ ValueError: in the middle" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "▸ ERROR in the beginning" in screen_text(app))


async def test_a_search_goes_on_through_the_file(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        await pilot.press("slash", *"/LINE 1234.$/".lower(), "enter")
        await until(pilot, lambda: "line 12349" in screen_text(app))
        await until(pilot, lambda: "10 hits in what is loaded" in screen_text(app))
        await pilot.press("escape", "slash", *"nowhere", "enter")
        await until(pilot, lambda: "0 hits in the whole log" in screen_text(app))


async def test_an_expression_that_takes_too_long_is_given_up(log: Path) -> None:
    append(log, b"a" * 3000 + b"b\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "line 199")
        await pilot.press("ampersand", *"/(a|a)+$/", "enter")
        await until(pilot, lambda: "takes too long" in screen_text(app))
        assert "line 199" in screen_text(app)
        await pilot.press("ampersand", *"/(/", "enter")
        await until(pilot, lambda: "is no expression" in screen_text(app))


# --- other forms --------------------------------------------------------------------------------------------------


async def test_filters_show_only_some_lines_load_more_until_the_view_is_full_and_escape_shows_all(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        await pilot.press("ampersand", *"line", "enter", "exclamation_mark", *r"/[^7]$/", "enter")
        await until(pilot, lambda: "hidden" in screen_text(app))
        await until(pilot, lambda: {each.text[-1:] for each in view(app).lines} == {"7"})
        await until(pilot, lambda: "&line !/[^7]$/" in screen_text(app))
        await pilot.press("ampersand", *["backspace"] * 4, *"line 38997", "enter")
        await until(pilot, lambda: [each.text[-10:] for each in view(app).lines] == ["line 38997"])
        await pilot.press("escape")
        await until(pilot, lambda: "line 39999" in screen_text(app) and "hidden" not in screen_text(app))


async def test_repeats_are_folded_and_times_left_out(log: Path) -> None:
    append(log, b"INFO 12-24 04:00:00 once\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "INFO 12-24 04:00:00 once")
        await pilot.press("F")
        await until(pilot, lambda: "×200 line 199" in screen_text(app))
        await until(pilot, lambda: "199 folded" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "INFO once" in screen_text(app))
        await pilot.press("F", "t")
        await until(pilot, lambda: "line 198" in screen_text(app) and "04:00:00" in screen_text(app))


async def test_bookmarks_are_gone_through_also_when_they_are_not_loaded_any_more(large: Path) -> None:
    async with run_on_logs(large.parent) as (app, pilot):
        await opened(pilot, "line 39999")
        await pilot.press("apostrophe")
        await until(pilot, lambda: "no bookmarks here" in screen_text(app))
        await pilot.press("g")
        await until(pilot, lambda: "ERROR in the beginning" in screen_text(app))
        await pilot.press("m", "G")
        await until(pilot, lambda: "line 39999" in screen_text(app))
        await pilot.press("apostrophe")
        await until(pilot, lambda: "▸ ERROR in the beginning" in screen_text(app))
        await pilot.press("m", "G")
        await until(pilot, lambda: "line 39999" in screen_text(app))
        await pilot.press("apostrophe")
        await until(pilot, lambda: "no bookmarks here" in screen_text(app))


async def test_what_is_shown_is_exported_and_nothing_is_overwritten(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "shown"
    target.parent.mkdir()
    monkeypatch.chdir(target.parent)
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "line 199")
        await pilot.press("ampersand", *"line 19", "enter")
        await until(pilot, lambda: "189 hidden" in screen_text(app))
        await pilot.press("colon", *"export shown", "enter")
        await tells(pilot, app, "11 lines")
        assert target.read_text().splitlines() == ["line 19", *(f"line {number}" for number in range(190, 200))]
        await pilot.press("colon", *"export shown", "enter")
        await tells(pilot, app, "was not written: File exists")
        for path, why in (("~nobody-of-that-name/shown", "no such home directory"), ("a\0b", "no path has a NUL")):
            app.screen.query_one(CommandLine).post_message(CommandLine.Entered(f"export {path}"))
            await tells(pilot, app, f"was not written: {why}")


async def test_marked_logs_are_merged_by_time_with_their_names(tmp_path: Path) -> None:
    for replica, second in (("expert-1-0", 1), ("expert-1-1", 2)):
        lines = [f"2025-12-24 04:00:{second + 2 * n:02} from {replica} {n}\n  goes on\n" for n in range(5)]
        (tmp_path / f"{replica}.1.log").write_text("".join(lines))
    (tmp_path / "orchestrator-0.1.log").write_text("2025-12-24 04:00:00 orchestrator\n")
    async with run_on_logs(tmp_path, size=(120, 30)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "expert-1-1.1.log" in screen_text(app))
        await pilot.press("space", "space", "M")
        await until(pilot, lambda: "2 logs by time" in screen_text(app))
        await until(pilot, lambda: "from expert-1-1 4" in screen_text(app))
        order = [(each.source, each.text.split()[-1]) for each in view(app).lines]
        assert order == [pair for n in range(5) for pair in ((0, str(n)), (0, "on"), (1, str(n)), (1, "on"))]
        assert "expert-1-0.1 2025-12-24 04:00:01 from expert-1-0 0" in screen_text(app)
        append(tmp_path / "expert-1-0.1.log", b"2025-12-24 04:00:59 the newest\n")
        await until(pilot, lambda: "expert-1-0.1 2025-12-24 04:00:59 the newest" in screen_text(app))


async def test_without_marks_the_replicas_of_an_expert_are_merged_and_one_log_alone_is_not(tmp_path: Path) -> None:
    for name in ("expert-1-0.1.log", "expert-1-0.2.log", "expert-1-1.1.log", "other.txt"):
        (tmp_path / name).write_text(f"2025-12-24 04:00:00 in {name}\n")
    async with run_on_logs(tmp_path, size=(120, 30)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "expert-1-1.1.log" in screen_text(app))
        await pilot.press("M")
        await until(pilot, lambda: "in expert-1-0.2.log" in screen_text(app))
        assert app.screen.query_one(LogPane).logs.names == ("expert-1-0.2.log", "expert-1-1.1.log")
        app.screen.query_one("#log-list").focus()
        await pilot.press("G", "M")
        await tells(pilot, app, "two at least")


async def test_brackets_go_through_the_logs_of_an_expert_and_o_to_the_other_stream(tmp_path: Path) -> None:
    for name in ("expert-1-0.1.log", "expert-1-1.1.log", "node1.out", "node1.err"):
        (tmp_path / name).write_text(f"in {name}\n")
    async with run_on_logs(tmp_path) as (app, pilot):
        await opened(pilot, "in expert-1-0.1.log")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "in expert-1-1.1.log" in screen_text(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "in expert-1-0.1.log" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "only the output of a job" in screen_text(app))
        app.screen.query_one(LogPane).screen.wanted = "node1.out"  # type: ignore[attr-defined]
        await until(pilot, lambda: "in node1.out" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "in node1.err" in screen_text(app))


async def test_where_there_is_room_what_is_known_of_the_log_stands_beside_it(log: Path) -> None:
    append(log, b"ERROR: no such file\n")
    async with run_on_logs(log.parent, size=(170, 45)) as (app, pilot):
        await opened(pilot, "ERROR: no such file")
        await until(pilot, lambda: "ERRORS  1 in what is loaded" in screen_text(app))
        await pilot.press("z")
        await until(pilot, lambda: "ERRORS  1" not in screen_text(app))


async def test_a_tmux_window_is_only_spoken_of_where_there_is_none(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "line 199")
        app.screen._environ = {}  # type: ignore[attr-defined]
        await pilot.press("T")
        await tells(pilot, app, "this is not in tmux; in another terminal: less +F")


@dataclass(frozen=True)
class Cause:
    line: int
    cause: str = "the GPU was out of memory"
    remedy: str = "lower gpu_memory_utilization"


def knows_ooms(lines: Sequence[str]) -> Sequence[Cause]:
    return [Cause(number) for number, line in enumerate(lines, 1) if "OutOfMemoryError" in line]


class DiagnosedApp(App[None]):
    """A pane of a log with somebody who knows causes."""

    CSS = "LogTitle { height: 1; } LogView { height: 1fr; }"

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.path = log

    def compose(self) -> ComposeResult:
        yield LogPane(DirectoryLogs(self.path.parent), (), knows_ooms)

    def on_mount(self) -> None:
        pane = self.query_one(LogPane)
        pane.looking.begin()
        pane.open([self.path.name])


async def test_what_a_diagnosis_says_stands_below_the_line(log: Path) -> None:
    append(log, b"torch.OutOfMemoryError: CUDA out of memory\nINFO after it\n")
    app = DiagnosedApp(log)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "the GPU was out of memory" in screen_text(app))
        shown = [each.text.strip() for each in app.query_one(LogView).lines[-4:]]
        assert shown == [
            "torch.OutOfMemoryError: CUDA out of memory",
            "└ the GPU was out of memory",
            "lower gpu_memory_utilization",
            "INFO after it",
        ]


# --- the list -----------------------------------------------------------------------------------------------------


async def test_the_list_is_filtered_and_sorted_and_tells_size_and_age(log: Path) -> None:
    (log.parent / "small.log").write_bytes(b"x\n")
    async with run_on_logs(log.parent, size=(80, 24)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "small.log" in screen_text(app))
        assert "1.7 KB" in screen_text(app)
        await pilot.press("slash", *"size>1000", "enter")
        await until(pilot, lambda: "small.log" not in screen_text(app))
        assert "1 of 2 match" in screen_text(app)
        await pilot.press("escape", "colon", *"sort-by size", "enter")
        await until(pilot, lambda: app.screen.query_one("#log-list", KeyedTable).cursor_key is not None)
        table = app.screen.query_one("#log-list", KeyedTable)
        await until(pilot, lambda: table.index_of("small.log") == 0)


async def test_the_list_says_how_the_writer_of_each_log_fares() -> None:
    cluster = busy_cluster()
    cluster.change("expert-1-2", phase=Phase.FAILED, attempt=2, why="exited with status 1")
    for name in ("logs/fullrun.log", "logs/expert-1-2.1.log", "logs/expert-1-2.2.log", "jobs/oss_eval_node1.out"):
        cluster.files[f"{RUN}/{name}"] = b"INFO\n"
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "expert-1-2.2.log" in screen_text(app))
        states = {key: row[1].text for key, row in app.screen.query_one(LogList)._rows.items()}
        assert states == {
            "logs/fullrun.log": "● running",
            "logs/expert-1-2.2.log": "✖ failed",
            "logs/expert-1-2.1.log": "■ earlier",
            "jobs/oss_eval_node1.out": "● running",
        }


async def test_escape_goes_back_to_the_list_where_there_is_room_for_one_alone(log: Path) -> None:
    (log.parent / "other.log").write_bytes(b"another\n")
    async with run_on_logs(log.parent, size=(80, 24)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "server.log" in screen_text(app))
        assert not view(app).is_on_screen
        await pilot.press("j", "enter")
        await until(pilot, lambda: "line 199" in screen_text(app))
        assert "other.log" not in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "other.log" in screen_text(app))
        assert app.screen.query_one("#log-list", KeyedTable).cursor_key == "server.log"
        await pilot.press("k", "enter")
        await until(pilot, lambda: "another" in screen_text(app))
        assert app.screen.query_one(LogTitle).state.name == "other.log"


async def test_a_directory_without_logs_says_so(tmp_path: Path) -> None:
    async with run_on_logs(tmp_path) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "There are no logs yet; r looks again." in screen_text(app))
        (tmp_path / "late.log").write_bytes(b"x\n")
        await pilot.press("r")
        await until(pilot, lambda: "late.log" in screen_text(app))


async def test_a_log_that_is_begun_later_shows_up_by_itself(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: "server.log" in screen_text(app))
        log.with_name("another.log").write_bytes(b"hello\n")
        await until(pilot, lambda: "another.log" in screen_text(app))


async def test_a_log_whose_end_is_one_endless_line_fills_the_view_with_parts_of_it(log: Path) -> None:
    log.write_bytes(LINES + b"x" * 300_000 + b"\nthe last line\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "the last line")
        await until(pilot, lambda: "line 199" in screen_text(app))
        assert view(app).follow


async def test_a_sideways_scrolled_view_stays_so_when_lines_come(log: Path) -> None:
    append(log, b"y" * 300 + b"\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "yyyy")
        await pilot.press("l", "l", "l")
        await until(pilot, lambda: view(app).scroll_offset.x == 3)
        append(log, b"abc and more\n")
        await until(pilot, lambda: " and more" in screen_text(app))
        assert "abc" not in screen_text(app)
        assert view(app).scroll_offset.x == 3


async def test_the_bar_of_a_log_that_opens_at_its_end_says_so(log: Path) -> None:
    async with run_on_logs(log.parent) as (app, pilot):
        await opened(pilot, "line 199")
        bar = view(app).vertical_scrollbar
        await until(pilot, lambda: view(app).max_scroll_y > 0 and bar.position == view(app).max_scroll_y)


class BrokenList(DirectoryLogs):
    """Cannot be read for as long as there is a file `broken` in it."""

    async def entries(self) -> tuple[LogEntry, ...]:
        if (self.directory / "broken").exists():
            raise OSError(5, "Input/output error")
        return await super().entries()


async def test_trouble_with_the_list_is_said_until_the_list_is_read(log: Path) -> None:
    broken = log.parent / "broken"
    broken.touch()
    app = WatchedApp(None, BrokenList(log.parent))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("6")
        await shows(pilot, "the list of logs:")
        broken.unlink()
        await pilot.press("r")
        await until(pilot, lambda: "the list of logs:" not in screen_text(app) and log.name in screen_text(app))
