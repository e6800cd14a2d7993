"""Requests to a driver: what each changes, and which are refused with a reason."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tau2tui.core.model import EvalProgress, EvalState, RunningUnit
from tau2tui.evaluation.budget import Budget
from tau2tui.evaluation.control import Request
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.schedule import Schedule
from tau2tui.evaluation.steering import Steering
from tau2tui.evaluation.units import Unit


class Desk:
    """A driver's steering with a progress that can be set, and what it gave up."""

    def __init__(self, budget: Budget | None = None) -> None:
        unit = RunningUnit("retail", "17", 0, 1.0, 2.0, doing="user")
        self.progress = EvalProgress(EvalState.RUNNING, 1.0, 1.0, running=(unit,), budget_counts=("user",))
        self.given_up: list[tuple[str, str, str]] = []
        self.stop = threading.Event()
        self.schedule = Schedule([Unit("retail", "18", 0, 7)], self._run, 4)
        self.steering = Steering(
            self.schedule, budget or Budget(None, None, ("user",)), self.stop, lambda: self.progress, self._give_up
        )

    def ask(self, verb: str, value: object = None) -> tuple[bool, str]:
        reply = self.steering.decide(Request(verb, value))
        return reply.ok, reply.message

    def state(self) -> EvalState:
        return self.steering.state

    def spend(self, usd: float, tokens: int) -> None:
        self.progress = replace(self.progress, cost_usd={"user": usd}, tokens={"user": tokens})

    def _give_up(self, unit: RunningUnit, error_class: str, error: str) -> None:
        self.given_up.append((unit.name, error_class, error))

    @staticmethod
    def _run(unit: Unit, abandoned: threading.Event) -> Outcome:
        raise AssertionError("nothing starts here")


def test_pause_finish_resume_and_stop_show_in_the_state() -> None:
    desk = Desk()
    assert desk.state() is EvalState.RUNNING
    assert desk.ask("pause")[0] and desk.state() is EvalState.PAUSED
    assert desk.ask("finish")[0] and desk.state() is EvalState.STOPPING
    assert desk.steering.why == "it ends when what runs has ended"
    assert desk.ask("resume")[0] and desk.state() is EvalState.RUNNING
    assert (desk.steering.why, desk.schedule.finishing) == ("", False)
    assert desk.ask("stop")[0] and desk.stop.is_set()


def test_a_skip_names_a_unit_that_runs() -> None:
    desk = Desk()
    assert desk.ask("skip", "retail/18#0") == (False, "no unit retail/18#0 is running")
    assert desk.given_up == []
    assert desk.ask("skip", "retail/17#0")[0]
    assert desk.given_up == [("retail/17#0", "skipped", "skipped on request while it waited for user")]


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("concurrency", 0), ("concurrency", 513), ("concurrency", True), ("concurrency", 2.5), ("concurrency", None),
        ("skip", None), ("skip", 3), ("budget_usd", 0), ("budget_usd", True), ("budget_usd", "9"),
        ("budget_tokens", -1), ("budget_tokens", 1.5), ("dance", None),
    ],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(verb: str, value: object) -> None:
    desk = Desk()
    assert not desk.ask(verb, value)[0]
    assert (desk.schedule.limit, desk.steering.budget, desk.given_up) == (4, Budget(None, None, ("user",)), [])


def test_a_spent_budget_pauses_once_and_only_a_higher_one_lets_it_go_on() -> None:
    desk = Desk(Budget(2.0, None, ("user",)))
    desk.spend(1.99, 10)
    assert desk.steering.keep_to_budget() == ""
    desk.spend(2.01, 20)
    assert desk.steering.keep_to_budget() == "the budget of $2.00 is spent ($2.01)"
    assert desk.steering.keep_to_budget() == ""
    assert (desk.state(), desk.steering.why) == (EvalState.PAUSED, "the budget of $2.00 is spent ($2.01)")
    assert desk.ask("resume") == (
        False, "the budget of $2.00 is spent ($2.01): raise it with --budget-usd or --budget-tokens",
    )  # fmt: skip
    assert desk.ask("budget_usd", 3) == (True, "the budget is $3.00, spent are $2.01")
    assert desk.state() is EvalState.PAUSED
    assert desk.ask("resume")[0] and desk.state() is EvalState.RUNNING
    assert desk.ask("budget_tokens", 15) == (True, "the budget is 15 tokens, spent are 20")
    assert desk.steering.keep_to_budget() == "the budget of 15 tokens is spent (20)"
