"""A conversation in the form that models get it: rendered for the model, and cut to its budget.

Tokens are estimated as characters / 3.5: on the safe side for the tokenizers of this fleet, with English and JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tau2tui.evaluation.client import ChatMessage, ToolSchema

CHARACTERS_PER_TOKEN = 3.5
NO_THINK = " /no_think"
NON_THINKING_SYSTEM = (
    "\n\nYou are dedicated to provide the best service. Wrap message between <message> </message> "
    "and the tool call between <tool_call> </tool_call>."
)
_SHORTEST_RESULT = 200
_CUT_MARK = " […]"


def chat_messages(messages: Iterable[Any]) -> list[ChatMessage]:
    """tau2's messages in the form of the chat completions API."""
    return [_chat_message(message) for message in messages]


def _chat_message(message: Any) -> ChatMessage:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.id, "content": message.content or ""}
    if message.role == "assistant" and message.tool_calls:
        calls = [tool_call(call.id, call.name, call.arguments) for call in message.tool_calls]
        return {"role": "assistant", "content": message.content, "tool_calls": calls}
    return {"role": message.role, "content": message.content or ""}


def tool_call(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A tool call as it stands in an assistant message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def non_thinking(messages: Sequence[ChatMessage], *, agent: bool, suffix: bool = True) -> list[ChatMessage]:
    """The conversation for a model that shall not think aloud.

    With `suffix` every user message bears the switch of the Qwen3 family; without, the server's chat template is told.
    For one who plays the agent, the system message also says how to answer without thoughts.
    """
    suffixes = {"user": NO_THINK if suffix else "", "system": NON_THINKING_SYSTEM if agent else ""}
    return [
        {**message, "content": message["content"] + suffixes[message["role"]]}
        if message["role"] in suffixes
        else message
        for message in messages
    ]


def fitted(messages: Sequence[ChatMessage], tools: Sequence[ToolSchema], budget_tokens: int) -> list[ChatMessage]:
    """The conversation within `budget_tokens`, tools included.

    Whole turns are left out, the oldest first; a turn is an assistant message with all that follows up to the next one,
    so a tool call keeps its results. What stands before the first turn after the first user message stays, and so does
    the newest turn; if these two alone are too long, its longest tool results are shortened.
    """
    left = budget_tokens - sum(map(_tokens, tools))
    head, turns = _split(messages)
    left -= sum(map(_tokens, head))
    kept: list[list[ChatMessage]] = []
    for turn in reversed(turns):
        size = sum(map(_tokens, turn))
        if kept and size > left:
            break
        kept.insert(0, turn if size <= left else _shortened(turn, left))
        left -= size
    return [*head, *(message for turn in kept for message in turn)]


def _split(messages: Sequence[ChatMessage]) -> tuple[list[ChatMessage], list[list[ChatMessage]]]:
    """What always stays (up to the first user message and until an assistant speaks), and the turns after it."""
    head: list[ChatMessage] = []
    turns: list[list[ChatMessage]] = []
    asked = False
    for message in messages:
        if message["role"] == "assistant" and asked:
            turns.append([message])
        elif turns:
            turns[-1].append(message)
        else:
            head.append(message)
            asked = asked or message["role"] == "user"
    return head, turns


def _shortened(turn: list[ChatMessage], budget_tokens: float) -> list[ChatMessage]:
    """The turn with its longest tool results cut in half until it fits, or nothing is left to cut."""
    turn = [dict(message) for message in turn]
    while sum(map(_tokens, turn)) > budget_tokens:
        results = [message for message in turn if message["role"] == "tool"]
        longest = max(results, key=lambda message: len(message["content"]), default=None)
        if longest is None or len(longest["content"]) <= _SHORTEST_RESULT:
            break
        longest["content"] = longest["content"][: len(longest["content"]) // 2].removesuffix(_CUT_MARK) + _CUT_MARK
    return turn


def _tokens(part: ChatMessage | ToolSchema) -> float:
    return len(json.dumps(part, ensure_ascii=False)) / CHARACTERS_PER_TOKEN
