"""The rules of a turn: who is asked, with what, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tau2tui.evaluation.answer import Answer, ToolRequest
from tau2tui.evaluation.client import ChatMessage, ToolSchema
from tau2tui.evaluation.delegation import CALL_EXPERT, TRANSFER, Delegation
from tau2tui.evaluation.participants import Cast, Participant

AGENT = Participant("the-agent", "agent", "org/Agent", price_in=0.2, price_out=0.2)
STRONG = Participant("expert-1", "expert", "org/Strong", strengths="hard reasoning", price_in=1.0, price_out=10.0)
QUICK = Participant("expert-2", "expert", "org/Quick", price_in=0.5, price_out=0.5)
USER = Participant("user", "user", "gpt", fleet=False)
CAST = Cast(agent=AGENT, experts=(STRONG, QUICK), user=USER)

MESSAGES: list[ChatMessage] = [{"role": "system", "content": "P"}, {"role": "user", "content": "Hi"}]


def tool(name: str) -> ToolSchema:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


TOOLS = [tool("get_order"), tool(TRANSFER)]


def expert_call(name: object) -> Answer:
    return Answer(tool_calls=(ToolRequest(CALL_EXPERT, {"expert": name}),), input_tokens=100, output_tokens=10)


@dataclass(frozen=True)
class Call:
    """What someone was asked."""

    participant: Participant
    messages: list[ChatMessage]
    tools: list[str]


class ScriptedCaller:
    """Gives the answers it was handed, in turn, and remembers what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []

    def __call__(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> Answer:
        self.calls.append(Call(participant, list(messages), [tool["function"]["name"] for tool in tools]))
        return self.answers.pop(0)

    @property
    def asked(self) -> list[str]:
        return [call.participant.name for call in self.calls]


def test_the_orchestrator_may_answer_itself() -> None:
    caller = ScriptedCaller(Answer(text="Good day."))
    turn = Delegation(CAST, TOOLS, caller).turn(MESSAGES)
    assert (turn.text, turn.tool_calls) == ("Good day.", ())
    assert caller.asked == ["the-agent"]
    assert caller.calls[0].messages == MESSAGES
    assert caller.calls[0].tools == ["get_order", CALL_EXPERT]
    assert turn.record["answered_by"] == "the-agent"


def test_call_expert_names_the_experts_with_strengths_and_prices() -> None:
    seen: list[ToolSchema] = []

    def call(participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]) -> Answer:
        seen.extend(tools)
        return Answer(text="x")

    Delegation(CAST, TOOLS, call).turn(MESSAGES)
    function: dict[str, Any] = seen[-1]["function"]
    assert function["name"] == CALL_EXPERT
    assert function["parameters"]["properties"]["expert"]["enum"] == ["expert-1", "expert-2"]
    assert function["parameters"]["required"] == ["expert"]
    assert "expert-1 (1 / 10): hard reasoning" in function["description"]
    assert "expert-2 (0.5 / 0.5)" in function["description"]


def test_call_expert_names_the_latencies_as_they_were_when_the_conversation_began() -> None:
    seen: list[str] = []

    def call(participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]) -> Answer:
        seen.append(tools[-1]["function"]["description"])
        return Answer(text="x")

    experts = (replace(STRONG, latency_s=95.678), replace(QUICK, latency_s=0.0123))
    delegation = Delegation(replace(CAST, experts=experts), TOOLS, call)
    for _ in range(3):
        delegation.turn(MESSAGES)
    assert "expert-1 (1 / 10, 96 s): hard reasoning" in seen[0]
    assert "expert-2 (0.5 / 0.5, 0.012 s)" in seen[0]
    assert len(set(seen)) == 1, "a changed description would cost the prefix cache"


def test_an_expert_sees_the_same_conversation_with_the_domains_own_tools_and_its_answer_is_the_turn() -> None:
    caller = ScriptedCaller(
        replace(expert_call("expert-2"), text="I shall ask."), Answer(tool_calls=(ToolRequest("get_order", {"id": 1}),))
    )
    turn = Delegation(CAST, TOOLS, caller).turn(MESSAGES)
    assert caller.asked == ["the-agent", "expert-2"]
    assert caller.calls[1].messages == MESSAGES
    assert caller.calls[1].tools == ["get_order", TRANSFER]
    assert turn.tool_calls == (ToolRequest("get_order", {"id": 1}),)
    assert turn.text == ""
    assert turn.record["answered_by"] == "expert-2"


