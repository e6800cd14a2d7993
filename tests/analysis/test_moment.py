"""Pauses, resumes, skips, further attempts, trials and limits in logs: hand-made lines of a driver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tau2tui.analysis.progress import progress_of
from tau2tui.core.outlook import Outlook

START = datetime.fromisoformat("2025-12-30 17:00:00")
MINUTE = 60.0


class Log:
    """The lines of a driver and its units, in the order in which they are written."""

    def __init__(self, path: Path, total: int, *, at_once: int | None = 2) -> None:
        self.path = path
        self.total = total
        self.done = 0
        self.lines: list[str] = []
        limit = "" if at_once is None else f", at most {at_once} at once"
        self.say(0.0, f"Evaluation starts: {total} units, 0 of them finished before{limit}")

    def say(self, seconds: float, message: str) -> None:
        self.lines.append(f"[{START + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}] {message}")

    def event(self, seconds: float, task: str, thread: int = 1, took_s: float = 1.0) -> None:
        self.lines.append(
            f"[PROFILE] {START + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.000 task={task} thread={thread} "
            f"type=llm_call step=1 model=m call_type=vllm duration_ms={1000 * took_s:.2f}"
        )

    def end(self, seconds: float, task: str, status: str = "ok", trial: int = 0, *, counted: bool = True) -> None:
        self.done += counted
        self.say(seconds, "FINISHED SIMULATION")
        self.lines.append(
            f"[TAU2_TASK_COMPLETE] domain=retail trial={trial} task_id={task} status={status} "
            f"completed_domain={self.done} total_domain={self.total}"
        )

    def unit(self, begin_s: float, end_s: float, task: str, status: str = "ok", trial: int = 0) -> None:
        """One whole unit, in a thread of its own."""
        self.event(begin_s + 1, task, thread=len(self.lines))
        self.event(end_s, task, thread=len(self.lines) - 1)
        self.end(end_s, task, status, trial)

    def at(self, seconds: float, concurrency: int | None = None) -> Outlook:
        self.path.write_text("".join(f"{line}\n" for line in self.lines))
        return progress_of([self.path], START + timedelta(seconds=seconds), concurrency)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tau2_retail.log"


def one_after_the_other(log: Log, count: int, begin_s: float = 0.0) -> float:
    """So many units of a minute; returns when the last one ended."""
    for number in range(count):
        log.unit(begin_s + number * MINUTE, begin_s + (number + 1) * MINUTE, str(number))
    return begin_s + count * MINUTE


def seconds_left(found: Outlook) -> float:
    assert found.left is not None
    return found.left.p50_s


def test_a_pause_is_no_stall_and_what_follows_it_is_waited_for_as_before(path: Path) -> None:
    log = Log(path, 30, at_once=1)
    end_s = one_after_the_other(log, 10)
    before = log.at(end_s)
    log.say(end_s, "Request pause: paused: no new units start, 0 units are running to their end")
    paused = log.at(end_s + 3600)
    assert paused.paused and not paused.stalled and not before.paused
    assert abs(seconds_left(paused) - seconds_left(before)) < 0.1 * seconds_left(before)
    log.say(end_s + 3600, "Request resume: resumed")
    again = log.at(end_s + 3601)
    assert not again.paused and not again.stalled
    assert log.at(end_s + 7200).stalled


def test_before_the_pause_began_it_was_none(path: Path) -> None:
    log = Log(path, 30, at_once=1)
    end_s = one_after_the_other(log, 10)
    log.say(end_s + 3600, "Request pause: paused: no new units start, 0 units are running to their end")
    assert log.at(end_s + 3000).stalled and not log.at(end_s + 3000).paused


def gaps(log: Log, ends_s: Iterator[float]) -> None:
    """Ends alone: what is known of units in logs without profile lines."""
    for number, seconds in enumerate(ends_s):
        log.end(seconds, str(number))


def test_without_profile_lines_the_time_of_a_pause_is_taken_out(path: Path) -> None:
    steady, paused = Log(path, 40, at_once=None), Log(path.with_name("other.log"), 40, at_once=None)
    gaps(steady, (MINUTE * number for number in range(1, 21)))
    gaps(paused, (MINUTE * number for number in range(1, 11)))
    paused.say(601, "Paused: the budget of $5.00 is spent ($5.02)")
    paused.say(8001, "Request resume: resumed")
    for number in range(10, 20):
        paused.end(7400 + MINUTE * (number + 1), str(number))
    expected_s = seconds_left(steady.at(1200))
    assert abs(seconds_left(paused.at(8600)) - expected_s) < 0.2 * expected_s


def test_without_profile_lines_the_time_between_two_drivers_is_taken_out(path: Path) -> None:
    log = Log(path, 40, at_once=None)
    gaps(log, (MINUTE * number for number in range(1, 11)))
    log.say(90_000, "Evaluation starts: 40 units, 10 of them finished before")
    for number in range(10, 20):
        log.end(90_000 + MINUTE * (number - 9), str(number))
    assert 0.7 * 1200 < seconds_left(log.at(90_600)) < 1.4 * 1200


def test_a_new_driver_takes_over_and_what_the_last_one_left_behind_does_not_run(path: Path) -> None:
    log = Log(path, 30)
    end_s = one_after_the_other(log, 10)
    log.event(end_s + 30, "lost", thread=77)
    log.say(end_s + 900, "Evaluation starts: 30 units, 10 of them finished before, at most 2 at once")
    log.event(end_s + 905, "fresh", thread=78)
    found = log.at(end_s + 910)
    assert (found.done, found.total, found.stalled) == (10, 30, False)
    assert [name for name, _ in found.idle] == ["retail/fresh"]


def test_the_number_at_once_is_what_the_driver_last_said_unless_another_is_asked_for(path: Path) -> None:
    log = Log(path, 60, at_once=2)
    end_s = one_after_the_other(log, 20)
    log.say(end_s + 10, "Request concurrency: at most 8 units at once, 0 units are running")
    two, eight, four = log.at(end_s), log.at(end_s + 11), log.at(end_s + 11, concurrency=4)
    assert (two.concurrency, eight.concurrency, four.concurrency) == (2, 8, 4)
    assert 2.5 < seconds_left(two) / seconds_left(eight) < 5.0


def test_a_skipped_unit_is_done_and_its_time_is_nobodys(path: Path) -> None:
    log = Log(path, 30, at_once=1)
    end_s = one_after_the_other(log, 10)
    before_s = seconds_left(log.at(end_s))
    log.end(end_s, "stuck", "skipped")
    found = log.at(end_s)
    assert (found.done, found.total) == (11, 30)
    assert seconds_left(found) < before_s


def test_where_failed_units_are_made_again_more_attempts_are_expected(path: Path) -> None:
    plain, failing = Log(path, 60, at_once=1), Log(path.with_name("tau2_retail.log.1"), 60, at_once=1)
    end_s = one_after_the_other(plain, 20)
    for number in range(20):
        begin_s = number * MINUTE
        failing.event(begin_s + 1, str(number), thread=2 * number)
        failing.event(begin_s + 29, str(number), thread=2 * number)
        failing.end(begin_s + 29, str(number), "error", counted=False)
        failing.event(begin_s + 31, str(number), thread=2 * number + 1)
        failing.event(begin_s + 60, str(number), thread=2 * number + 1)
        failing.end(begin_s + 60, str(number))
    expected_s = seconds_left(plain.at(end_s))
    # Two attempts of half a minute each take as long as one of a minute.
    assert abs(seconds_left(failing.at(end_s)) - expected_s) < 0.35 * expected_s


def test_units_of_several_trials_are_told_apart(path: Path) -> None:
    log = Log(path, 40, at_once=1)
    for trial in range(2):
        for number in range(10):
            begin_s = (10 * trial + number) * MINUTE
            log.unit(begin_s, begin_s + MINUTE, str(number), trial=trial)
    found = log.at(1200)
    assert (found.done, found.total) == (20, 40)
    assert 0.7 * 1200 < seconds_left(found) < 1.4 * 1200


def test_the_longest_idle_unit_is_named_first_when_nothing_happens(path: Path) -> None:
    log = Log(path, 30)
    end_s = one_after_the_other(log, 10)
    log.event(end_s + 1, "a", thread=91)
    log.event(end_s + 20, "b", thread=92)
    found = log.at(end_s + 500)
    assert found.stalled and found.stalled_units == ("retail/a", "retail/b")
    assert found.domains[0].stalled
