"""The counts of a run and the file that shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tau2tui.core.layout import EVAL_STATE
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, TrialProgress
from tau2tui.core.wire import progress_from, progress_to
from tau2tui.evaluation.progress import StateFile, Tally
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.units import Unit

A, B, C = (Unit("retail", task_id, 0, 7) for task_id in "abc")
START = EvalProgress(EvalState.STARTING, started_at=100.0, updated_at=100.0, pid=42, host="login1")


def ended(unit: Unit, reward: float | None, duration_s: float = 1.0, termination: str = "user_stop") -> Outcome:
    if reward is None:
        return Outcome(unit, 10.0, 10.0 + duration_s, error_class="timeout", error="too late")
    simulation = {"termination_reason": termination, "reward_info": {"reward": reward}}
    return Outcome(unit, 10.0, 10.0 + duration_s, simulation)


def shown(run_dir: Path) -> EvalProgress:
    return progress_from(json.loads((run_dir / EVAL_STATE).read_text()))


def test_units_are_counted_by_domain_and_by_how_they_end() -> None:
    tally = Tally({"retail": 5, "airline": 2}, START)
    for unit in (A, B, C):
        tally.started(unit)
    tally.finished(ended(A, 1.0, 10.0))
    tally.finished(ended(B, None, 3.0))
    progress = tally.progress(EvalState.RUNNING, 8)
    trials = (TrialProgress(ok=1, errors=1, passed=1),)
    retail = DomainProgress("retail", 5, ok=1, errors=1, running=1, passed=1, reward_sum=1.0, trials=trials)
    assert progress.domains == (retail, DomainProgress("airline", 2))
    assert tally.domain("retail") == retail
    assert (progress.total, progress.finished) == (7, 2)
    assert progress.durations_s == (10.0, 3.0)
    assert progress.duration_domains == ("retail", "retail")
    assert progress.unit_starts == (10.0, 10.0)
    assert [unit.task_id for unit in progress.running] == ["c"]
    assert (progress.max_concurrency, progress.pid, progress.host, progress.started_at) == (8, 42, "login1", 100.0)


@pytest.mark.parametrize(("reward", "passed"), [(1.0, 1), (0.9999999, 1), (0.5, 0), (0.0, 0)])
def test_only_full_reward_passes(reward: float, passed: int) -> None:
    tally = Tally({"retail": 1}, START)
    tally.finished(ended(A, reward))
    assert tally.domain("retail").passed == passed
    assert tally.domain("retail").reward_sum == reward


def test_a_running_unit_shows_what_it_waits_for() -> None:
    tally = Tally({"retail": 1}, START)
    tally.started(A)
    before = tally.progress(EvalState.RUNNING, 1).running[0]
    tally.doing(A, "expert-1", "expert-1-0")
    tally.stepped(A, 4)
    now = tally.progress(EvalState.RUNNING, 1).running[0]
    assert (before.doing, before.replica, before.steps) == ("", "", 0)
    assert (now.doing, now.replica, now.steps) == ("expert-1", "expert-1-0", 4)
    assert before.started_at == now.started_at <= now.last_event_at


def test_a_unit_that_is_over_cannot_come_back_to_life() -> None:
    tally = Tally({"retail": 1}, START)
    tally.started(A)
    tally.finished(ended(A, 1.0))
    tally.doing(A, "orchestrator")
    assert tally.progress(EvalState.RUNNING, 1).running == ()


def test_what_is_abandoned_has_not_ended() -> None:
    tally = Tally({"retail": 1}, START)
    tally.started(A)
    tally.abandoned()
    tally.doing(A, "orchestrator")
    progress = tally.progress(EvalState.STOPPED, 1)
    assert (progress.running, progress.finished, progress.domains[0].running) == ((), 0, 0)


def test_calls_and_errors_go_on_where_the_last_driver_left_off() -> None:
    before = EvalProgress(
        EvalState.STARTING,
        1.0,
        1.0,
        calls={"user": 5},
        errors={"server": 1},
        errors_by_replica={"r0": 1},
        retries=1,
        errors_by_role={"agent": 3},
    )
    tally = Tally({"retail": 1}, before)
    tally.called("user")
    tally.failed("server", "r0", retried=True)
    tally.failed("auth", "", retried=False, role="user")
    progress = tally.progress(EvalState.RUNNING, 1)
    assert progress.calls == {"user": 6}
    assert progress.errors == {"server": 2, "auth": 1}
    assert progress.errors_by_replica == {"r0": 2}
    assert progress.errors_by_role == {"agent": 3, "user": 1}
    assert progress.retries == 2
    assert before.calls == {"user": 5}


def test_failures_of_models_and_of_the_infrastructure_are_told_apart() -> None:
    tally = Tally({"retail": 5}, START)
    for outcome in (ended(A, 0.0, termination="max_steps"), ended(B, None), ended(C, 1.0)):
        tally.finished(outcome)
    progress = tally.progress(EvalState.RUNNING, 1)
    assert progress.terminations == {"max_steps": 1, "user_stop": 1}
    assert progress.unit_errors == {"timeout": 1}
    assert progress_from(progress_to(progress)) == progress


def test_costs_go_on_where_the_last_driver_left_off_and_never_below_what_the_results_show() -> None:
    before = EvalProgress(EvalState.STARTING, 1.0, 1.0, cost_usd={"user": 2.0}, tokens={"user": 100})
    tally = Tally({"retail": 1}, before)
    tally.spent_at_least({"user": 1.5, "expert-1": 0.5}, {"user": 150, "expert-1": 7})
    tally.called("user", 0.25, 10)
    progress = tally.progress(EvalState.RUNNING, 1)
    assert progress.cost_usd == {"user": 2.25, "expert-1": 0.5}
    assert progress.tokens == {"user": 160, "expert-1": 7}


def test_a_stalled_unit_is_so_until_its_next_event() -> None:
    tally = Tally({"retail": 1}, START)
    tally.started(A)
    tally.stalled(A.name)
    assert [unit.stalled for unit in tally.running()] == [True]
    tally.stepped(A, 1)
    assert [unit.stalled for unit in tally.running()] == [False]


def test_only_an_end_has_a_time_of_its_end() -> None:
    tally = Tally({"retail": 1}, START)
    assert tally.progress(EvalState.PAUSED, 1).finished_at is None
    assert tally.progress(EvalState.FINISHED, 1).finished_at is not None


def test_a_change_of_state_is_shown_at_once_and_the_rest_not_too_often(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    tally = Tally({"retail": 3}, START)
    state.show(tally.progress(EvalState.RUNNING, 1))
    tally.finished(ended(A, 1.0))
    state.show(tally.progress(EvalState.RUNNING, 1))
    assert shown(tmp_path).finished == 0
    state.show(tally.progress(EvalState.PAUSED, 1))
    assert (shown(tmp_path).state, shown(tmp_path).finished) == (EvalState.PAUSED, 1)
    assert wait_until(lambda: show_and_see(state, tally, tmp_path))
    assert [file.name for file in (tmp_path / EVAL_STATE).parent.iterdir()] == ["state.json"]


def show_and_see(state: StateFile, tally: Tally, run_dir: Path) -> bool:
    tally.finished(ended(B, 1.0))
    state.show(tally.progress(EvalState.PAUSED, 1))
    return shown(run_dir).finished > 1


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


def test_a_driver_that_fails_says_why(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    state.fail("nothing was shown yet, so there is nothing to correct")
    assert state.read() is None
    tally = Tally({"retail": 1}, START)
    tally.started(A)
    state.show(tally.progress(EvalState.RUNNING, 1))
    state.fail("no space left on device")
    progress = shown(tmp_path)
    assert (progress.state, progress.why, progress.running) == (EvalState.FAILED, "no space left on device", ())
    assert progress.finished_at is not None
    assert state.read() == progress


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"state": "?"}'])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / EVAL_STATE
    path.parent.mkdir()
    path.write_text(text)
    assert StateFile(tmp_path).read() is None
