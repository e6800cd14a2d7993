"""Bytes of logs become lines that can be drawn, whatever they are; what is loaded of them is bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.tui.log_lines import DRAWN_CHARACTERS, error_pattern, make_line, make_lines, readable
from tau2tui.tui.log_window import KEPT_LINES, LogWindow

ERRORS = error_pattern(("harmony trouble",))


def fed(*pieces: bytes) -> LogWindow:
    window = LogWindow(ERRORS)
    for piece in pieces:
        window.append(piece)
    return window


def texts(window: LogWindow) -> list[str]:
    return [line.text for line in window.lines]


def test_progress_bars_collapse_to_what_they_came_to() -> None:
    assert texts(fed(b"load 1%\rload 50%\rload 100%\nnext\r\n")) == ["load 100%", "next"]


def test_a_bar_that_is_still_running_is_one_line_that_changes() -> None:
    window = fed(b"first\nload 1%")
    assert texts(window) == ["first", "load 1%"]
    window.append(b"\rload 2%")
    assert texts(window) == ["first", "load 2%"]
    window.append(b"\rload 3%\r")
    assert texts(window) == ["first", "load 3%"]
    window.append(b"\nlast\n")
    assert texts(window) == ["first", "load 3%", "last"]


def test_colours_titles_nuls_and_bad_utf_8_do_not_reach_the_screen() -> None:
    assert readable(b"\x1b[1;31mERROR\x1b[0m \x1b]0;title\x07x\x00y \xff\xfe\tz") == "ERROR x�y ��    z"


def test_a_long_line_is_cut_when_drawn_and_says_how_long_it_is() -> None:
    line = readable(b"x" * 5000)
    assert line.startswith("x" * DRAWN_CHARACTERS + "…")
    assert "5,000 bytes" in line


def test_a_line_without_an_end_does_not_grow_without_bounds() -> None:
    window = LogWindow(ERRORS)
    for _ in range(100):
        window.append(b"x" * 1_000_000)
    assert len(window.lines) == 1
    assert len(window._partial) < 100_000
    assert (window.begin, window.end) == (0, 100_000_000)


def test_only_the_newest_lines_are_kept_and_it_is_known_where_they_begin() -> None:
    data = b"".join(b"%d\n" % number for number in range(KEPT_LINES + 10))
    window = fed(data, b"and\none more\n")
    assert len(window.lines) == KEPT_LINES
    assert texts(window)[-3:] == [str(KEPT_LINES + 9), "and", "one more"]
    assert texts(window)[0] == "12"
    assert window.begin == window.lines[0].offset == data.index(b"\n12\n") + 1


def test_lines_before_are_put_before_and_those_at_the_end_are_given_up() -> None:
    data = b"".join(b"line %05d\n" % number for number in range(KEPT_LINES + 5))
    begin = 100 * 11
    window = LogWindow(ERRORS, begin)
    window.append(data[begin:])
    window.prepend(make_lines(data[:begin], 0, ERRORS), 0)
    assert (window.begin, window.end) == (0, KEPT_LINES * 11)
    assert window.trimmed_end
    assert texts(window)[-1] == f"line {KEPT_LINES - 1:05}"
    window.append(data[window.end :])
    assert texts(window)[-1] == f"line {KEPT_LINES + 4:05}"


def test_lines_that_tell_of_errors_are_known() -> None:
    window = fed(
        b"INFO fine\nERROR: no\nTraceback (most recent call last):\nValueError: x\n"
        b"torch.OutOfMemoryError: CUDA out of memory\nsome harmony trouble\nno errors at all\n"
    )
    assert [line.error for line in window.lines] == [False, True, True, True, True, True, False]


def test_notes_stand_between_the_lines() -> None:
    window = fed(b"one\ntwo, unfin")
    window.note("rotated")
    window.append(b"ished\n")
    assert texts(window) == ["one", "two, unfin", "rotated", "ished"]
    assert [line.note for line in window.lines] == [False, False, True, False]


@pytest.mark.parametrize(
    ("line", "without"),
    [
        ("[PROFILE] 2025-12-24 04:28:25.388 task=retail_1 type=llm_call", "[PROFILE] task=retail_1 type=llm_call"),
        ("[2025-12-24 04:28:25] evaluation began", "evaluation began"),
        ("2025-12-24T04:28:25.388Z started", "started"),
        ("2025-12-24 04:28:25,388 - root - INFO - hello", "- root - INFO - hello"),
        ("(APIServer pid=7) INFO 12-24 04:28:25 [api_server.py:12] up", "(APIServer pid=7) INFO [api_server.py:12] up"),
    ],
)
def test_the_times_of_vllm_of_logging_and_of_our_own_lines_are_read(line: str, without: str) -> None:
    seen = make_line(line.encode(), 0, ERRORS)
    assert seen.at is not None
    moment = time.gmtime(seen.at)
    assert (moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec) == (12, 24, 4, 28, 25)
    assert line[: seen.stamp[0]] + line[seen.stamp[1] :] == without


@pytest.mark.parametrize(
    "line", ["no time", "9-9 10", "2025-13-40 04:28:25 x", "INFO 99-99 00:00:00 x", "12-24 04:28:25"]
)
def test_what_is_no_time_is_none(line: str) -> None:
    assert make_line(line.encode(), 0, ERRORS).at is None


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_in_any_pieces_give_the_same_lines(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    split, at_once = fed(*pieces), fed(whole)
    ended = whole.count(b"\n")
    assert split.lines[:ended] == at_once.lines[:ended]
    assert split.end == len(whole)
    assert all(line.text.isprintable() for line in split.lines)
    assert split.lines[:ended] == make_lines(whole, 0, ERRORS)[:ended]


@given(st.lists(st.binary(max_size=60), max_size=12), st.data())
def test_any_bytes_loaded_from_the_end_backwards_give_the_same_lines(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"\n".join(parts) + b"\n"
    begins = sorted({0, *(at + 1 for at, byte in enumerate(whole) if byte == 10)} - {len(whole)})
    cut = data.draw(st.sampled_from(begins))
    window = LogWindow(ERRORS, cut)
    window.append(whole[cut:])
    window.prepend(make_lines(whole[:cut], 0, ERRORS), 0)
    assert window.lines == fed(whole).lines
