"""One turn of the agent: the orchestrator answers, or hands the turn to an expert by calling the tool `call_expert`.

The expert gets the same conversation and the domain's own tools, and its answer becomes the turn. Nothing of the
delegation stays in the conversation: the next turn begins with the orchestrator again.
"""

from __future__ import annotations

from collections.abc import Sequence

from tau2tui.evaluation.answer import ToolRequest, last_call
from tau2tui.evaluation.calls import Caller
from tau2tui.evaluation.client import ChatMessage, ToolSchema
from tau2tui.evaluation.conversation import tool_call
from tau2tui.evaluation.participants import Cast, Participant
from tau2tui.evaluation.turn import Part, Turn

CALL_EXPERT = "call_expert"
TRANSFER = "transfer_to_human_agents"


class Delegation:
    """Takes the agent's turns in one conversation."""

    def __init__(self, cast: Cast, tools: Sequence[ToolSchema], call: Caller) -> None:
        """`tools`: the domain's, as tau2 gives them."""
        self._cast = cast
        self._tools = tools
        self._call = call
        self._experts = {expert.name: expert for expert in cast.experts}
        self._orchestrator_tools = with_call_expert(tools, cast.experts) if cast.experts else tools

    def turn(self, messages: Sequence[ChatMessage]) -> Turn:
        """The agent's next turn. Raises CallError when a model gives no answer."""
        if self._cast.always:
            return Turn((self._ask(self._cast.always, messages, self._tools),))
        parts = [self._ask(self._cast.agent, messages, self._orchestrator_tools)]
        wanted = self._wanted(parts[-1])
        if wanted and not self._named(wanted):
            parts.append(self._ask(self._cast.agent, [*messages, *self._corrected(wanted)], self._orchestrator_tools))
            wanted = self._wanted(parts[-1])
        # Who insists on an expert that does not exist gets the environment's answer: there is no such tool.
        if wanted and (expert := self._named(wanted)):
            parts.append(self._ask(expert, messages, self._tools))
        return Turn(tuple(parts))

    def _ask(self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]) -> Part:
        return Part(participant, self._call(participant, messages, tools))

    def _wanted(self, part: Part) -> ToolRequest | None:
        """The delegation that this answer asks for, the last one if it asks for several."""
        return last_call(part.answer.tool_calls, CALL_EXPERT) if self._experts else None

    def _named(self, request: ToolRequest) -> Participant | None:
        name = request.arguments.get("expert")
        return self._experts.get(name) if isinstance(name, str) else None

    def _corrected(self, request: ToolRequest) -> list[ChatMessage]:
        """The call and its error, shown to the orchestrator once so that it can choose again."""
        call = tool_call("call_expert_0", request.name, request.arguments)
        error = f"Error: no such expert. Call {CALL_EXPERT} with one of: {', '.join(self._experts)}."
        return [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": error},
        ]


def with_call_expert(tools: Sequence[ToolSchema], experts: Sequence[Participant]) -> list[ToolSchema]:
    """The orchestrator's tools: the domain's without the transfer to a human, which only an expert may decide on."""
    kept = [tool for tool in tools if tool["function"]["name"] != TRANSFER]
    names = [expert.name for expert in experts]
    described = "\n".join(f"- {_described(expert)}" for expert in experts)
    expert = {"type": "string", "enum": names, "description": "The expert to call."}
    call_expert = {
        "name": CALL_EXPERT,
        "description": (
            "Let an expert model take this turn: it sees the whole conversation, and its answer is sent as yours. "
            "Call one when you are not confident, a strong one for hard tasks, and weigh what it costs.\n"
            f"Experts (US dollars for a million input / output tokens, usual time):\n{described}"
        ),
        "parameters": {"type": "object", "properties": {"expert": expert}, "required": ["expert"]},
    }
    return [*kept, {"type": "function", "function": call_expert}]


def _described(expert: Participant) -> str:
    latency = "" if expert.latency_s is None else f", {float(f'{expert.latency_s:.2g}'):g} s"
    figures = f"{expert.name} ({expert.price_in:g} / {expert.price_out:g}{latency})"
    return f"{figures}: {expert.strengths}" if expert.strengths else figures
