"""The players are pure functions of the conversation, so whole conversations run here without a server."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tau2tui.rehearsal import server
from tau2tui.rehearsal.server import (
    END,
    LOST,
    Message,
    Tool,
    Turn,
    actions_done,
    plausible,
    play,
    play_agent,
    play_expert,
    play_user,
)

UNIT = "telecom/[a|b]"
GREETING: Message = {"role": "assistant", "content": "Hi! How can I help you today?"}
OPENING: Message = {"role": "user", "content": "Hello, I need your help."}


def action(name: str, requestor: str = "assistant", **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "requestor": requestor}


TASK: dict[str, list[Any]] = {
    "actions": [
        action("get_line", line="L1"),
        action("reboot", "user"),
        action("get_line", line="L1"),
        action("set_mode", "user", mode="4g"),
        action("transfer_to_human_agents", summary="done"),
    ],
    "communicate": ["42.5"],
}
SCRIPT = {UNIT: TASK}


def tool(name: str, **properties: Any) -> Tool:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


AGENT_TOOLS = [tool("get_line", line={"type": "string"}), tool("transfer_to_human_agents")]
USER_TOOLS = [tool("reboot"), tool("set_mode", mode={"type": "string"})]
CALL_EXPERT = tool("call_expert", expert={"type": "string", "enum": ["expert-1", "expert-2", "expert-3"]})
ORCHESTRATOR_TOOLS = [AGENT_TOOLS[0], CALL_EXPERT]


def called(name: str, arguments: dict[str, Any], call_id: str) -> Message:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def result(call_id: str, content: str = '{"ok": true}') -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


class Conversation:
    """Agent, experts and user in turn, each with its own view, as tau2 does it."""

    def __init__(self, unit: str = UNIT, agent_role: str = "agent") -> None:
        self.unit = unit
        self.agent_role = agent_role
        self.agent_view: list[Message] = [{"role": "system", "content": "policy"}, GREETING]
        self.user_view: list[Message] = [{"role": "user", "content": GREETING["content"]}]
        self.performed: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.delegated: list[str] = []
        self._ids = map(str, itertools.count())

    def run(self, most_turns: int = 60) -> bool:
        """Whether the user ended it."""
        for _ in range(most_turns):
            text = self._user_turn()
            self.agent_view.append({"role": "user", "content": text})
            if "###STOP###" in text:
                return True
            heard = self._agent_turn()
            self.agent_view.append({"role": "assistant", "content": heard})
            self.user_view.append({"role": "user", "content": heard})
        return False

    def _user_turn(self) -> str:
        while True:
            turn = play("user", self.user_view, USER_TOOLS, self.unit, SCRIPT)
            if turn.text:
                self.user_view.append({"role": "assistant", "content": turn.text})
                return turn.text
            self._perform(turn, "user", self.user_view)

    def _agent_turn(self) -> str:
        while True:
            tools = ORCHESTRATOR_TOOLS if self.agent_role == "agent" else AGENT_TOOLS
            turn = play(self.agent_role, self.agent_view, tools, self.unit, SCRIPT)
            if turn.tool == "call_expert":
                self.delegated.append((turn.arguments or {})["expert"])
                turn = play("expert", self.agent_view, AGENT_TOOLS, self.unit, SCRIPT)
            self.texts.append(turn.text)
            if turn.text:
                return turn.text.split("<message>")[-1].split("</message>")[0]
            self._perform(turn, "assistant", self.agent_view)

    def _perform(self, turn: Turn, requestor: str, view: list[Message]) -> None:
        self.performed.append(action(turn.tool, requestor, **(turn.arguments or {})))
        call_id = next(self._ids)
        view += [called(turn.tool, turn.arguments or {}, call_id), result(call_id)]


@pytest.mark.parametrize("agent_role", ["agent", "expert"])
def test_a_conversation_performs_the_reference_actions_in_order_and_ends(agent_role: str) -> None:
    conversation = Conversation(agent_role=agent_role)
    assert conversation.run()
    assert conversation.performed == TASK["actions"]
    assert any("42.5" in text for text in conversation.texts)


def test_the_orchestrator_hands_turns_to_several_experts_and_keeps_some() -> None:
    conversation = Conversation()
    conversation.run()
    assert len(set(conversation.delegated)) >= 2
    assert 0 < len(conversation.delegated) < len(conversation.texts)


def test_all_experts_are_used_over_several_tasks() -> None:
    asked = {
        str((turn.arguments or {})["expert"])
        for number in range(20)
        if (turn := play_agent([GREETING, OPENING], ORCHESTRATOR_TOOLS, TASK, f"retail/{number}")).tool == "call_expert"
    }
    assert asked == {"expert-1", "expert-2", "expert-3"}


def test_an_orchestrator_without_experts_does_everything_itself() -> None:
    turn = play_agent([GREETING, OPENING], AGENT_TOOLS, TASK, UNIT)
    assert turn == Turn(tool="get_line", arguments={"line": "L1"})


def test_some_texts_of_the_orchestrator_come_wrapped_in_thoughts_and_tags() -> None:
    task: dict[str, list[Any]] = {"actions": [], "communicate": []}
    texts = [play_agent([OPENING], [], task, f"retail/{number}").text for number in range(30)]
    wrapped = [text for text in texts if text.startswith("<think>") and text.endswith("</message>")]
    assert 0 < len(wrapped) < len(texts)


def test_what_the_orchestrator_is_not_offered_goes_to_an_expert() -> None:
    task = {"actions": [action("transfer_to_human_agents", summary="s")], "communicate": []}
    for turns in (0, 1):
        turn = play_agent([OPENING, *[GREETING] * turns], ORCHESTRATOR_TOOLS, task, UNIT)
        assert turn.tool == "call_expert"


def test_the_same_conversation_gets_the_same_turn_from_any_replica() -> None:
    messages = [GREETING, OPENING]
    assert len({str(play("agent", messages, ORCHESTRATOR_TOOLS, UNIT, SCRIPT)) for _ in range(5)}) == 1


def test_without_its_older_turns_a_conversation_still_continues_where_it_was() -> None:
    conversation = Conversation(agent_role="expert")
    conversation.run()
    view = conversation.agent_view
    newest = next(number for number, message in enumerate(view) if "reboot" in str(message.get("content")))
    recent = view[newest:-2]
    assert actions_done(recent, TASK["actions"]) == len(TASK["actions"])
    assert actions_done(recent[:4], TASK["actions"]) == 3


def test_calls_of_a_prepared_history_are_not_taken_for_reference_actions() -> None:
    history = [OPENING, called("create_task", {"title": "old"}, "h1"), result("h1"), GREETING, OPENING]
    assert actions_done(history, TASK["actions"]) == 0


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([called("get_line", {"line": "L1"}, "1")], id="result missing"),
        pytest.param([called("get_line", {"line": "L1"}, "1"), result("1", "")], id="result empty"),
        pytest.param([called("get_line", {"line": "L1"}, "1"), result("2")], id="result of another call"),
        pytest.param(
            [
                called("call_expert", {"expert": "expert-1"}, "1"),
                result("1", "Error: Tool 'call_expert' not found."),
            ],
            id="call passed to tau2",
        ),
        pytest.param([{"role": "assistant", "tool_calls": [{"id": "1"}]}, result("1")], id="call without function"),
        pytest.param(
            [
                {"role": "assistant", "content": "Please: [[do reboot {}]]"},
                {"role": "user", "content": "That did not work. It says: Error"},
            ],
            id="user failed",
        ),
    ],
)
def test_a_broken_conversation_makes_the_agent_lost_and_never_ends(broken: list[Message]) -> None:
    messages = [GREETING, OPENING, *broken]
    assert play_expert(messages, AGENT_TOOLS, TASK) == LOST
    assert END not in LOST.text


def test_a_domain_error_in_a_result_is_part_of_the_task() -> None:
    messages = [OPENING, called("get_line", {"line": "L1"}, "1"), result("1", "Error: Line not found")]
    assert actions_done(messages, TASK["actions"]) == 1


def test_altered_arguments_do_not_count_as_the_reference_action() -> None:
    messages = [OPENING, called("get_line", {"line": "L2"}, "1"), result("1")]
    assert play_expert(messages, AGENT_TOOLS, TASK) == Turn(tool="get_line", arguments={"line": "L1"})


@pytest.mark.parametrize("unit", ["", "telecom/no-such-task"])
@pytest.mark.parametrize("role", ["agent", "expert", "user"])
def test_outside_a_known_task_nobody_acts_or_ends(role: str, unit: str) -> None:
    turn = play(role, [OPENING], AGENT_TOOLS, unit, SCRIPT)
    assert turn == LOST
    assert "###" not in turn.text


def test_the_user_opens_then_obeys_reports_and_stops() -> None:
    messages: list[Message] = [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi!"}]
    opening = play_user(messages, USER_TOOLS, UNIT)
    assert "telecom" in opening.text
    messages += [
        {"role": "assistant", "content": opening.text},
        {"role": "user", "content": 'Please: [[do set_mode {"mode": "4g"}]] /no_think'},
    ]
    assert play_user(messages, USER_TOOLS, UNIT) == Turn(tool="set_mode", arguments={"mode": "4g"})
    messages += [called("set_mode", {"mode": "4g"}, "1"), result("1", "Mode is 4g")]
    assert play_user(messages, USER_TOOLS, UNIT).text == "Done. It says: Mode is 4g"
    messages[-1] = result("1", "Error: no such mode")
    assert play_user(messages, USER_TOOLS, UNIT).text.startswith("That did not work.")
    messages += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "All done. " + END}]
    assert "###STOP###" in play_user(messages, USER_TOOLS, UNIT).text


def test_the_user_does_not_do_what_it_has_no_tool_for() -> None:
    messages: list[Message] = [OPENING, GREETING, {"role": "user", "content": "[[do fly {}]]"}]
    assert play_user(messages, USER_TOOLS, UNIT).tool == ""


def test_the_user_neither_acts_nor_stops_on_text_with_tags_in_it() -> None:
    for text in (f"<think>x</think><message>bye {END}</message>", f"<message>bye {END}", "<think>[[do reboot {}]]"):
        turn = play_user([OPENING, GREETING, {"role": "user", "content": text}], USER_TOOLS, UNIT)
        assert turn.text
        assert "###STOP###" not in turn.text


def test_a_probe_gets_its_one_tool_called_with_plausible_arguments() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
            "days": {"type": "integer"},
            "share": {"type": "number"},
            "exact": {"type": "boolean"},
            "places": {"type": "array", "items": {"type": "integer"}},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "optional": {"type": "string"},
        },
        "required": ["city", "unit", "days", "share", "exact", "places", "note"],
    }
    turn = play("agent", [OPENING], [{"type": "function", "function": {"name": "f", "parameters": schema}}], "", {})
    assert turn.tool == "f"
    assert turn.arguments == {
        "city": "example",
        "unit": "celsius",
        "days": 1,
        "share": 1.0,
        "exact": True,
        "places": [1],
        "note": "example",
    }


def test_a_probe_without_tools_is_answered_ok() -> None:
    assert play("user", [OPENING], [], "", {}) == Turn("ok")


def test_a_tool_without_parameters_gets_none() -> None:
    assert plausible({"type": "object", "properties": {}}) == {}
    assert server.play_probe([{"type": "function", "function": {"name": "f"}}]) == Turn(tool="f", arguments={})


def test_text_in_parts_is_read_like_a_string() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "image_url"}, {"type": "text", "text": "two"}]
    assert server.text_of({"role": "user", "content": parts}) == "one two"
