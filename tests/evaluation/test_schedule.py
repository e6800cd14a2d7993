"""Units side by side: as many as allowed, whenever that changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tau2tui.evaluation.faults import Abandoned
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.schedule import Schedule
from tau2tui.evaluation.units import Unit

UNITS = [Unit("retail", str(number), 0, 7) for number in range(6)]
PATIENCE_S = 20.0


class Runner:
    """Runs units that last until they are let go, one by one or all."""

    def __init__(self) -> None:
        self.order: list[Unit] = []
        self.may_end = threading.Semaphore(0)
        self.abandoned: dict[Unit, threading.Event] = {}

    def __call__(self, unit: Unit, abandoned: threading.Event) -> Outcome:
        self.order.append(unit)
        self.abandoned[unit] = abandoned
        self.may_end.acquire()
        if abandoned.is_set():
            raise Abandoned
        return Outcome(unit, 0.0, 1.0)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.may_end.release(len(UNITS))


def runner_started(runner: Runner, count: int) -> list[Unit]:
    """The units that have begun, as soon as there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while len(runner.abandoned) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return runner.order


def end_one(schedule: Schedule, runner: Runner) -> Unit:
    runner.may_end.release()
    outcome = schedule.next_ended(PATIENCE_S)
    assert outcome is not None
    return outcome.unit


def test_never_more_units_than_allowed_run_at_once(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=2)
    schedule.start_more()
    schedule.start_more()
    assert schedule.running == 2
    assert schedule.next_ended(0) is None
    end_one(schedule, runner)
    assert schedule.running == 1
    schedule.start_more()
    assert schedule.running == 2


def test_every_unit_runs_once_in_order_and_then_it_is_done(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=1)
    ended = []
    while not schedule.done:
        schedule.start_more()
        ended.append(end_one(schedule, runner))
    assert ended == runner.order == UNITS


def test_the_limit_can_change_at_any_moment(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=1)
    schedule.start_more()
    schedule.limit = 4
    schedule.start_more()
    assert schedule.running == 4
    schedule.limit = 2
    end_one(schedule, runner)
    schedule.start_more()
    assert schedule.running == 3


def test_while_paused_nothing_new_starts_and_what_runs_goes_on(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=2)
    schedule.start_more()
    schedule.paused = True
    end_one(schedule, runner)
    schedule.start_more()
    assert schedule.running == 1
    assert not schedule.done
    schedule.paused = False
    schedule.start_more()
    assert schedule.running == 2


def test_while_finishing_nothing_new_starts_and_it_is_done_when_what_runs_has_ended(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=2)
    schedule.start_more()
    schedule.finishing = True
    end_one(schedule, runner)
    schedule.start_more()
    assert (schedule.running, len(schedule.waiting), schedule.done) == (1, 4, False)
    end_one(schedule, runner)
    assert schedule.done


def test_a_conversation_that_is_over_makes_room_while_it_is_evaluated(runner: Runner) -> None:
    schedule = Schedule(UNITS, runner, limit=1)
    schedule.start_more()
    schedule.conversed(UNITS[0])
    assert schedule.next_ended(PATIENCE_S) is None
    schedule.start_more()
    assert (schedule.running, schedule.evaluating) == (2, 1)
    # No more of them than may be held in memory.
    for unit in UNITS[1:3]:
        schedule.conversed(unit)
        schedule.next_ended(PATIENCE_S)
        schedule.start_more()
    assert (schedule.running, schedule.evaluating) == (2, 2)


def test_one_domain_is_over_before_the_next_begins(runner: Runner) -> None:
    units = [Unit("retail", "0", 0, 7), Unit("airline", "0", 0, 7), Unit("airline", "1", 0, 7)]
    schedule = Schedule(units, runner, limit=3, one_domain_at_a_time=True)
    schedule.start_more()
    assert runner_started(runner, 1) == units[:1]
    end_one(schedule, runner)
    schedule.start_more()
    assert set(runner_started(runner, 3)) == set(units)


def test_a_unit_that_is_given_up_ends_at_once_and_its_late_outcome_is_none(runner: Runner) -> None:
    schedule = Schedule(UNITS[:2], runner, limit=2)
    schedule.start_more()
    runner_started(runner, 2)
    assert schedule.give_up("retail/9#0") is None
    assert schedule.give_up(UNITS[0].name) == UNITS[0]
    assert (schedule.running, runner.abandoned[UNITS[0]].is_set()) == (1, True)
    # A thread that does not see the event in time ends with an outcome, which nobody wants any more.
    runner.abandoned[UNITS[0]].clear()
    runner.may_end.release(2)
    ended = [schedule.next_ended(PATIENCE_S) for _ in range(2)]
    assert [outcome.unit for outcome in ended if outcome] == [UNITS[1]]
    assert schedule.done


def test_when_all_is_given_up_nothing_has_an_outcome(runner: Runner) -> None:
    schedule = Schedule(UNITS[:1], runner, limit=1)
    schedule.start_more()
    runner_started(runner, 1)
    schedule.give_up_all()
    runner.may_end.release()
    deadline = time.monotonic() + PATIENCE_S
    while any(thread.name == UNITS[0].name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert schedule.next_ended(0) is None
    assert not schedule.done


def test_units_that_hang_cannot_keep_the_process_alive(runner: Runner) -> None:
    schedule = Schedule(UNITS[:1], runner, limit=1)
    schedule.start_more()
    assert [thread.daemon for thread in threading.enumerate() if thread.name == UNITS[0].name] == [True]
