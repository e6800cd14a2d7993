"""What of an answer the other side gets to see, and tool calls that are not what they should be."""

from __future__ import annotations

import pytest

from tau2tui.evaluation.answer import Answer, ToolRequest, last_call, tool_request, visible_text


@pytest.mark.parametrize(
    ("raw", "visible"),
    [
        ("  Hello. ", "Hello."),
        ("<think>They want a refund.</think>Of course.", "Of course."),
        ("<think>a</think>b<think>c</think> d", "d"),
        ("I think.</think><message>Of course.</message>", "Of course."),
        ("<think>x</think><message>Yes.</message> and some more", "Yes."),
        ("<message>first</message><message>last</message>", "last"),
        ("<message>cut off by the token lim", "cut off by the token lim"),
        ("<think>a thought that never en", ""),
        ("<think>only a thought</think>\n", ""),
        ("<message></message>", ""),
        ("2 < 3 > 1", "2 < 3 > 1"),
    ],
)
def test_only_the_message_is_visible(raw: str, visible: str) -> None:
    assert visible_text(raw) == visible


def test_arguments_are_read() -> None:
    assert tool_request("get_order", '{"order_id": "#1"}') == ToolRequest("get_order", {"order_id": "#1"})


@pytest.mark.parametrize("arguments", ["", "  "])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert tool_request("now", arguments).arguments == {}


@pytest.mark.parametrize("arguments", ['{"order_id": ', "[1]", '"text"', "null", "{'a': 1}"])
def test_arguments_that_are_no_object_are_kept_as_text_under_a_key_that_no_tool_takes(arguments: str) -> None:
    assert tool_request("get_order", arguments).arguments == {"malformed_arguments": arguments}


def test_an_answer_needs_text_or_calls() -> None:
    assert Answer().empty
    assert not Answer(text="x").empty
    assert not Answer(tool_calls=(ToolRequest("x", {}),)).empty


def test_of_several_calls_the_last_one_counts() -> None:
    calls = [ToolRequest("call_expert", {"expert": name}) for name in ("a", "b")]
    assert last_call([*calls, ToolRequest("other", {})], "call_expert") == calls[1]
    assert last_call(calls, "other") is None
