"""What stands behind a mark is counted, not searched: the counts are those of a plain look at the bytes."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tau2tui.analysis.places import find_places

PIECES = ("[PROFILE] ", "[USER_JUDGE] ", "[PROFILE]", "[P", "[", "=", "\n", "a=1", "é", "\x1b[0m", " task=")


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@example("[PROFILE] " + "[" * 30 + "=" + "\n[USER_JUDGE] a=1")
@example("[" * 12 + "[PROFILE] a=1")
def test_the_characters_behind_each_mark_have_their_numbers(text: str) -> None:
    data = text.encode()
    found = find_places(data)
    equals, brackets = ([at for at, byte in enumerate(data) if byte == kind] for kind in b"=[")
    marks = [at for at in brackets if data.startswith((b"[PROFILE] ", b"[USER_JUDGE] "), at)]
    ends = [data.find(b"\n", at) if b"\n" in data[at:] else len(data) for at in marks]

    assert found.equals.tolist() == equals
    assert found.brackets.tolist() == brackets
    assert found.marks.at.tolist() == marks
    assert found.marks.judges.tolist() == [data.startswith(b"[U", at) for at in marks]
    assert found.marks.lines.tolist() == [data.count(b"\n", 0, at) for at in marks]
    assert found.marks.equals.tolist() == [bisect_left(equals, at) for at in marks]
    assert found.marks.end_equals.tolist() == [bisect_left(equals, end) for end in ends]
    assert found.marks.end_brackets.tolist() == [bisect_left(brackets, end) for end in ends]
