"""What a model answered, read the same way for the agent, the experts and the user simulator."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MALFORMED = "malformed_arguments"


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call as the model asked for it."""

    name: str
    arguments: dict[str, Any]
    """Arguments that are not a JSON object stand under the one key `malformed_arguments`, as text.

    No tool takes that key, so the environment answers with a tool error: the model sees its fault, the task goes on.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion: text or tool calls, and what it took."""

    text: str = ""
    tool_calls: tuple[ToolRequest, ...] = ()
    duration_ms: float = 0.0
    """From sending the request to the end of the answer; waiting for a replica and failed attempts are not in it."""
    prefill_ms: float | None = None
    """Time to the first token; None: the answer was not streamed."""
    decode_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    replica: str = ""
    """The replica that answered; empty for a model outside the fleet."""
    stand_in: bool = False
    """The model said nothing whenever it was asked, and this text of ours stands for it."""

    @property
    def empty(self) -> bool:
        """Neither text nor calls: nothing that tau2 could take as a turn."""
        return not self.text and not self.tool_calls


def visible_text(raw: str) -> str:
    """The part of an answer that is meant for the other side: without thoughts, out of its `<message>` wrapper.

    A thought that was never closed was cut off by the token limit: nothing visible came after it.
    """
    text = raw.rpartition("</think>")[2].strip()
    if text.startswith("<think>"):
        return ""
    _, opening, message = text.rpartition("<message>")
    return message.partition("</message>")[0].strip() if opening else text


def tool_request(name: str, arguments: str) -> ToolRequest:
    """Read the arguments of a tool call; no arguments at all mean an empty object."""
    try:
        parsed = json.loads(arguments) if arguments.strip() else {}
    except ValueError:
        parsed = None
    return ToolRequest(name, parsed if isinstance(parsed, dict) else {MALFORMED: arguments})


def last_call(calls: Iterable[ToolRequest], name: str) -> ToolRequest | None:
    """The last call of a tool of this name, if there is one."""
    found = [call for call in calls if call.name == name]
    return found[-1] if found else None
