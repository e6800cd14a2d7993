"""Logs on the screen: opened at the end, followed, paused, searched."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tau2tui.tui.app import Tau2App
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.log_title import LogTitle
from tau2tui.tui.widgets.log_view import LogView
from tests.tui.driving import run_on_logs, screen_text, until

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
        await until(pilot, lambda: "▼ 14 B new, G follows" in screen_text(app))
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
        assert app.screen.query_one("#search", Input).has_focus
        await pilot.press("enter")
        await until(pilot, lambda: "needle TWO" in screen_text(app))
        assert "2 hits in what is loaded" in screen_text(app)
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
        assert app.screen.query_one("#search", Input).value == "5qwef"
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
        assert "no error in what is loaded" in screen_text(app)


async def test_w_wraps_long_lines_and_loses_nothing(log: Path) -> None:
    append(log, b"start " + b"ab" * 200 + b" end of it\n" + "模型".encode() * 120 + b"\n")
    async with run_on_logs(log.parent) as (app, pilot):
        await pilot.press("6", "enter")
        await until(pilot, lambda: "start abab" in screen_text(app))
        assert "end of it" not in screen_text(app)
        await pilot.press("w")
        await until(pilot, lambda: "end of it" in screen_text(app))
        assert view(app).follow
        assert screen_text(app).count("模") == 120
        await pilot.press("w")
        await until(pilot, lambda: "end of it" not in screen_text(app))


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
        assert app.screen.query_one(LogTitle).log_name == "other.log"


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
