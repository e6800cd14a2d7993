"""When a replica that fails is taken out, tried and put back."""

from __future__ import annotations

from tau2tui.core.breaker import FIRST_OPEN_S, LONGEST_OPEN_S, PATIENCE, Breaker


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    assert breaker.failed(now, at_once=True) == FIRST_OPEN_S
    return breaker


def test_a_replica_that_does_not_answer_is_taken_out_at_once() -> None:
    breaker = opened()
    assert not breaker.lets_through(FIRST_OPEN_S - 0.1)


def test_one_that_still_answers_gets_some_patience_and_a_good_answer_renews_it() -> None:
    breaker = Breaker()
    for _ in range(PATIENCE - 1):
        assert breaker.failed(0.0, at_once=False) is None
    assert not breaker.succeeded()
    for _ in range(PATIENCE - 1):
        assert breaker.failed(0.0, at_once=False) is None
    assert breaker.lets_through(0.0)
    assert breaker.failed(0.0, at_once=False) == FIRST_OPEN_S


def test_when_its_time_is_over_one_call_decides() -> None:
    breaker = opened()
    assert breaker.lets_through(FIRST_OPEN_S)
    assert breaker.begin()
    assert not breaker.lets_through(FIRST_OPEN_S)
    assert breaker.succeeded()
    assert breaker.closed and breaker.lets_through(FIRST_OPEN_S)
    assert not breaker.begin()


def test_every_trial_that_fails_makes_the_next_wait_twice_as_long_up_to_a_limit() -> None:
    breaker, now, waits = opened(), 0.0, [FIRST_OPEN_S]
    for _ in range(7):
        now += waits[-1]
        assert breaker.lets_through(now) and breaker.begin()
        waits.append(breaker.failed(now, at_once=False) or 0.0)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert waits[-1] == LONGEST_OPEN_S
    breaker.succeeded()
    assert breaker.failed(now, at_once=True) == FIRST_OPEN_S


def test_calls_that_were_under_way_when_it_was_taken_out_make_nothing_worse() -> None:
    breaker = opened()
    assert [breaker.failed(0.5, at_once=True) for _ in range(9)] == [None] * 9
    assert breaker.lets_through(FIRST_OPEN_S)
