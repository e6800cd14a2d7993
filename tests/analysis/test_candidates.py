from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis import candidates, places
from tau2tui.analysis.candidates import RareTexts
from tau2tui.analysis.literals import required_literals
from tau2tui.analysis.markers import MARKS
from tau2tui.analysis.places import find_places

PIECES = st.sampled_from(
    [
        *(b"[PROFILE] ", b"[USER_JUDGE] ", b"[PROFILE]", b"\xdb" + b"PROFILE] ", b"\n", b"\n", b"\r\n", b"\xff", b"x"),
        *(b"Task failed", b"Task fail", "é".encode(), b"[", *map(str.encode, MARKS)),
    ]
)

_MAY_HOLD = re.compile(
    "|".join([re.escape(mark if mark[0] != "[" else mark[:8]) for mark in MARKS] + ["Task failed"]).encode()
)


def _seven_bits(line: bytes) -> bytes:
    return bytes(byte & 0x7F for byte in line)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 60), st.integers(0, 100))
def test_exactly_the_lines_that_hold_a_text_are_found(data: bytes, block: int, little: int) -> None:
    usual = places._BLOCK, candidates._BLOCK, candidates._LITTLE
    places._BLOCK = candidates._BLOCK = block
    candidates._LITTLE = little
    try:
        found = find_places(data)
        others = RareTexts(["Task failed"]).lines(found)
    finally:
        places._BLOCK, candidates._BLOCK, candidates._LITTLE = usual
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert found.texts(np.arange(len(lines))) == [line.decode("utf-8", "replace") for line in lines]
    profile = [number for number, line in enumerate(lines) if b"[PROFILE] " in line or b"[USER_JUDGE] " in line]
    assert np.unique(found.marks.lines).tolist() == profile
    wanted = [
        number for number, line in enumerate(lines) if any(text.encode() in line for text in (*MARKS, "Task failed"))
    ]
    # A byte that only looks like ASCII may make a candidate of a line, never cost one.
    assert set(wanted) <= set(others.tolist())
    assert all(_MAY_HOLD.search(_seven_bits(lines[number])) for number in others.tolist())


def test_a_text_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be sought"):
        RareTexts(["größer"])


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
