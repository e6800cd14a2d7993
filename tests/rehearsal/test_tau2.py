"""Real tau2-bench tasks, played from the first word to the evaluation by a practice server."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from tests.rehearsal.conftest import RunningServer, Servers

pytestmark = pytest.mark.slow


@pytest.fixture
def harness() -> ModuleType:
    """Imported late: it takes seconds."""
    return importlib.import_module("tests.rehearsal.harness")


@pytest.fixture
def player(servers: Servers, script_file: Path) -> RunningServer:
    return servers.start_ready("--speed", "1e6", "--role", "agent", "--script", str(script_file))


def test_tasks_of_every_domain_earn_their_full_reward(harness: ModuleType, player: RunningServer) -> None:
    asked: list[str] = []
    chosen = {
        "mock": harness.base_tasks("mock", ["create_task_1", "update_task_with_history_and_env_assertions"]),
        "retail": harness.base_tasks("retail", ["2", "15"]),
        "telecom": harness.base_tasks("telecom")[:2],
        "airline": harness.base_tasks("airline", ["4"]),
    }
    for domain, tasks in chosen.items():
        for task in tasks:
            reward, who = harness.reward(player.url, domain, task)
            assert reward == 1.0, (domain, task.id)
            asked += who
    assert set(asked) == {"orchestrator", "expert-1", "expert-2", "expert-3", "user"}


@pytest.mark.parametrize(
    ("domain", "task_id"), [("mock", "create_task_1"), ("mock", "update_task_1"), ("retail", "15")]
)
def test_when_the_results_of_tools_are_swallowed_there_is_no_full_reward(
    harness: ModuleType, player: RunningServer, domain: str, task_id: str
) -> None:
    (task,) = harness.base_tasks(domain, [task_id])
    reward, _ = harness.reward(player.url, domain, task, swallow_results=True)
    assert reward < 1.0


@pytest.mark.parametrize("unit", ["", "mock/no-such-task"])
def test_a_conversation_that_does_not_say_its_task_earns_nothing(
    harness: ModuleType, player: RunningServer, unit: str
) -> None:
    (task,) = harness.base_tasks("mock", ["create_task_1_nl_eval"])  # doing nothing would be right, if it ended
    reward, _ = harness.reward(player.url, "mock", task, unit=unit)
    assert reward < 1.0
