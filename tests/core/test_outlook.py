"""A run as its driver's state tells of it."""

from __future__ import annotations

from dataclasses import replace

from tau2tui.core.eta import time_left
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, RunningUnit
from tau2tui.core.outlook import NOTHING_LEFT, outlook_of
from tests.sample import NOW

RUNNING = EvalProgress(
    EvalState.RUNNING,
    started_at=NOW - 1000,
    updated_at=NOW,
    domains=(DomainProgress("retail", 30, ok=19, errors=1, running=2), DomainProgress("airline", 10, running=0)),
    running=(
        RunningUnit("retail", "7", 0, NOW - 500, NOW - 400),
        RunningUnit("retail", "8", 1, NOW - 50, NOW - 5),
    ),
    durations_s=(100.0,) * 20,
    duration_domains=("retail",) * 20,
    max_concurrency=2,
)


def test_counts_estimate_and_idle_units_are_those_of_the_state() -> None:
    found, left = outlook_of(RUNNING, NOW), time_left(RUNNING)
    assert left is not None and found.left is not None
    assert (found.done, found.total, found.concurrency, found.paused) == (20, 40, 2, False)
    assert (found.left.p10_s, found.left.p50_s, found.left.p90_s) == (left.low_s, left.middle_s, left.high_s)
    assert found.seed_eta_s == 1000.0
    assert found.idle == (("retail/7#0", 400.0), ("retail/8#1", 5.0))
    assert [(one.domain, one.done, one.total, one.running) for one in found.domains] == [
        ("retail", 20, 30, 2),
        ("airline", 0, 10, 0),
    ]
    assert all(one.left is not None and one.left.p50_s > 0 for one in found.domains)


def test_a_unit_that_is_silent_has_stalled_and_the_run_has_not() -> None:
    found = outlook_of(RUNNING, NOW)
    assert found.stalled_units == ("retail/7#0",)
    assert not found.stalled and not any(one.stalled for one in found.domains)


def test_what_the_driver_calls_stalled_is() -> None:
    marked = replace(RUNNING, running=(replace(RUNNING.running[1], stalled=True),))
    assert outlook_of(marked, NOW).stalled_units == ("retail/8#1",)


def test_when_nothing_happens_at_all_the_run_has_stalled() -> None:
    found = outlook_of(RUNNING, NOW + 301)
    assert found.stalled and found.domains[0].stalled and not found.domains[1].stalled
    assert [name for name, _ in found.idle] == ["retail/7#0", "retail/8#1"]


def test_a_pause_is_no_stall() -> None:
    paused = replace(RUNNING, state=EvalState.PAUSED, running=())
    found = outlook_of(paused, NOW + 10_000)
    assert found.paused and not found.stalled and found.left is not None
    assert outlook_of(replace(paused, state=EvalState.RUNNING), NOW + 10_000).stalled


def test_before_anything_has_ended_silence_is_no_stall() -> None:
    fresh = replace(RUNNING, durations_s=(), duration_domains=())
    found = outlook_of(fresh, NOW + 10_000)
    assert not found.stalled and found.stalled_units == () and found.left is None


def test_a_run_that_is_over_has_nothing_left_to_wait_for() -> None:
    found = outlook_of(replace(RUNNING, state=EvalState.STOPPED, running=()), NOW + 10_000)
    assert (found.left, found.stalled, found.seed_eta_s) == (NOTHING_LEFT, False, None)
    assert all(one.left == NOTHING_LEFT for one in found.domains)