def test_other_calls_beside_the_delegation_are_dropped_and_the_last_expert_wins() -> None:
    several = (
        ToolRequest("get_order", {}),
        ToolRequest(CALL_EXPERT, {"expert": "expert-1"}),
        ToolRequest(CALL_EXPERT, {"expert": "expert-2"}),
    )
    caller = ScriptedCaller(Answer(tool_calls=several), Answer(text="Done."))
    turn = Delegation(CAST, TOOLS, caller).turn(MESSAGES)
    assert caller.asked == ["the-agent", "expert-2"]
    assert (turn.text, turn.tool_calls) == ("Done.", ())


def test_an_unknown_expert_is_pointed_out_once_and_leaves_no_trace() -> None:
    for wrong in ("gpt-5", None, ["expert-1"]):
        caller = ScriptedCaller(expert_call(wrong), expert_call("expert-1"), Answer(text="Done."))
        turn = Delegation(CAST, TOOLS, caller).turn(MESSAGES)
        assert caller.asked == ["the-agent", "the-agent", "expert-1"]
        *conversation, call, error = caller.calls[1].messages
        assert conversation == MESSAGES
        assert error["tool_call_id"] == call["tool_calls"][0]["id"]
        assert "expert-1, expert-2" in error["content"]
        assert caller.calls[2].messages == MESSAGES
        assert turn.text == "Done."


def test_who_insists_on_an_unknown_expert_gets_the_answer_of_the_environment() -> None:
    caller = ScriptedCaller(expert_call("gpt-5"), expert_call("gpt-5"))
    turn = Delegation(CAST, TOOLS, caller).turn(MESSAGES)
    assert caller.asked == ["the-agent", "the-agent"]
    assert turn.tool_calls == (ToolRequest(CALL_EXPERT, {"expert": "gpt-5"}),)


def test_without_experts_the_agent_has_the_domains_own_tools() -> None:
    caller = ScriptedCaller(expert_call("expert-1"))
    turn = Delegation(replace(CAST, experts=()), TOOLS, caller).turn(MESSAGES)
    assert caller.calls[0].tools == ["get_order", TRANSFER]
    assert turn.tool_calls[0].name == CALL_EXPERT


def test_one_expert_may_answer_always() -> None:
    caller = ScriptedCaller(Answer(text="Done."))
    turn = Delegation(replace(CAST, always=QUICK), TOOLS, caller).turn(MESSAGES)
    assert caller.asked == ["expert-2"]
    assert caller.calls[0].tools == ["get_order", TRANSFER]
    assert turn.text == "Done."


def test_at_most_six_tool_calls_are_kept() -> None:
    many = tuple(ToolRequest("get_order", {"id": number}) for number in range(9))
    turn = Delegation(CAST, TOOLS, ScriptedCaller(Answer(tool_calls=many))).turn(MESSAGES)
    assert turn.tool_calls == many[:6]


def test_text_beside_tool_calls_was_never_said() -> None:
    answer = Answer(text="The total is 42.", tool_calls=(ToolRequest("get_order", {}),))
    turn = Delegation(CAST, TOOLS, ScriptedCaller(answer)).turn(MESSAGES)
    assert turn.text == ""


def test_tokens_and_cost_are_those_of_all_parts() -> None:
    expert = Answer(text="Done.", input_tokens=2000, output_tokens=300, replica="expert-1-0")
    turn = Delegation(CAST, TOOLS, ScriptedCaller(expert_call("expert-1"), expert)).turn(MESSAGES)
    assert turn.usage == {"prompt_tokens": 2100, "completion_tokens": 310}
    assert turn.cost is not None
    assert abs(turn.cost - (110 * 0.2 + 2000 * 1.0 + 300 * 10.0) / 1e6) < 1e-12
    orchestrator, by_expert = turn.record["parts"]
    assert (orchestrator["participant"], orchestrator["prompt_tokens"]) == ("the-agent", 100)
    assert (by_expert["model"], by_expert["replica"], by_expert["completion_tokens"]) == (
        "org/Strong", "expert-1-0", 300,
    )  # fmt: skip


def test_what_was_not_counted_is_unknown_and_not_zero() -> None:
    turn = Delegation(CAST, TOOLS, ScriptedCaller(expert_call("expert-1"), Answer(text="Done."))).turn(MESSAGES)
    assert turn.usage is None
    assert turn.cost is None
