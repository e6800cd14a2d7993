"""A screen comes back as it was left, and a bug leaves a report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tau2tui.tui.remembering import SessionFile, SessionLook, TableLook, write_crash
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.tui.driving import run_on, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def healthy() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    return cluster


async def test_filter_order_marks_cursor_and_screen_come_back() -> None:
    async with run_on(make_ops(healthy())) as (app, pilot):
        table = app.screen.query_one(FleetTable)
        await pilot.press("colon", *"filter-by expert-1", "enter")
        await until(pilot, lambda: table.row_count == 4)
        await pilot.press("colon", *"sort-by -port", "enter")
        await pilot.press("k", "k", "space", "z", "8")
        await until(pilot, lambda: app.current_mode == "sources")
        app._go_on()
        file = SessionFile(app._session.path.stem)
        await until(pilot, lambda: file.read().view == "sources")
    async with run_on(make_ops(healthy())) as (app, pilot):
        assert app.current_mode == "sources"
        await pilot.press("1")
        table = app.screen.query_one(FleetTable)
        await until(pilot, lambda: table.row_count == 4 and bool(table.marks))
        assert [table.drawn_row(row)[1] for row in range(4)] == [f"expert-1-{n}" for n in (3, 2, 1, 0)]
        assert table.marks == ("expert-1-2",)
        assert table.cursor_key == "expert-1-1"
        assert app.screen.has_class("-zoomed")


async def test_a_session_of_another_run_is_another_session() -> None:
    SessionFile("another").write(SessionLook("sources", {}))
    async with run_on(make_ops(healthy())) as (app, _):
        assert app.current_mode == "fleet"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"view": 7, "tables": {"fleet": 3}}', '{"tables": {}}', "\x00"])
def test_a_file_that_holds_something_else_is_as_good_as_none(content: str) -> None:
    file = SessionFile("one")
    file.path.parent.mkdir(parents=True)
    file.path.write_text(content)
    assert file.read() == SessionLook()


def test_a_name_from_outside_never_leaves_the_directory() -> None:
    assert SessionFile("../../etc/passwd").path.parent == SessionFile("one").path.parent
    assert SessionFile("x" * 500).path.name == "x" * 100 + ".json"


def test_what_is_kept_is_private_and_comes_back() -> None:
    file = SessionFile("one")
    look = SessionLook("fleet", {"fleet": TableLook("state:failed", "-kv", ("a", "b"), "b", True)})
    file.write(look)
    assert SessionFile("one").read() == look
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    SessionFile("one").write(SessionLook("fleet", {}))
    assert write_crash(RuntimeError("x"), "") is None


def test_a_crash_is_described_with_its_screen_and_old_ones_go() -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        path = write_crash(error, "● ready  expert-1-2")
    assert path is not None
    words = path.read_text()
    assert "RuntimeError: a bug" in words and "● ready  expert-1-2" in words and "test_remembering.py" in words
    for number in range(30):
        (path.parent / f"20200101-0000{number:02}-{os.getpid()}.txt").write_text("old")
    write_crash(RuntimeError("another"), "")
    assert len(list(path.parent.glob("*.txt"))) == 20


async def test_a_bug_in_a_screen_ends_the_app_and_is_described() -> None:
    with pytest.raises(ZeroDivisionError):
        async with run_on(make_ops(healthy())) as (app, pilot):
            app.call_later(lambda: 1 / 0)
            await pilot.pause()
            await pilot.pause()
    assert app.return_code == 1
    assert app.crash_file is not None and "ZeroDivisionError" in app.crash_file.read_text()
    assert "orchestrator-0" in app.crash_file.read_text()
