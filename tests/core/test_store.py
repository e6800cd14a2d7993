"""The store keeps what was known when a source fails."""

from __future__ import annotations

from tau2tui.core.model import Reading, RunState, Snapshot, TimeLeft
from tau2tui.core.store import Store
from tests.sample import make_job


def test_a_failed_read_keeps_the_last_value_and_says_why() -> None:
    store = Store()
    store.put_jobs((make_job(),), 1.0)
    store.fail("jobs", "squeue hangs", 2.0)
    jobs = store.latest.jobs
    assert (jobs.value, jobs.at, jobs.error, jobs.failed_at) == ((make_job(),), 1.0, "squeue hangs", 2.0)
    store.put_jobs((), 3.0)
    assert store.latest.jobs.error == "" and store.latest.jobs.value == ()


def test_listeners_hear_of_every_snapshot_until_they_leave() -> None:
    store, heard = Store(), list[Snapshot]()
    leave = store.subscribe(heard.append)
    store.put_run(RunState(clock=1.0), 1.0)
    leave()
    store.put_run(RunState(clock=2.0), 2.0)
    assert [snapshot.run.at for snapshot in heard] == [1.0]


def test_the_memory_leaves_gaps_as_gaps() -> None:
    store = Store()
    store.put_jobs((make_job(),), 1.0)
    store.put_run(RunState(clock=5.0), 2.0)
    assert store.series(lambda snapshot: snapshot.run.value.clock if snapshot.run.value else None) == [(2.0, 5.0)]


def test_what_is_recalled_is_shown_until_the_run_is_read_and_decides_nothing() -> None:
    store = Store()
    store.recall(RunState(clock=5.0), 5.0, "seen last")
    assert store.latest.run == Reading(RunState(clock=5.0), 5.0, "seen last")
    assert store.live == Snapshot(run=Reading(error="seen last"))
    store.fail("run", "no answer", 20.0)
    assert store.latest.run == Reading(RunState(clock=5.0), 5.0, "no answer", 20.0)
    assert store.since(0.0) is None, "no rate is made of it"
    store.put_run(RunState(clock=21.0), 21.0)
    assert store.live is store.latest and store.latest.run == Reading(RunState(clock=21.0), 21.0)
    store.recall(RunState(clock=5.0), 5.0, "too late")
    assert store.latest.run.value == RunState(clock=21.0)


def test_what_is_recalled_after_a_failed_read_keeps_its_reason() -> None:
    store = Store()
    store.fail("run", "no answer", 20.0)
    store.recall(RunState(clock=5.0), 5.0, "seen last")
    assert store.latest.run == Reading(RunState(clock=5.0), 5.0, "no answer", 20.0)


def test_an_estimate_is_told_of_when_it_changes_and_is_nothing_new_that_was_seen() -> None:
    store, heard = Store(), list[Snapshot]()
    store.subscribe(heard.append)
    store.put_time_left(TimeLeft(1.0, 2.0, 3.0))
    store.put_time_left(TimeLeft(1.0, 2.0, 3.0))
    assert [snapshot.time_left for snapshot in heard] == [TimeLeft(1.0, 2.0, 3.0)]
    assert store.series(lambda snapshot: 1.0) == []
