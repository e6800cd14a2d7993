"""The user simulator: tau2's, with its prompts and rules, but with our client instead of litellm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tau2.data_model.message import UserMessage
from tau2.user.user_simulator import UserSimulator

from tau2tui.evaluation.calls import Caller
from tau2tui.evaluation.client import ToolSchema
from tau2tui.evaluation.conversation import chat_messages
from tau2tui.evaluation.orchestrator import hear, tool_calls
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.turn import Part, Turn


class SimulatedUser(UserSimulator):  # type: ignore[misc]
    """Plays the user of one task."""

    def __init__(
        self,
        participant: Participant,
        scenario: str,
        tools: list[Any] | None,
        schemas: Sequence[ToolSchema],
        call: Caller,
    ) -> None:
        """`tools`: tau2's, None in domains whose users have none; `schemas`: the same for the model."""
        super().__init__(tools=tools, instructions=scenario, llm=participant.model, llm_args={})
        self._participant = participant
        self._schemas = schemas
        self._call = call

    def generate_next_message(self, message: Any, state: Any) -> tuple[Any, Any]:
        """The next message of the user and the state that holds it. Raises CallError."""
        hear(message, state)
        messages = chat_messages([*state.system_messages, *state.flip_roles()])
        turn = Turn((Part(self._participant, self._call(self._participant, messages, self._schemas)),))
        answer = UserMessage(
            role="user",
            content=turn.text or None,
            tool_calls=tool_calls(turn.tool_calls, "user"),
            usage=turn.usage,
            cost=turn.cost,
            raw_data=turn.record,
        )
        state.messages.append(answer)
        return answer, state
