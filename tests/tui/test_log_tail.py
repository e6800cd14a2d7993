"""A log is followed from its end, through growth, truncation and gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.log_tail import GAP_BYTES, TAIL_BYTES, LogFollower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def follower(log: Path) -> LogFollower:
    return LogFollower(DirectoryLogs(log.parent), log.name)


async def test_a_small_log_is_read_from_its_beginning(log: Path) -> None:
    log.write_bytes(b"one\ntwo")
    news = await follower(log).more()
    assert (news.data, news.note, news.size) == (b"one\ntwo", "", 7)


async def test_a_large_log_is_opened_at_its_tail_from_the_start_of_a_line(log: Path) -> None:
    line = b"x" * 99 + b"\n"
    log.write_bytes(line * 100_000)
    news = await follower(log).more()
    assert len(news.data) <= TAIL_BYTES
    assert set(news.data.split(b"\n")) == {b"x" * 99, b""}
    assert news.note == "9.5 MB before this are not shown"


async def test_what_is_added_is_read_once(log: Path) -> None:
    log.write_bytes(b"one\n")
    following = follower(log)
    await following.more()
    assert (await following.more()).data == b""
    with log.open("ab") as file:
        file.write(b"two\n")
    assert await following.unread() == 4
    assert (await following.more()).data == b"two\n"
    assert await following.unread() == 0


async def test_a_truncated_log_is_read_anew_and_that_is_said(log: Path) -> None:
    log.write_bytes(b"long enough\n")
    following = follower(log)
    await following.more()
    log.write_bytes(b"new\n")
    news = await following.more()
    assert news.data == b"new\n"
    assert "truncated or replaced" in news.note


async def test_a_gap_that_is_too_large_is_skipped_and_that_is_said(log: Path) -> None:
    log.write_bytes(b"one\n")
    following = follower(log)
    await following.more()
    with log.open("ab") as file:
        file.write((b"y" * 99 + b"\n") * (GAP_BYTES // 100 + 1000))
    news = await following.more()
    assert len(news.data) <= TAIL_BYTES
    assert "in between are not shown" in news.note
    assert (await following.more()).data == b""


async def test_a_log_that_vanished_says_so_and_can_come_back(log: Path) -> None:
    log.write_bytes(b"one\n")
    following = follower(log)
    await following.more()
    log.unlink()
    with pytest.raises(FileNotFoundError):
        await following.more()
    log.write_bytes(b"one\ntwo\n")
    assert (await following.more()).data == b"two\n"
