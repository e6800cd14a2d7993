"""What is looked for in logs, in lines and in whole files, and that nothing looked for can hang."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui import log_search
from tau2tui.tui.log_lines import ERROR_WORDS, error_pattern, make_lines
from tau2tui.tui.log_pattern import BadPattern, LogPattern, parse_pattern
from tau2tui.tui.log_search import SCAN_BYTES, ErrorPlaces, find_backward, find_forward, first_line, last_line

NAME = "any.log"


def pattern(words: str) -> LogPattern:
    found = parse_pattern(words)
    assert found is not None
    return found


def test_words_are_taken_literally_and_capital_letters_count_if_there_is_one() -> None:
    wanted = pattern("[a+b]")
    assert wanted.spans("see [A+B] and [a+b]") == [(4, 9), (14, 19)]
    assert not wanted.matches("aab")
    assert not pattern("Needle").matches("a needle")
    assert pattern("needle").matches("a NEEDLE")
    assert parse_pattern("") is None


def test_an_expression_stands_between_slashes_of_which_the_second_may_be_missing() -> None:
    assert pattern("/err(or)?s/").spans("errs and errors") == [(0, 4), (9, 15)]
    assert pattern("/^load \\d+%").matches("load 12%")
    assert parse_pattern("/") is not None  # a slash is a slash
    assert parse_pattern("//") is None
    with pytest.raises(BadPattern, match="no expression"):
        parse_pattern("/(unclosed/")


def test_an_expression_that_would_take_hours_is_stopped() -> None:
    hopeless = pattern("/(a|a)+$/")
    line = "a" * 3000 + "b"
    with pytest.raises(BadPattern, match="takes too long"):
        hopeless.matches(line)
    with pytest.raises(BadPattern, match="takes too long"):
        hopeless.spans(line)


def test_a_line_is_found_by_what_is_drawn_of_it() -> None:
    data = b"first needle\nload needle\rload 100%\n\x1b[31mnee\x1b[0mdle\nlast\n"
    wanted = pattern("needle")
    assert first_line(data, wanted, wanted.matches) == 0
    assert last_line(data, wanted, wanted.matches) == data.index(b"\x1b[31m")
    assert last_line(data[: data.index(b"\x1b")], wanted, wanted.matches) == 0
    assert first_line(b"nothing\n", wanted, wanted.matches) is None


def test_an_expression_that_would_match_over_lines_finds_each_line_by_itself() -> None:
    wanted = pattern("/b[^x]*c/")
    data = b"a b\nonly c\nb and c\nend\n"
    assert first_line(data, wanted, wanted.matches) == data.index(b"b and c")
    assert last_line(data, wanted, wanted.matches) == data.index(b"b and c")


def test_errors_are_found_as_lines_are_marked() -> None:
    errors = error_pattern(("harmony trouble",))
    quick = ErrorPlaces(["harmony trouble"])
    data = b"INFO ok\nValueError: x\nINFO ok\nharmony trouble\nINFO\n"
    assert first_line(data, quick, lambda text: errors.search(text) is not None) == data.index(b"ValueError")
    assert last_line(data, quick, lambda text: errors.search(text) is not None) == data.index(b"harmony")


@given(st.text(st.sampled_from("ERO :rxcptionuf\nm"), max_size=40), st.sampled_from(ERROR_WORDS))
def test_no_error_stands_where_none_was_looked_for(text: str, word: str) -> None:
    line = f"{text.replace(chr(10), ' ')} {word} x"
    for each in (line, text, f"A{word}", word):
        assert ErrorPlaces().places(each) or not error_pattern().search(each)


async def test_a_file_is_gone_through_in_pieces_either_way_and_tells_how_far_it_is(tmp_path: Path) -> None:
    lines = [b"%07d %s\n" % (number, b"x" * 90) for number in range(60_000)]
    lines[5] = b"the first needle\n"
    lines[59_990] = b"the last needle\n"
    data = b"".join(lines)
    assert len(data) > 5 * SCAN_BYTES
    (tmp_path / NAME).write_bytes(data)
    files, wanted, told = DirectoryLogs(tmp_path), pattern("needle"), list[int]()
    stop, start = data.index(b"the last needle"), data.index(b"the first needle") + 17
    found = await find_backward(files, NAME, stop, 0, wanted, wanted.matches, told.append)
    assert found == data.index(b"the first needle")
    assert told == sorted(told, reverse=True)
    assert len(told) >= 4
    told.clear()
    found = await find_forward(files, NAME, start, len(data), wanted, wanted.matches, told.append)
    assert found == data.index(b"the last needle")
    assert told == sorted(told)
    assert await find_backward(files, NAME, stop, start, wanted, wanted.matches, told.append) is None
    assert await find_forward(files, NAME, start, stop, wanted, wanted.matches, told.append) is None


async def test_a_line_of_many_megabytes_is_looked_through_in_parts_and_not_held(tmp_path: Path) -> None:
    data = b"needle\n" + b"x" * (12 * SCAN_BYTES) + b"\nlast\n"
    (tmp_path / NAME).write_bytes(data)
    files, wanted, looked_at = DirectoryLogs(tmp_path), pattern("needle"), list[int]()

    class Quick:
        """Remembers how much it was given at once."""

        def places(self, text: str) -> list[tuple[int, int]]:
            looked_at.append(len(text))
            return wanted.places(text)

    assert await find_backward(files, NAME, len(data), 0, Quick(), wanted.matches, lambda _: None) == 0
    assert max(looked_at) <= 6 * SCAN_BYTES
    assert sum(looked_at) == len(data)
    looked_at.clear()
    assert await find_forward(files, NAME, 7, len(data), Quick(), wanted.matches, lambda _: None) is None
    assert max(looked_at) <= 6 * SCAN_BYTES


async def test_a_search_can_be_given_up(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(20 * SCAN_BYTES)
    wanted, began = pattern("needle"), asyncio.Event()
    files = DirectoryLogs(tmp_path)
    search = asyncio.create_task(
        find_backward(files, NAME, 20 * SCAN_BYTES, 0, wanted, wanted.matches, lambda place: began.set())
    )
    await began.wait()
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([b"needle", b"hay", b"\xff\x00", b"x" * 70, b"", b"nee\rdle", b"a\x1b[1mb"]), max_size=30)
)
async def test_whatever_the_pieces_the_same_line_is_found(tmp_path: Path, parts: list[bytes]) -> None:
    data = b"\n".join(parts) + b"\n"
    (tmp_path / NAME).write_bytes(data)
    wanted, files = pattern("needle"), DirectoryLogs(tmp_path)
    hits = [line.offset for line in make_lines(data, 0, error_pattern()) if wanted.matches(line.text)]
    whole, log_search.SCAN_BYTES = log_search.SCAN_BYTES, 64
    try:
        backward = await find_backward(files, NAME, len(data), 0, wanted, wanted.matches, lambda _: None)
        forward = await find_forward(files, NAME, 0, len(data), wanted, wanted.matches, lambda _: None)
    finally:
        log_search.SCAN_BYTES = whole
    assert (forward, backward) == ((hits[0], hits[-1]) if hits else (None, None))
