"""The rest of the schedule played through: properties that hold for any run, and cases that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.core.forecast import Forecast, Work, forecast

pytestmark = pytest.mark.slow

DOMAINS = ("airline", "retail", "telecom")
SECONDS = st.floats(0.0, 1e5)
UNITS = st.lists(st.tuples(st.sampled_from(DOMAINS), SECONDS), max_size=40)


@st.composite
def works(draw: st.DrawFn) -> Work:
    finished = tuple(draw(UNITS.filter(bool)))
    ages = st.tuples(*(st.floats(0.0, 1e6) for _ in finished))
    return Work(
        finished=finished,
        begun_s=draw(st.one_of(st.just(()), ages)),
        running=tuple(draw(UNITS)),
        queued=tuple((domain, draw(st.integers(0, 40))) for domain in draw(st.permutations(DOMAINS))),
        concurrency=draw(st.integers(1, 64)),
        one_domain_at_a_time=draw(st.booleans()),
        earlier=tuple(draw(UNITS)),
    )


def said(work: Work) -> Forecast:
    found = forecast(work)
    assert found is not None
    return found


def equal_units(count: int, *, queued: int = 0, concurrency: int = 1) -> Work:
    """So many of 100 seconds have ended."""
    return Work((("retail", 100.0),) * count, queued=(("retail", queued),), concurrency=concurrency)


@settings(deadline=None)
@given(works())
def test_the_interval_is_ordered_finite_and_never_negative(work: Work) -> None:
    found = said(work)
    for span in (found.whole, *found.domains.values()):
        assert 0 <= span.p10_s <= span.p50_s <= span.p90_s < math.inf


@settings(deadline=None)
@given(works())
def test_no_domain_ends_after_the_whole(work: Work) -> None:
    found = said(work)
    assert all(span.p90_s <= found.whole.p90_s for span in found.domains.values())


@settings(deadline=None)
@given(works())
def test_the_same_work_has_the_same_forecast(work: Work) -> None:
    forecast.cache_clear()
    first = said(work)
    forecast.cache_clear()
    assert said(work) == first


@settings(deadline=None)
@given(UNITS.filter(bool), st.integers(0, 30), st.integers(1, 30), st.integers(1, 16))
def test_more_work_takes_no_less_time(
    finished: list[tuple[str, float]], queued: int, more: int, concurrency: int
) -> None:
    work = Work(tuple(finished), queued=(("retail", queued),), concurrency=concurrency)
    less, all_ = said(work).whole, said(replace(work, queued=(("retail", queued + more),))).whole
    assert less.p10_s <= all_.p10_s and less.p50_s <= all_.p50_s and less.p90_s <= all_.p90_s


@given(UNITS, st.integers(1, 16))
def test_nothing_left_takes_no_time(finished: list[tuple[str, float]], concurrency: int) -> None:
    span = said(Work(tuple(finished), concurrency=concurrency)).whole
    assert (span.p10_s, span.p50_s, span.p90_s) == (0.0, 0.0, 0.0)


def test_without_a_known_duration_nothing_is_said() -> None:
    assert forecast(Work(running=(("retail", 5.0),), queued=(("retail", 5),))) is None


def test_many_equal_units_one_at_a_time_take_about_their_duration_each() -> None:
    span = said(equal_units(200, queued=50)).whole
    assert 0.85 * 5000 < span.p50_s < 1.15 * 5000


def test_twice_the_places_take_about_half_the_time() -> None:
    one, two = (said(equal_units(200, queued=200, concurrency=places)).whole.p50_s for places in (4, 8))
    assert 0.45 < two / one < 0.6


def test_places_that_were_taken_away_are_not_filled_again() -> None:
    running = (("retail", 0.0),) * 8
    wide = replace(equal_units(100, queued=40, concurrency=8), running=running)
    narrow = replace(wide, concurrency=2)
    assert 2.5 < said(narrow).whole.p50_s / said(wide).whole.p50_s < 4.5


def test_a_unit_that_runs_longer_than_any_has_is_no_short_one() -> None:
    work = replace(equal_units(100), running=(("retail", 500.0),))
    assert said(work).whole.p50_s > 50


def test_a_domain_waits_for_the_end_of_the_one_before() -> None:
    finished = (("retail", 100.0), ("telecom", 100.0)) * 50
    queued = (("retail", 1), ("telecom", 8))
    work = Work(finished, queued=queued, concurrency=8, one_domain_at_a_time=True)
    in_turn, mixed = said(work), said(replace(work, one_domain_at_a_time=False))
    assert in_turn.whole.p50_s > 1.5 * mixed.domains["retail"].p50_s
    assert in_turn.domains["retail"].p50_s < in_turn.domains["telecom"].p10_s


def test_each_domain_is_as_slow_as_its_own_units() -> None:
    finished = (("airline", 50.0), ("telecom", 400.0)) * 40
    left = {name: said(Work(finished, queued=((name, 40),))).whole.p50_s for name in ("airline", "telecom")}
    assert 6 < left["telecom"] / left["airline"] < 10


def test_a_domain_of_which_nothing_has_ended_is_less_sure_than_one_that_is_known() -> None:
    finished = (("retail", 100.0),) * 60
    known, unknown = (said(Work(finished, queued=((name, 40),))).whole for name in ("retail", "telecom"))
    assert unknown.p90_s / unknown.p10_s > 2 * known.p90_s / known.p10_s


def test_short_units_do_not_speak_for_those_that_still_run() -> None:
    finished = (("retail", 20.0),) * 4
    fresh = Work(finished, (), (("retail", 1.0),) * 16, (("retail", 40),), 16)
    late = replace(fresh, running=(("retail", 200.0),) * 16)
    assert said(late).whole.p50_s > 2 * said(fresh).whole.p50_s


def test_a_large_run_is_played_through_with_fewer_replicates() -> None:
    finished = tuple((DOMAINS[number % 3], 50.0 + number % 200) for number in range(1200))
    work = Work(finished, (), (("retail", 30.0),) * 512, (("retail", 600), ("telecom", 600)), 512)
    span = said(work).whole
    assert 200 < span.p10_s < span.p90_s < 5000


def changing(first_s: float, then_s: float) -> Work:
    """Of 160 units that began one after the other the first half took so long and the second so long."""
    finished = tuple(("retail", seconds) for seconds in [first_s] * 80 + [then_s] * 80)
    begun_s = tuple(float(160 - place) * first_s for place in range(160))
    return Work(finished, begun_s, queued=(("retail", 40),))


@pytest.mark.parametrize("then_s", [70.0, 140.0])
def test_servers_that_became_slower_or_faster_are_expected_to_stay_so(then_s: float) -> None:
    timed = changing(100.0, then_s)
    untimed = replace(timed, begun_s=())
    truth_s = 40 * then_s
    assert abs(said(timed).whole.p50_s - truth_s) < 0.5 * abs(said(untimed).whole.p50_s - truth_s)


def test_the_order_in_which_units_began_counts_and_not_that_in_which_they_ended() -> None:
    together = Work(tuple(("retail", 50.0 + place) for place in range(60)), (500.0,) * 60, queued=(("retail", 40),))
    growing = replace(together, begun_s=tuple(500.0 - place for place in range(60)))
    assert said(growing).whole.p50_s > 1.1 * said(together).whole.p50_s


def test_the_longer_the_way_the_wider_the_interval() -> None:
    near, far = (said(equal_units(100, queued=count)).whole for count in (20, 2000))
    assert far.p90_s / far.p10_s > near.p90_s / near.p10_s


def test_of_an_unknown_domain_the_steps_of_its_tasks_give_a_first_idea() -> None:
    finished = (("airline", 50.0),) * 40
    retail, telecom = (said(Work(finished, queued=((name, 40),))).whole.p50_s for name in ("retail", "telecom"))
    assert 1.2 < telecom / retail < 1.8


def test_earlier_runs_say_how_domains_compare_and_this_run_how_fast_it_is() -> None:
    earlier = (("airline", 50.0),) * 40 + (("banking", 500.0),) * 40
    twice_as_slow = Work((("airline", 100.0),) * 40, queued=(("banking", 40),), earlier=earlier)
    assert 0.7 * 40 * 1000 < said(twice_as_slow).whole.p50_s < 1.4 * 40 * 1000


def test_an_earlier_run_at_another_speed_altogether_misleads_only_until_something_has_ended() -> None:
    rehearsal = (("retail", 1.0),) * 100
    for few in (3, 10):
        span = said(Work((("retail", 100.0),) * few, queued=(("retail", 40),), earlier=rehearsal)).whole
        assert 0.5 * 4000 < span.p50_s < 2 * 4000
