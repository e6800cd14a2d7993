"""One conversation from its first message to its last, on the real tau2-bench."""

from __future__ import annotations

import inspect
import pickle
import threading
import time
from dataclasses import dataclass
from typing import Any

from tau2.data_model.tasks import Task
from tau2.orchestrator.orchestrator import Orchestrator
from tau2.registry import registry
from tau2.run import get_tasks

from tau2tui.config import EvaluationConfig
from tau2tui.errors import ConfigError
from tau2tui.evaluation.calls import Caller
from tau2tui.evaluation.client import ToolSchema
from tau2tui.evaluation.delegation import Delegation
from tau2tui.evaluation.faults import Abandoned
from tau2tui.evaluation.orchestrator import DelegatingAgent
from tau2tui.evaluation.participants import Cast
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import check_base_split
from tau2tui.evaluation.user import SimulatedUser

_LARGE = 100_000
"""Bytes of a pickled database from which on it pays not to parse tau2's file anew for each simulation."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What all simulations of a domain share: tau2 takes 10 to 200 ms to make any of it anew."""

    name: str
    tasks: dict[str, Task]
    """Those of the split by id, in tau2's order."""
    info: Any
    """tau2's description of the environment, for the results."""
    policy: str
    tools: tuple[ToolSchema, ...]
    user_tools: list[Any] | None
    """tau2's; None in domains whose users have none."""
    user_schemas: tuple[ToolSchema, ...]
    database: bytes = b""
    """Its database as it is at first, pickled; empty where it is so small that parsing it costs nothing."""

    def environment(self) -> Any:
        """A fresh environment for one simulation."""
        construct = registry.get_env_constructor(self.name)
        # 18 ms instead of 28 in retail, 52 instead of 84 in airline; a deep copy takes twice as long as parsing.
        return construct(db=pickle.loads(self.database)) if self.database else construct()  # noqa: S301 - our own bytes

    @property
    def costly(self) -> bool:
        """Its evaluation takes longer than to hand it to another process: the evaluator makes two databases of it."""
        return bool(self.database)


def load_domain(name: str, split: str) -> Domain:
    """Load a domain and its tasks; takes up to a second. Raises ConfigError for a split that it does not have."""
    environment = registry.get_env_constructor(name)()
    user_tools = environment.get_user_tools() if environment.user_tools is not None else None
    return Domain(
        name=name,
        tasks=_tasks(name, split),
        info=environment.get_info(),
        policy=environment.get_policy(),
        tools=tuple(tool.openai_schema for tool in environment.get_tools()),
        user_tools=user_tools,
        user_schemas=tuple(tool.openai_schema for tool in user_tools or ()),
        database=_database(name, environment),
    )


def _tasks(name: str, split: str) -> dict[str, Task]:
    try:
        tasks = {task.id: task for task in get_tasks(name, task_split_name=split)}
    except ValueError as error:
        raise ConfigError(f"evaluation.split: {name} has no split {split!r}: {error}") from None
    if split == "base":
        check_base_split(name, list(tasks))
    return tasks


def _database(name: str, environment: Any) -> bytes:
    """The pickled database of a domain, if it is large and the domain takes one from outside."""
    if "db" not in inspect.signature(registry.get_env_constructor(name)).parameters:
        return b""
    database = pickle.dumps(environment.tools.db, pickle.HIGHEST_PROTOCOL)
    return database if len(database) >= _LARGE else b""


def converse(
    domain: Domain, cast: Cast, evaluation: EvaluationConfig, call: Caller, log: UnitLog, abandoned: threading.Event
) -> Any:
    """Hold the conversation of the unit of `log`. Returns tau2's SimulationRun, not evaluated yet.

    Raises CallError when a model gives no answer, Abandoned when it is given up, and whatever tau2 may raise.
    """
    unit = log.unit
    task = domain.tasks[unit.task_id]
    simulation = WatchedOrchestrator(
        log,
        abandoned,
        domain=domain.name,
        agent=DelegatingAgent(domain.policy, cast.agent.model, Delegation(cast, domain.tools, call)),
        user=SimulatedUser(cast.user, str(task.user_scenario), domain.user_tools, domain.user_schemas, call),
        environment=WatchedEnvironment(domain.environment(), log),
        task=task,
        max_steps=evaluation.max_steps,
        max_errors=evaluation.max_errors,
        seed=unit.seed,
    ).run()
    simulation.trial = unit.trial
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
    """tau2's loop, with every step timed, that ends between two steps when it is given up."""

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
