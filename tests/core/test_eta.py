"""Time left of a run as its driver shows it, and what has stalled."""

from __future__ import annotations

from dataclasses import replace

from tau2tui.core.eta import seed_eta_s, seed_time_left_s, stalled_units, time_left, work_left
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
