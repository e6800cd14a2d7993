"""One unit from its first message to its reward, on the real tau2-bench."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from tau2.data_model.tasks import Task
from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation
from tau2.orchestrator.orchestrator import Orchestrator
from tau2.registry import registry
from tau2.run import get_tasks

from tau2tui.config import EvaluationConfig
from tau2tui.evaluation.calls import Caller
from tau2tui.evaluation.client import ToolSchema
from tau2tui.evaluation.delegation import Delegation
from tau2tui.evaluation.faults import Abandoned
from tau2tui.evaluation.orchestrator import DelegatingAgent
from tau2tui.evaluation.participants import Cast
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.user import SimulatedUser

BASE_SPLIT = "base"


@dataclass(frozen=True, slots=True)
class Domain:
    """What all simulations of a domain share: tau2 takes 10 to 200 ms to make any of it anew."""

    name: str
    tasks: dict[str, Task]
    """The base split by id, in tau2's order."""
    info: Any
    """tau2's description of the environment, for the results."""
    policy: str
    tools: tuple[ToolSchema, ...]
    user_tools: list[Any] | None
    """tau2's; None in domains whose users have none."""
    user_schemas: tuple[ToolSchema, ...]


def load_domain(name: str) -> Domain:
    """Load a domain and its tasks; takes up to a second."""
    environment = registry.get_env_constructor(name)()
    user_tools = environment.get_user_tools() if environment.user_tools is not None else None
    return Domain(
        name=name,
        tasks={task.id: task for task in get_tasks(name, task_split_name=BASE_SPLIT)},
        info=environment.get_info(),
        policy=environment.get_policy(),
        tools=tuple(tool.openai_schema for tool in environment.get_tools()),
        user_tools=user_tools,
        user_schemas=tuple(tool.openai_schema for tool in user_tools or ()),
    )


def simulate(
    domain: Domain, cast: Cast, evaluation: EvaluationConfig, call: Caller, log: UnitLog, abandoned: threading.Event
) -> Any:
    """Run the unit of `log` and evaluate it. Returns tau2's SimulationRun with its reward.

    Raises CallError when a model gives no answer, Abandoned when the driver stops, and whatever tau2 may raise.
    """
    unit = log.unit
    task = domain.tasks[unit.task_id]
    environment = registry.get_env_constructor(domain.name)()
    simulation = WatchedOrchestrator(
        log,
        abandoned,
        domain=domain.name,
        agent=DelegatingAgent(domain.policy, cast.agent.model, Delegation(cast, domain.tools, call)),
        user=SimulatedUser(cast.user, str(task.user_scenario), domain.user_tools, domain.user_schemas, call),
        environment=WatchedEnvironment(environment, log),
        task=task,
        max_steps=evaluation.max_steps,
        max_errors=evaluation.max_errors,
        seed=unit.seed,
    ).run()
    log.evaluating()
    simulation.trial = unit.trial
    # The evaluator replays the conversation in an environment of its own, so its tool calls are in no log.
    simulation.reward_info = evaluate_simulation(
        simulation=simulation, task=task, evaluation_type=EvaluationType.ALL, solo_mode=False, domain=domain.name
    )
    return simulation


class WatchedEnvironment:
    """tau2's environment, with every tool call timed."""

    def __init__(self, environment: Any, log: UnitLog) -> None:
        self._environment = environment
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment, name)

    def get_response(self, message: Any) -> Any:
        """The result of a tool call."""
        self._log.tool_running()
        started = time.perf_counter()
        response = self._environment.get_response(message)
        self._log.tool_ran(message.name, 1000 * (time.perf_counter() - started), error=response.error)
        return response


class WatchedOrchestrator(Orchestrator):  # type: ignore[misc]
    """tau2's loop, with every step timed, that ends between two steps when the driver stops."""

    def __init__(self, log: UnitLog, abandoned: threading.Event, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._log = log
        self._abandoned = abandoned

    def step(self) -> None:
        """One hop of a message. Raises Abandoned."""
        if self._abandoned.is_set():
            raise Abandoned
        from_role, to_role = self.from_role.value, self.to_role.value
        started = time.perf_counter()
        super().step()
        self._log.stepped(from_role, to_role, 1000 * (time.perf_counter() - started))
