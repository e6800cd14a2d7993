"""Time left of a run as its driver shows it, and what has stalled."""

from __future__ import annotations

from dataclasses import replace

from tau2tui.core.eta import extra_attempts, seed_eta_s, seed_time_left_s, stalled_units, time_left, work_left
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, RunningUnit
from tests.sample import NOW


def progress(
    total: int, durations: tuple[float, ...], ages: tuple[float, ...] = (), max_concurrency: int = 1
) -> EvalProgress:
    running = tuple(RunningUnit("retail", str(i), 0, NOW - age, NOW) for i, age in enumerate(ages))
    return EvalProgress(
        EvalState.RUNNING,
        started_at=NOW - 1000,
        updated_at=NOW,
        domains=(DomainProgress("retail", total, ok=len(durations), running=len(ages)),),
        running=running,
        durations_s=durations,
        duration_domains=("retail",) * len(durations),
        max_concurrency=max_concurrency,
    )


def test_before_the_units_are_counted_nothing_is_said() -> None:
    assert time_left(progress(total=0, durations=())) is None


def test_before_anything_has_ended_earlier_runs_say_how_long_it_takes() -> None:
    begun = progress(total=40, durations=(), ages=(5.0,))
    assert time_left(begun) is None
    left = time_left(begun, earlier=(("retail", 100.0),) * 30)
    assert left is not None and 2500 < left.low_s < left.high_s < 7000


def test_nothing_left_takes_no_time() -> None:
    left = time_left(progress(total=2, durations=(10.0, 20.0)))
    assert left is not None and left.high_s == 0.0


def test_what_neither_runs_nor_has_ended_waits() -> None:
    work = work_left(progress(total=10, durations=(10.0, 20.0), ages=(4.0,), max_concurrency=3))
    assert work.finished == (("retail", 10.0), ("retail", 20.0))
    assert (work.running, work.queued, work.concurrency) == ((("retail", 4.0),), (("retail", 7),), 3)


def test_durations_of_an_older_driver_hold_for_all_domains_alike() -> None:
    older = replace(progress(10, (10.0, 20.0), (4.0,)), duration_domains=(), one_domain_at_a_time=True)
    work = work_left(replace(older, domains=(*older.domains, DomainProgress("airline", 5))))
    assert work.finished == (("", 10.0), ("", 20.0))
    assert (work.running, work.queued, work.one_domain_at_a_time) == ((("", 4.0),), (("", 12),), False)


def test_the_seeds_estimate_is_elapsed_over_done_times_remaining() -> None:
    assert seed_eta_s(2, 10, 60.0) == 240.0
    assert seed_eta_s(0, 10, 60.0) is None


def test_units_of_earlier_drivers_took_no_time_of_this_one() -> None:
    resumed = replace(progress(10, (10.0,) * 6), finished_before=4)
    assert seed_time_left_s(resumed) == 2000.0
    assert seed_time_left_s(replace(resumed, finished_before=6)) is None


def test_units_that_are_silent_for_three_times_the_median_have_stalled_the_longest_first() -> None:
    idle = {"a": 301.0, "b": 900.0, "c": 299.0}
    assert stalled_units(idle, (50.0, 100.0, 5000.0)) == ("b", "a")
    assert stalled_units(idle, ()) == ()


def test_a_minute_of_silence_is_the_least_that_counts() -> None:
    assert stalled_units({"a": 59.0, "b": 61.0}, (1.0, 1.0)) == ("b",)


def test_while_it_is_paused_the_time_left_is_that_from_when_it_goes_on() -> None:
    running = progress(total=40, durations=(100.0,) * 20, ages=(10.0, 30.0), max_concurrency=2)
    paused = replace(running, state=EvalState.PAUSED, updated_at=NOW + 5)
    long_paused = replace(running, state=EvalState.PAUSED, updated_at=NOW + 50_000, running=())
    now, soon, later = map(time_left, (running, paused, long_paused))
    assert now is not None and soon is not None and later is not None
    assert abs(soon.middle_s - now.middle_s) < 0.1 * now.middle_s
    assert abs(later.middle_s - now.middle_s) < 0.2 * now.middle_s


def test_another_number_at_once_changes_the_time_left_at_once() -> None:
    slow, fast = (time_left(progress(80, (100.0,) * 20, (10.0, 30.0), places)) for places in (2, 8))
    assert slow is not None and fast is not None
    assert 2.5 < slow.middle_s / fast.middle_s < 5.0


def test_units_of_several_trials_are_all_waited_for() -> None:
    one, three = (time_left(progress(20 + 40 * trials, (100.0,) * 20)) for trials in (1, 3))
    assert one is not None and three is not None
    assert 2.5 < three.middle_s / one.middle_s < 3.5


def test_what_was_skipped_or_ended_in_an_error_is_not_waited_for() -> None:
    plain = progress(40, (100.0,) * 20)
    skipped = replace(plain, domains=(DomainProgress("retail", 40, ok=20, errors=10),))
    work = work_left(skipped)
    assert work.queued == (("retail", 10),)


def test_when_units_began_is_passed_on_if_it_is_known_of_each() -> None:
    timed = replace(progress(10, (10.0, 20.0)), unit_starts=(NOW - 100, NOW - 50))
    assert work_left(timed).begun_s == (100.0, 50.0)
    assert work_left(replace(timed, unit_starts=(NOW,))).begun_s == ()


def test_attempts_that_failed_and_were_made_again_let_expect_more_of_them() -> None:
    assert extra_attempts(left=60, attempts=99, repeated=25) == 20
    assert extra_attempts(left=60, attempts=99, repeated=0) == 0
    assert extra_attempts(left=10, attempts=3, repeated=3) == 30
