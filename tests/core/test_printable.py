"""Nothing from outside acts on a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.core.printable import as_displayed, controls_escaped, harmless, line_cut, one_line, without_escapes

HOSTILE = "a\x1b[31mred\x1b[0m\x1b]0;title\x07\u202eb\x00\x9b2J"


def test_a_text_keeps_its_lines_and_tabs_and_loses_what_acts() -> None:
    assert harmless("one\n\ttwo") == "one\n\ttwo"
    assert harmless(HOSTILE) == "a�[31mred�[0m�]0;title��b��2J"


def test_one_line_has_blanks_for_breaks() -> None:
    assert one_line("one\n\ttwo\u2028three\xa0four") == "one  two three four"
    assert one_line("plain") == "plain"


@given(st.text())
def test_what_is_printable_stays_on_its_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert len(one_line(text)) == len(text)


@given(st.text())
def test_json_says_the_same_without_controls(text: str) -> None:
    written = controls_escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(written) == text
    assert harmless(written) == written


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"10%\r50%\r100%", b"100%"),
        (b"done\r", b"done"),
        (b"\x1b[32mINFO\x1b[0m ready", b"INFO ready"),
        (b"\x1b]0;a title\x07words", b"words"),
        (b"\x1bMwords", b"words"),
        (b"", b""),
    ],
)
def test_a_line_is_what_a_terminal_would_show_in_the_end(line: bytes, left: bytes) -> None:
    assert as_displayed(line) == left
    assert without_escapes(line.decode()).rpartition("\r")[2].encode() in (left, b"")


@given(text=st.text(), width=st.integers(1, 40))
def test_a_line_is_cut_to_its_width_and_says_so(text: str, width: int) -> None:
    cut, whole = line_cut(text, width), one_line(text)
    assert cut == whole or (len(cut) == width and cut.endswith("…") and whole.startswith(cut[:-1]))
