"""Bytes of logs become lines that can be drawn, whatever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tau2tui.tui.log_lines import DRAWN_CHARACTERS, KEPT_LINES, LogLines, error_pattern, readable, search_pattern


def fed(*pieces: bytes) -> LogLines:
    lines = LogLines(error_pattern(("harmony trouble",)))
    for piece in pieces:
        lines.feed(piece)
    return lines


def texts(lines: LogLines) -> list[str]:
    return [line.text for line in lines.lines]


def test_progress_bars_collapse_to_what_they_came_to() -> None:
    assert texts(fed(b"load 1%\rload 50%\rload 100%\nnext\r\n")) == ["load 100%", "next"]


def test_a_bar_that_is_still_running_is_one_line_that_changes() -> None:
    lines = fed(b"first\nload 1%")
    assert texts(lines) == ["first", "load 1%"]
    lines.feed(b"\rload 2%")
    assert texts(lines) == ["first", "load 2%"]
    lines.feed(b"\rload 3%\r")
    assert texts(lines) == ["first", "load 3%"]
    lines.feed(b"\nlast\n")
    assert texts(lines) == ["first", "load 3%", "last"]


def test_colours_titles_nuls_and_bad_utf_8_do_not_reach_the_screen() -> None:
    assert readable(b"\x1b[1;31mERROR\x1b[0m \x1b]0;title\x07x\x00y \xff\xfe\tz") == "ERROR x�y ��    z"


def test_a_long_line_is_cut_when_drawn_and_says_how_long_it_is() -> None:
    line = readable(b"x" * 5000)
    assert line.startswith("x" * DRAWN_CHARACTERS + "…")
    assert "5,000 bytes" in line


def test_a_line_without_an_end_does_not_grow_without_bounds() -> None:
    lines = LogLines(error_pattern())
    for _ in range(100):
        lines.feed(b"x" * 1_000_000)
    assert len(lines.lines) == 1
    assert len(lines._partial) < 100_000


def test_only_the_newest_lines_are_kept() -> None:
    lines = fed(b"".join(b"%d\n" % number for number in range(KEPT_LINES + 10)), b"and\none more\n")
    assert len(lines.lines) == KEPT_LINES
    assert texts(lines)[-3:] == [str(KEPT_LINES + 9), "and", "one more"]
    assert texts(lines)[0] == "12"


def test_lines_that_tell_of_errors_are_known() -> None:
    lines = fed(
        b"INFO fine\nERROR: no\nTraceback (most recent call last):\nValueError: x\n"
        b"torch.OutOfMemoryError: CUDA out of memory\nsome harmony trouble\nno errors at all\n"
    )
    assert [line.error for line in lines.lines] == [False, True, True, True, True, True, False]


def test_a_search_goes_round_and_knows_when_there_is_nothing() -> None:
    lines = fed(b"a\nERROR b\nc\nERROR d\n")
    assert lines.find(1, 1) == 3
    assert lines.find(3, 1) == 1
    assert lines.find(1, -1) == 3
    wanted = search_pattern("C")
    assert wanted is not None
    assert lines.find(0, 1, wanted) is None
    wanted = search_pattern("c")
    assert wanted is not None
    assert (lines.find(0, 1, wanted), lines.count(wanted)) == (2, 1)
    assert LogLines(error_pattern()).find(0, 1) is None


def test_what_is_searched_for_is_taken_literally() -> None:
    wanted = search_pattern("[a+b]")
    assert wanted is not None
    assert wanted.search("see [A+B] there")
    assert not wanted.search("aab")
    assert search_pattern("") is None


def test_notes_stand_between_the_lines() -> None:
    lines = fed(b"one\ntwo, unfin")
    lines.note("rotated")
    lines.feed(b"ished\n")
    assert texts(lines) == ["one", "two, unfin", "rotated", "ished"]
    assert [line.note for line in lines.lines] == [False, False, True, False]


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_in_any_pieces_give_the_same_lines(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    split, at_once = fed(*pieces), fed(whole)
    assert texts(split)[: whole.count(b"\n")] == texts(at_once)[: whole.count(b"\n")]
    assert all(line.text.isprintable() for line in split.lines)
