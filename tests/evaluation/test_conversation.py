"""Conversations as models get them: complete turns, within the budget."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tau2tui.evaluation.conversation import (
    CHARACTERS_PER_TOKEN,
    NO_THINK,
    NON_THINKING_SYSTEM,
    chat_messages,
    fitted,
    non_thinking,
    tool_call,
)

Message = dict[str, Any]

SYSTEM = {"role": "system", "content": "The policy."}
GREETING = {"role": "assistant", "content": "Hi! How can I help you today?"}
FIRST = {"role": "user", "content": "I want a refund."}


def tokens(messages: list[Message]) -> float:
    return sum(len(json.dumps(message, ensure_ascii=False)) for message in messages) / CHARACTERS_PER_TOKEN


def said(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}, {"role": "user", "content": "Go on."}]


def called(number: int, *results: str) -> list[Message]:
    calls = [tool_call(f"call_{number}_{place}", "look", {}) for place in range(len(results))]
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": c["id"], "content": r} for c, r in zip(calls, results, strict=True)),
    ]


def test_messages_of_tau2_become_messages_of_the_api() -> None:
    call = SimpleNamespace(id="call_1", name="look", arguments={"at": "it"})
    history = [
        SimpleNamespace(role="system", content="The policy."),
        SimpleNamespace(role="user", content="Hi", tool_calls=None),
        SimpleNamespace(role="assistant", content=None, tool_calls=[call]),
        SimpleNamespace(role="tool", id="call_1", content=None),
        SimpleNamespace(role="assistant", content="Done.", tool_calls=None),
    ]
    assert chat_messages(history) == [
        {"role": "system", "content": "The policy."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("call_1", "look", {"at": "it"})]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
        {"role": "assistant", "content": "Done."},
    ]


def test_who_shall_not_think_is_told_so_after_every_user_message() -> None:
    rendered = non_thinking([SYSTEM, GREETING, FIRST, *called(1, "x")], agent=True)
    assert rendered[0]["content"] == "The policy." + NON_THINKING_SYSTEM
    assert rendered[2]["content"] == "I want a refund." + NO_THINK
    assert rendered[1] == GREETING
    assert rendered[3:] == called(1, "x")
    assert FIRST["content"] == "I want a refund."


def test_the_user_simulator_keeps_its_own_system_message() -> None:
    assert non_thinking([SYSTEM, FIRST], agent=False)[0] == SYSTEM


def test_a_conversation_that_fits_stays_as_it_is() -> None:
    messages = [SYSTEM, GREETING, FIRST, *called(1, "a", "b"), *said("ok")]
    assert fitted(messages, [], 10_000) == messages


def test_the_oldest_turns_are_left_out_and_the_first_question_stays() -> None:
    turns = [called(number, "x" * 400) for number in range(10)]
    messages = [SYSTEM, GREETING, FIRST, *(message for turn in turns for message in turn)]
    kept = fitted(messages, [], 600)
    assert kept[:3] == [SYSTEM, GREETING, FIRST]
    assert kept[-2:] == turns[-1]
    assert 3 < len(kept) < len(messages)
    assert tokens(kept) <= 600
    assert kept[3:] == [message for turn in turns[-(len(kept) - 3) // 2 :] for message in turn]


def test_tools_count_as_well() -> None:
    messages = [SYSTEM, FIRST, *said("a" * 700), *said("b")]
    tools = [{"type": "function", "function": {"name": "look", "description": "x" * 3500}}]
    assert fitted(messages, [], 1000) == messages
    assert fitted(messages, tools, 1100) == [SYSTEM, FIRST, *said("b")]


def test_results_that_are_too_long_even_alone_are_shortened() -> None:
    messages = [SYSTEM, FIRST, *called(1, "short", "x" * 100_000)]
    kept = fitted(messages, [], 1000)
    assert [message["role"] for message in kept] == ["system", "user", "assistant", "tool", "tool"]
    assert kept[3]["content"] == "short"
    assert kept[4]["content"].endswith("x […]")
    assert tokens(kept) <= 1000
    assert messages[4]["content"] == "x" * 100_000


@given(
    st.lists(
        st.one_of(
            st.builds(said, st.text(max_size=300)),
            st.builds(lambda t: called(0, *t), st.lists(st.text(max_size=2000), min_size=1, max_size=3)),
        )
    ),
    st.integers(0, 3000),
)
def test_whatever_is_cut_calls_keep_their_results_and_the_ends_stay(turns: list[list[Message]], budget: int) -> None:
    messages = [SYSTEM, GREETING, FIRST, *(message for turn in turns for message in turn)]
    kept = fitted(messages, [], budget)
    assert kept[:3] == messages[:3]
    assert kept[-1]["role"] == messages[-1]["role"]
    open_calls: list[str] = []
    for message in kept[3:]:
        if message["role"] == "tool":
            assert open_calls.pop(0) == message["tool_call_id"]
        else:
            assert open_calls == []
            open_calls = [call["id"] for call in message.get("tool_calls") or ()]
    assert open_calls == []
    if len(kept) > 3 + len(turns[-1] if turns else []):
        assert tokens(kept) <= budget
