"""What clients of chat completions servers share."""

from __future__ import annotations

import pytest

from tau2tui.evaluation.connection import EventData, without_key


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_come_out_whole_however_the_stream_is_cut(size: int) -> None:
    lines = (
        ": a comment",
        'data: {"a": "x\u2028y"}',
        "",
        "data:{}\r",
        "",
        "event: other",
        "data: [DONE]",
        "data: half",
    )
    stream = "\n".join(lines).encode()
    events = EventData()
    found = [data for at in range(0, len(stream), size) for data in events.of(stream[at : at + size])]
    assert found == ['{"a": "x\u2028y"}'.encode(), b"{}"]


def test_a_key_is_not_repeated_and_a_long_message_is_cut_after_it_was_taken_out() -> None:
    assert without_key("no key sk-1 here, sk-1", "sk-1") == "no key *** here, ***"
    assert "secret" not in without_key("x" * 296 + "secret", "secret")
    assert without_key("said", "") == "said"
