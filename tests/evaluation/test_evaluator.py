"""tau2's evaluator in other processes: the same rewards, whatever happens to those."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tau2tui.evaluation.faults import Abandoned
from tests.evaluation.practice import wait_until

if TYPE_CHECKING:
    from tau2tui.evaluation.evaluator import Evaluator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def conversation() -> Callable[[], tuple[str, Any, Any]]:
    """Domain, task and a fresh copy of a conversation that does what the task wants."""
    from tau2.data_model.message import AssistantMessage, ToolCall, ToolMessage
    from tau2.data_model.simulation import SimulationRun
    from tau2.run import get_tasks

    task = get_tasks("mock", task_split_name="base", task_ids=["create_task_1"])[0]
    arguments = {"user_id": "user_1", "title": "Important Meeting"}
    call = ToolCall(id="1", name="create_task", arguments=arguments)

    def make() -> tuple[str, Any, Any]:
        from tau2.registry import registry

        environment = registry.get_env_constructor("mock")()
        response = environment.get_response(call)
        assert isinstance(response, ToolMessage)
        return (
            "mock",
            task,
            SimulationRun(
                id="x", task_id=task.id, start_time="a", end_time="b", duration=1.0, termination_reason="user_stop",
                messages=[AssistantMessage(role="assistant", tool_calls=[call]), response],
            ),
        )  # fmt: skip

    return make


@pytest.fixture(autouse=True)
def no_processes_of_others() -> None:
    """What another test terminated may take a moment to end."""
    wait_until(lambda: not multiprocessing.active_children(), "no process is left")


def start(evaluator: Evaluator, conversation: Callable[[], tuple[str, Any, Any]]) -> set[int]:
    """Evaluate once; the processes that there are afterwards."""
    assert evaluator.evaluate(*conversation())["reward_info"]["reward"] == 1.0
    return {int(child.pid or 0) for child in multiprocessing.active_children()}


def test_another_process_gives_what_this_one_gives(conversation: Callable[[], tuple[str, Any, Any]]) -> None:
    from tau2tui.evaluation.evaluator import Evaluator, evaluated

    here, there = conversation(), conversation()
    there[2].timestamp = here[2].timestamp
    for mine, other in zip(here[2].messages, there[2].messages, strict=True):
        other.timestamp = mine.timestamp
    expected = evaluated(*here)
    with Evaluator(1) as evaluator:
        assert evaluator.evaluate(*there) == expected
    assert expected["reward_info"]["reward"] == 1.0


def test_without_processes_the_asking_thread_evaluates(conversation: Callable[[], tuple[str, Any, Any]]) -> None:
    from tau2tui.evaluation.evaluator import Evaluator

    with Evaluator(0) as evaluator:
        assert start(evaluator, conversation) == set()


def test_an_error_of_tau2_comes_back_and_breaks_nothing(conversation: Callable[[], tuple[str, Any, Any]]) -> None:
    from tau2tui.evaluation.evaluator import Evaluator

    with Evaluator(1) as evaluator:
        processes = start(evaluator, conversation)
        domain, task, simulation = conversation()
        simulation.messages[1].content = "not what the tool says"
        with pytest.raises(ValueError, match="not what the tool says"):
            evaluator.evaluate(domain, task, simulation)
        assert start(evaluator, conversation) == processes


def test_a_process_that_dies_loses_nothing(conversation: Callable[[], tuple[str, Any, Any]]) -> None:
    from tau2tui.evaluation.evaluator import Evaluator

    with Evaluator(1) as evaluator:
        for _ in range(3):
            (process,) = start(evaluator, conversation)
            os.kill(process, signal.SIGKILL)
            rewards: list[float] = []

            def evaluate(into: list[float] = rewards) -> None:
                into.append(evaluator.evaluate(*conversation())["reward_info"]["reward"])

            threads = [threading.Thread(target=evaluate) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            assert rewards == [1.0] * 4


def test_after_its_end_it_takes_nothing_and_no_process_is_left(
    conversation: Callable[[], tuple[str, Any, Any]],
) -> None:
    from tau2tui.evaluation.evaluator import Evaluator

    with Evaluator(1) as evaluator:
        (process,) = start(evaluator, conversation)
    with pytest.raises(Abandoned):
        evaluator.evaluate(*conversation())
    wait_until(lambda: process not in {child.pid for child in multiprocessing.active_children()}, "it ends")


def test_the_processes_of_a_killed_driver_end_too(tmp_path: Path) -> None:
    program = tmp_path / "driver.py"
    program.write_text(
        """
import multiprocessing, os, signal
from concurrent.futures import ProcessPoolExecutor
from tau2tui.evaluation.evaluator import _begin

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    worker = Path(f"/proc/{int(done.stdout)}")
    wait_until(lambda: not worker.exists() or "zombie" in (worker / "status").read_text(), "the worker ends")
