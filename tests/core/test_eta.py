"""Time left: checked by hand on small cases and by properties on all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tau2tui.core.eta import seed_eta_s, time_left
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
        max_concurrency=max_concurrency,
    )


def test_equal_units_one_at_a_time_take_their_duration_each() -> None:
    left = time_left(progress(total=5, durations=(10.0, 10.0)))
    assert left is not None and left.low_s == left.middle_s == 30.0


def test_units_side_by_side_share_the_time() -> None:
    left = time_left(progress(total=10, durations=(10.0, 10.0), max_concurrency=4))
    assert left is not None and left.middle_s == 20.0


def test_a_running_unit_counts_for_what_it_still_needs() -> None:
    left = time_left(progress(total=3, durations=(10.0, 10.0), ages=(4.0,)))
    assert left is not None and left.middle_s == 6.0


def test_one_duration_says_nothing_about_the_spread() -> None:
    assert time_left(progress(total=5, durations=(10.0,))) is None


def test_before_the_units_are_counted_nothing_is_said() -> None:
    assert time_left(progress(total=0, durations=())) is None


def test_nothing_left_takes_no_time() -> None:
    left = time_left(progress(total=2, durations=(10.0, 20.0)))
    assert left is not None and left.high_s == 0.0


@given(
    st.lists(st.floats(0.1, 1e5), min_size=2, max_size=50),
    st.integers(1, 500),
    st.lists(st.floats(0, 1e5), max_size=8),
    st.integers(1, 64),
)
def test_the_interval_holds_its_middle_and_is_never_negative(
    durations: list[float], remaining: int, ages: list[float], max_concurrency: int
) -> None:
    ages = ages[:remaining]
    left = time_left(progress(len(durations) + remaining, tuple(durations), tuple(ages), max_concurrency))
    assert left is not None
    assert 0 <= left.low_s <= left.middle_s <= left.high_s * (1 + 1e-9)


def test_the_seeds_estimate_is_elapsed_over_done_times_remaining() -> None:
    assert seed_eta_s(2, 10, 60.0) == 240.0
    assert seed_eta_s(0, 10, 60.0) is None
