"""The smallest harness that drives real tau2-bench with the practice servers, for the tests alone.

Importing this module imports tau2, which takes seconds; conftest.py has set what tau2 must find in the environment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from tau2.agent.llm_agent import LLMAgent
from tau2.data_model.message import AssistantMessage, MultiToolMessage, ToolCall, ToolMessage, UserMessage
from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation
from tau2.orchestrator.orchestrator import Orchestrator
from tau2.registry import registry
from tau2.run import get_tasks
from tau2.user.user_simulator import UserSimulator

EXPERTS = ["expert-1", "expert-2", "expert-3"]
CALL_EXPERT = {
    "type": "function",
    "function": {
        "name": "call_expert",
        "parameters": {
            "type": "object",
            "required": ["expert"],
            "properties": {"expert": {"type": "string", "enum": EXPERTS}},
        },
    },
}


@dataclass
class Caller:
    """Asks a practice server on behalf of one task, and remembers whom it asked."""

    client: httpx.Client
    url: str
    unit: str
    swallow_results: bool = False
    """Break the conversation: what the tools answered never reaches the models."""

    def __post_init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, role: str, who: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        self.asked.append(who)
        if self.swallow_results:
            messages = [message for message in messages if message["role"] != "tool"]
        headers = {"X-Tau2tui-Unit": quote(self.unit, safe="/"), "X-Tau2tui-Role": role}
        body = {"messages": messages, "tools": tools}
        response = self.client.post(f"{self.url}/v1/chat/completions", json=body, headers=headers)
        response.raise_for_status()
        return dict(response.json()["choices"][0]["message"])


class Agent(LLMAgent):  # type: ignore[misc, unused-ignore]
    """An orchestrator that may hand a turn to an expert; tags and thoughts are taken off its text."""

    def __init__(self, environment: Any, caller: Caller) -> None:
        super().__init__(environment.get_tools(), environment.get_policy(), llm="agent", llm_args={})
        self._caller = caller
        self._schemas = [tool.openai_schema for tool in self.tools]

    def generate_next_message(self, message: Any, state: Any) -> tuple[Any, Any]:
        _take(message, state)
        messages = [_chat_message(each) for each in state.system_messages + state.messages]
        own = [schema for schema in self._schemas if schema["function"]["name"] != "transfer_to_human_agents"]
        answer = self._caller.ask("agent", "orchestrator", messages, [*own, CALL_EXPERT])
        for call in answer["tool_calls"]:
            if call["function"]["name"] == "call_expert":
                expert = json.loads(call["function"]["arguments"])["expert"]
                answer = self._caller.ask("expert", expert, messages, self._schemas)
        text = (answer["content"] or "").split("</think>")[-1]
        if "<message>" in text:
            text = text.partition("<message>")[2].partition("</message>")[0]
        calls = _tool_calls(answer, "assistant")
        state.messages.append(AssistantMessage(role="assistant", content=text or None, tool_calls=calls, cost=0.0))
        return state.messages[-1], state


class User(UserSimulator):  # type: ignore[misc, unused-ignore]
    """tau2's user simulator with its model on a practice server."""

    def __init__(self, tools: list[Any] | None, instructions: str, caller: Caller) -> None:
        super().__init__(tools=tools, instructions=instructions, llm="user", llm_args={})
        self._caller = caller

    def generate_next_message(self, message: Any, state: Any) -> tuple[Any, Any]:
        _take(message, state)
        messages = [_chat_message(each) for each in state.system_messages + state.flip_roles()]
        schemas = [tool.openai_schema for tool in self.tools or []]
        answer = self._caller.ask("user", "user", messages, schemas)
        calls = _tool_calls(answer, "user")
        state.messages.append(UserMessage(role="user", content=answer["content"], tool_calls=calls, cost=0.0))
        return state.messages[-1], state


def base_tasks(domain: str, task_ids: list[str] | None = None) -> list[Any]:
    """Tasks of the base split; None: all of them."""
    return list(get_tasks(domain, task_split_name="base", task_ids=task_ids))


def reward(
    url: str, domain: str, task: Any, *, unit: str | None = None, swallow_results: bool = False
) -> tuple[float, list[str]]:
    """Run one task with the server at `url`: its reward 0–1, and who was asked, turn by turn."""
    with httpx.Client(timeout=60) as client:
        caller = Caller(client, url, f"{domain}/{task.id}" if unit is None else unit, swallow_results)
        environment = registry.get_env_constructor(domain)()
        user = User(environment.get_user_tools() if domain == "telecom" else None, str(task.user_scenario), caller)
        agent = Agent(environment, caller)
        # An agent that is lost talks on for ever.
        steps = 30 if swallow_results or unit is not None else 200
        simulation = Orchestrator(domain, agent, user, environment, task, max_steps=steps, max_errors=10, seed=1).run()
    result = evaluate_simulation(
        simulation=simulation, task=task, evaluation_type=EvaluationType.ALL, solo_mode=False, domain=domain
    )
    return result.reward, caller.asked


def _take(message: Any, state: Any) -> None:
    state.messages.extend(message.tool_messages if isinstance(message, MultiToolMessage) else [message])


def _chat_message(message: Any) -> dict[str, Any]:
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.id, "content": message.content}
    rendered: dict[str, Any] = {"role": message.role, "content": message.content}
    if getattr(message, "tool_calls", None):
        rendered["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return rendered


def _tool_calls(answer: dict[str, Any], requestor: str) -> list[Any] | None:
    return [
        ToolCall(
            id=call["id"],
            name=call["function"]["name"],
            arguments=json.loads(call["function"]["arguments"]),
            requestor=requestor,
        )
        for call in answer["tool_calls"]
    ] or None
