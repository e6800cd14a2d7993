"""A screen comes back as it was left, and a bug leaves a report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tau2tui.tui.remembering import SessionFile, SessionLook, TableLook, write_crash
from tests.tui.driving import run_on
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def healthy() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    return cluster


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
