"""Whole simulations on the real tau2-bench, with models that say what they were told to say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tau2tui.config import EvaluationConfig
from tau2tui.core.error_class import ErrorClass
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.evaluation.answer import Answer, tool_request
from tau2tui.evaluation.client import ChatMessage, ToolSchema
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.participants import Cast, Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit

if TYPE_CHECKING:
    from tau2tui.evaluation.simulation import Domain

pytestmark = pytest.mark.slow

UNIT = Unit("mock", "create_task_1", 0, 626729)
AGENT = Participant("orchestrator", "agent", "org/Agent")
EXPERT = Participant("expert-1", "expert", "org/Expert")
USER = Participant("user", "user", "gpt", fleet=False)
GOOD_CALL = Answer(tool_calls=(tool_request("create_task", '{"user_id": "user_1", "title": "Important Meeting"}'),))
BYE = Answer("Thank you. ###STOP###")


class ScriptedModels:
    """Gives each role its answers in turn, and remembers what it was asked."""

    def __init__(self, **answers: list[Answer | Exception]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, list[ChatMessage], list[str]]] = []

    def __call__(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> Answer:
        self.asked.append((participant.role, list(messages), [tool["function"]["name"] for tool in tools]))
        answer = self.answers[participant.role].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def mock() -> Domain:
    from tau2tui.evaluation.simulation import load_domain

    return load_domain("mock", "base")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, RunLayout(), ("mock",)) as journal:
        yield journal


@pytest.fixture
def log(journal: Journal) -> UnitLog:
    return UnitLog(UNIT, journal, Tally({"mock": 1}, EvalProgress(EvalState.STARTING, 1.0, 1.0)))


def profile_lines(journal: Journal, run_dir: Path) -> list[str]:
    """What was said of the domain; it is all in the file once the journal is closed."""
    with journal:
        pass
    return (run_dir / "logs/tau2_mock.log").read_text().splitlines()


def run(mock: Domain, log: UnitLog, models: ScriptedModels, *, stopped: bool = False, **settings: int) -> Any:
    from tau2tui.evaluation.evaluator import evaluated
    from tau2tui.evaluation.simulation import converse

    abandoned = threading.Event()
    if stopped:
        abandoned.set()
    cast = Cast(AGENT, (EXPERT,), USER)
    simulation = converse(mock, cast, EvaluationConfig.model_validate(settings), models, log, abandoned)
    evaluated(mock.name, mock.tasks[UNIT.task_id], simulation)
    return simulation


def test_a_task_that_is_done_right_has_full_reward(mock: Domain, log: UnitLog) -> None:
    models = ScriptedModels(user=[Answer("Make a task."), BYE], agent=[GOOD_CALL, Answer("Done.")])
    simulation = run(mock, log, models)
    assert simulation.reward_info.reward == 1.0
    assert (simulation.trial, simulation.seed, simulation.task_id) == (0, 626729, "create_task_1")
    role, messages, _ = models.asked[1]
    assert role == "agent"
    assert [message["role"] for message in messages] == ["system", "assistant", "user"]
    assert "<policy>" in messages[0]["content"]
    role, messages, tools = models.asked[0]
    assert (role, [message["role"] for message in messages], tools) == ("user", ["system", "user"], [])
    assert "<scenario>" in messages[0]["content"]


def test_arguments_that_cannot_be_read_are_the_models_fault_and_it_may_do_better(
    mock: Domain, log: UnitLog, journal: Journal, tmp_path: Path
) -> None:
    broken = Answer(tool_calls=(tool_request("create_task", '{"user_id": "user_1", "ti'),))
    unknown = Answer(tool_calls=(tool_request("call_expert", '{"expert": "nobody"}'),))
    models = ScriptedModels(
        user=[Answer("Make a task."), BYE], agent=[broken, unknown, unknown, GOOD_CALL, Answer("Done.")]
    )
    simulation = run(mock, log, models)
    assert simulation.reward_info.reward == 1.0
    assert [message.error for message in simulation.messages if message.role == "tool"] == [True, True, False]
    events = profile_lines(journal, tmp_path)
    assert sum("type=tool_call" in line and line.endswith("error=True") for line in events) == 2


def test_several_calls_of_one_turn_come_back_together(mock: Domain, log: UnitLog) -> None:
    look = tool_request("get_users", "")
    models = ScriptedModels(
        user=[Answer("Make a task."), BYE],
        agent=[Answer(tool_calls=(look, look, *GOOD_CALL.tool_calls)), Answer("Done.")],
    )
    assert run(mock, log, models).reward_info.reward == 1.0
    (call, *results) = models.asked[2][1][-4:]
    assert [entry["id"] for entry in call["tool_calls"]] == [result["tool_call_id"] for result in results]
    assert len({result["tool_call_id"] for result in results}) == 3


def test_too_many_tool_errors_end_a_task_without_reward(mock: Domain, log: UnitLog) -> None:
    bad = Answer(tool_calls=(tool_request("no_such_tool", ""),))
    models = ScriptedModels(user=[Answer("Make a task.")], agent=[bad, bad, bad])
    simulation = run(mock, log, models, max_errors=2)
    assert simulation.termination_reason.value == "too_many_errors"
    assert simulation.reward_info.reward == 0.0


def test_a_model_without_an_answer_ends_the_unit_and_says_nothing_in_its_place(mock: Domain, log: UnitLog) -> None:
    error = CallError(ErrorClass.TIMEOUT, "too late")
    with pytest.raises(CallError) as caught:
        run(mock, log, ScriptedModels(user=[Answer("Make a task.")], agent=[error]))
    assert caught.value is error


def test_a_stop_ends_it_between_two_steps(mock: Domain, log: UnitLog) -> None:
    models = ScriptedModels(user=[], agent=[])
    with pytest.raises(Abandoned):
        run(mock, log, models, stopped=True)
    assert models.asked == []


def test_steps_carry_the_roles_between_which_the_message_went(
    mock: Domain, log: UnitLog, journal: Journal, tmp_path: Path
) -> None:
    run(mock, log, ScriptedModels(user=[Answer("Make a task."), BYE], agent=[GOOD_CALL, Answer("Done.")]))
    steps = [
        line.partition("from_role=")[2] for line in profile_lines(journal, tmp_path) if "type=step_complete" in line
    ]
    assert steps == [
        "agent to_role=user", "user to_role=agent", "agent to_role=env", "env to_role=agent", "agent to_role=user",
    ]  # fmt: skip
