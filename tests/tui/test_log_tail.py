"""A log is read from its end, both ways, through growth, truncation, replacement and gaps, and never as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.log_lines import error_pattern
from tau2tui.tui.log_tail import GAP_BYTES, PIECE_BYTES, REPLACED, SHORTER, TAIL_BYTES, LogTail, News

ERRORS = error_pattern()


class CountedLogs(DirectoryLogs):
    """Counts the bytes that are read."""

    read_bytes = 0

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        data = await super().read(name, offset, limit)
        CountedLogs.read_bytes += len(data)
        return data


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def tail_of(log: Path) -> LogTail:
    return LogTail(DirectoryLogs(log.parent), log.name, ERRORS)


def texts(tail: LogTail) -> list[str]:
    return [line.text for line in tail.window.lines]


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def test_a_small_log_is_read_from_its_beginning(log: Path) -> None:
    log.write_bytes(b"one\ntwo")
    tail = tail_of(log)
    assert (await tail.look(following=True)).changed
    assert (texts(tail), tail.size, tail.at_begin, tail.at_end) == (["one", "two"], 7, True, True)
    assert not await tail.before()


async def test_a_large_log_is_opened_at_its_tail_whatever_its_size(log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(5 << 30)
        file.seek(0, 2)
        file.write((b"x" * 99 + b"\n") * 1000)
    CountedLogs.read_bytes = 0
    tail = LogTail(CountedLogs(log.parent), log.name, ERRORS)
    await tail.look(following=True)
    assert CountedLogs.read_bytes <= TAIL_BYTES
    assert set(texts(tail)) == {"x" * 99}
    assert not tail.at_begin


async def test_what_stands_before_and_after_is_loaded_piece_by_piece_and_nothing_twice(log: Path) -> None:
    count = 4 * PIECE_BYTES // 20
    log.write_bytes(b"".join(b"this is line %06d\n" % number for number in range(count)))
    tail = LogTail(DirectoryLogs(log.parent), log.name, ERRORS, most=5000)
    await tail.look(following=True)
    assert texts(tail)[-1] == f"this is line {count - 1:06}"
    while await tail.before():
        numbers = [int(line.split()[-1]) for line in texts(tail)]
        assert numbers == [*range(numbers[0], numbers[-1] + 1)]
        assert len(numbers) <= 5000
    assert texts(tail)[0] == "this is line 000000"
    while await tail.after():
        numbers = [int(line.split()[-1]) for line in texts(tail) if len(line) == 19]  # the last may have no end yet
        assert len(numbers) >= len(texts(tail)) - 1
        assert numbers == [*range(numbers[0], numbers[-1] + 1)]
    assert texts(tail)[-1] == f"this is line {count - 1:06}"
    assert tail.at_end
    append(log, b"more\n")
    await tail.look(following=True)
    assert texts(tail)[-1] == "more"


async def test_it_goes_to_the_beginning_around_a_place_and_to_the_end(log: Path) -> None:
    lines = [b"this is line %06d\n" % number for number in range(100_000)]
    log.write_bytes(b"".join(lines))
    tail = tail_of(log)
    await tail.look(following=True)
    await tail.to_begin()
    assert (texts(tail)[0], tail.at_begin, tail.at_end) == ("this is line 000000", True, False)
    await tail.around(50_000 * len(lines[0]))
    assert "this is line 050000" in texts(tail)
    assert "this is line 049999" in texts(tail)
    assert not tail.at_begin
    assert not tail.at_end
    await tail.look(following=True)
    assert (texts(tail)[-1], tail.at_end) == ("this is line 099999", True)


async def test_what_is_added_is_read_once_and_while_it_is_not_followed_only_counted(log: Path) -> None:
    log.write_bytes(b"one\n")
    tail = tail_of(log)
    await tail.look(following=True)
    assert await tail.look(following=True) == News()
    append(log, b"two\nthr")
    assert await tail.look(following=False) == News(False, 1, 7)
    append(log, b"ee\n")
    assert await tail.look(following=False) == News(False, 2, 10)
    assert texts(tail) == ["one"]
    assert await tail.look(following=True) == News(changed=True)
    assert texts(tail) == ["one", "two", "three"]
    append(log, b"four\n")
    await tail.look(following=True)
    assert texts(tail)[-1] == "four"


async def test_a_truncated_log_is_read_anew_and_that_is_said(log: Path) -> None:
    log.write_bytes(b"long enough\n")
    tail = tail_of(log)
    await tail.look(following=True)
    log.write_bytes(b"new\n")
    assert (await tail.look(following=False)).changed
    assert texts(tail) == ["long enough", SHORTER, "new"]
    append(log, b"newer\n")
    await tail.look(following=True)
    assert texts(tail)[-1] == "newer"


async def test_a_log_that_was_replaced_by_a_longer_one_is_known_by_what_is_not_there_any_more(log: Path) -> None:
    log.write_bytes(b"the first file\n")
    tail = tail_of(log)
    await tail.look(following=True)
    log.unlink()
    log.write_bytes(b"another, and it is longer than the first one\n")
    await tail.look(following=True)
    assert texts(tail) == ["the first file", REPLACED, "another, and it is longer than the first one"]


async def test_a_log_that_vanishes_raises_and_one_that_comes_back_is_read_on(log: Path) -> None:
    log.write_bytes(b"one\n")
    tail = tail_of(log)
    await tail.look(following=True)
    log.unlink()
    with pytest.raises(FileNotFoundError):
        await tail.look(following=True)
    log.write_bytes(b"one\ntwo\n")
    await tail.look(following=True)
    assert texts(tail) == ["one", "two"]


async def test_a_gap_that_is_too_large_is_skipped_and_that_is_said(log: Path) -> None:
    log.write_bytes(b"one\n")
    tail = tail_of(log)
    await tail.look(following=True)
    append(log, (b"y" * 99 + b"\n") * (GAP_BYTES // 100 + 1000))
    await tail.look(following=True)
    assert texts(tail)[0] == "one"
    assert re.fullmatch(r"[\d.]+ [KM]B in between are not shown", texts(tail)[1])
    assert set(texts(tail)[2:]) == {"y" * 99}
    append(log, b"end\n")
    await tail.look(following=True)
    assert texts(tail)[-1] == "end"


async def test_a_line_of_many_megabytes_is_passed_in_parts(log: Path) -> None:
    log.write_bytes(b"first\n" + b"z" * (3 << 20) + b"\nlast\n")
    tail = tail_of(log)
    await tail.look(following=True)
    assert texts(tail)[-1] == "last"
    while await tail.before():
        pass
    assert texts(tail)[0] == "first"
    assert len(texts(tail)) < 50
    await tail.to_begin()
    while await tail.after():
        pass
    assert texts(tail)[-1] == "last"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@example([b"", b"\r", b"\x00", b"\n\n"])
@example([b"1%", b"\r2%\r3%", b"\nnext\n"])
@given(st.lists(st.binary(max_size=80), max_size=10))
async def test_any_bytes_written_in_any_cuts_are_followed_without_loss(tmp_path: Path, pieces: list[bytes]) -> None:
    log = tmp_path / "any.log"
    log.write_bytes(b"")
    tail = tail_of(log)
    await tail.look(following=True)
    for number, piece in enumerate(pieces):
        append(log, piece)
        await tail.look(following=number % 3 != 1)
    await tail.look(following=True)
    at_once = tail_of(log)
    await at_once.look(following=True)
    ended = b"".join(pieces).count(b"\n")
    assert tail.window.lines[:ended] == at_once.window.lines[:ended]
