"""The end of a log, by offset, in whatever bytes it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.ops.tailing import last_lines, new_lines, shown
from tau2tui.remote.logfiles import DirectoryLogs

pytestmark = pytest.mark.slow


async def test_the_last_lines_of_a_long_log_are_whole(tmp_path: Path) -> None:
    lines = [f"line {number} {'x' * (number % 500)}" for number in range(5000)]
    (tmp_path / "a.log").write_text("".join(f"{line}\n" for line in lines) + "half")
    shown, offset = await last_lines(DirectoryLogs(tmp_path), "a.log", 700)
    assert shown == lines[-700:]
    assert offset == (tmp_path / "a.log").stat().st_size - len("half")


async def test_a_line_that_never_ends_is_not_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * (9 << 20) + b"\nlast\n")
    shown, _ = await last_lines(DirectoryLogs(tmp_path), "a.log", 1)
    assert shown == ["last"]


async def test_lines_that_are_added_follow_and_a_truncated_log_is_read_anew(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\n")
    following = new_lines(DirectoryLogs(tmp_path), "a.log", 8)
    log.write_text("one\ntwo\nthree\n")
    assert await anext(following) == "three"
    log.write_text("new\n")
    assert await asyncio.wait_for(anext(following), 30) == "new"
    log.unlink()
    log.write_text("another\n")
    assert await asyncio.wait_for(anext(following), 30) == "another"
    await following.aclose()  # type: ignore[attr-defined]


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_line_nothing_of_it_moves_a_terminal(line: bytes) -> None:
    words = shown(line)
    assert words.isprintable()
