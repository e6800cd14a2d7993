from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis import candidates
from tau2tui.analysis.candidates import LineFinder
from tau2tui.analysis.literals import required_literals
from tau2tui.analysis.markers import MARKS

PIECES = st.sampled_from(
    [
        *(b"[PROFILE] ", b"[USER_JUDGE] ", b"[PROFILE]", b"\xdb" + b"PROFILE] ", b"\n", b"\n", b"\r\n", b"\xff", b"x"),
        *(b"Task failed", b"Task fail", "é".encode(), b"[", *map(str.encode, MARKS)),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 60))
def test_exactly_the_lines_that_hold_a_text_are_found(data: bytes, block: int) -> None:
    usual, candidates._BLOCK = candidates._BLOCK, block
    try:
        found = LineFinder(["Task failed"]).find(data)
    finally:
        candidates._BLOCK = usual
    lines = data.split(b"\n")
    profile = [line for line in lines if b"[PROFILE] " in line or b"[USER_JUDGE] " in line]
    assert found.profile == b"\n".join(line.decode("utf-8", "replace").encode() for line in profile)
    wanted = [line for line in lines if any(text.encode() in line for text in (*MARKS, "Task failed"))]
    others = [line.encode() for line in found.others]
    # A byte that only looks like ASCII may make a candidate of a line, never cost one.
    expected = [line.decode("utf-8", "replace").encode() for line in wanted]
    assert [line for line in others if line in expected] == expected


def test_a_text_that_could_hide_a_mark_is_refused() -> None:
    for text in ("PROFILE", "x [PRO", "E] failed", "größer"):
        with pytest.raises(ValueError, match="cannot be sought"):
            LineFinder([text])


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("Task failed", ("Task failed",)),
        (r"Retrying in 5 seconds|Retry \d+/\d+ in \d+s", ("Retrying in 5 seconds", "Retry ")),
        (r"torch\.OutOfMemoryError", ("torch.OutOfMemoryError",)),
        (r"CUDA (?:error|failure): (out|of)", ("CUDA ",)),
        (r"connections?\b", ("connection",)),
        (r"[0-9]{3} [^]x] timed? out", (" time",)),
        (r"(?i)timeout", None),
        (r"abc|.*", None),
        (r"(Task failed)?", None),
        (r"a{3,4}bcd{2}", None),
        (r"\x41bcdefg\d", None),
    ],
)
def test_the_texts_that_an_expression_needs(pattern: str, texts: tuple[str, ...] | None) -> None:
    assert required_literals(pattern) == texts


ATOMS = st.sampled_from(
    [r"Task", r"failed", r"\d", r"\.", r"x", r"e?", r"o+", r"[a-f]", r"(?:ab|cd)", r"|", r"\bword", r"a{1,2}", r"(z)*"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ATOMS, max_size=6).map("".join), st.data())
def test_a_match_always_holds_one_of_the_texts(pattern: str, data: st.DataObject) -> None:
    texts = required_literals(pattern)
    line = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    assert texts is None or any(text in line for text in texts)
