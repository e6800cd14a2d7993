"""The agent that tau2 talks to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Literal

from tau2.agent.llm_agent import LLMAgent
from tau2.data_model.message import AssistantMessage, MultiToolMessage, ToolCall

from tau2tui.evaluation.answer import ToolRequest
from tau2tui.evaluation.conversation import chat_messages
from tau2tui.evaluation.delegation import Delegation


class DelegatingAgent(LLMAgent):  # type: ignore[misc]
    """tau2's agent, with its prompts, whose turns are taken by the orchestrator or an expert."""

    def __init__(self, policy: str, model: str, delegation: Delegation) -> None:
        """`policy`: the domain's. The tools are known to the delegation: tau2 would describe them anew each time."""
        super().__init__(tools=[], domain_policy=policy, llm=model, llm_args={})
        self._delegation = delegation

    def generate_next_message(self, message: Any, state: Any) -> tuple[Any, Any]:
        """The next message of the agent and the state that holds it. Raises CallError."""
        hear(message, state)
        turn = self._delegation.turn(chat_messages([*state.system_messages, *state.messages]))
        answer = AssistantMessage(
            role="assistant",
            content=turn.text or None,
            tool_calls=tool_calls(turn.tool_calls, "assistant"),
            usage=turn.usage,
            cost=turn.cost,
            raw_data=turn.record,
        )
        state.messages.append(answer)
        return answer, state


def hear(message: Any, state: Any) -> None:
    """Take what came in into the state: one message, or all results of a message with several tool calls."""
    if isinstance(message, MultiToolMessage):
        state.messages.extend(message.tool_messages)
    else:
        state.messages.append(message)


def tool_calls(requests: Iterable[ToolRequest], requestor: Literal["assistant", "user"]) -> list[Any] | None:
    """tau2's tool calls, each with an id of its own; None if there are none: an empty list counts as a call."""
    calls = [
        ToolCall(id=f"call_{uuid.uuid4().hex}", name=request.name, arguments=request.arguments, requestor=requestor)
        for request in requests
    ]
    return calls or None
