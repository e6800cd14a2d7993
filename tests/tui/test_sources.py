"""What is said of the sources of a snapshot."""

from __future__ import annotations

from dataclasses import replace

from tau2tui.core.eta import time_left
from tau2tui.core.model import Reading, RunState, Snapshot
from tau2tui.core.verdict import Standing
from tau2tui.tui.format import duration
from tau2tui.tui.sources import Source, sources
from tau2tui.tui.summary import summarise
from tests.sample import NOW, make_snapshot, small_config
from tests.tui.fakes import busy_cluster, make_ops, running_evaluation


def seen(snapshot: Snapshot, now: float = NOW) -> tuple[Source, Source]:
    return sources(small_config(), snapshot, now)


def test_fresh_sources_have_no_trouble() -> None:
    assert [source.trouble for source in seen(make_snapshot())] == ["", ""]
    assert not any(source.old for source in seen(make_snapshot(), NOW + 9))


def test_sources_that_were_never_asked_are_old_but_not_in_trouble() -> None:
    jobs, run = seen(Snapshot())
    assert jobs.old
    assert run.old
    assert (jobs.trouble, run.trouble, jobs.age_s) == ("", "", None)


def test_a_failed_read_is_named_with_the_age_of_what_is_shown() -> None:
    failed = replace(make_snapshot().jobs, error="squeue: no", failed_at=NOW + 40)
    jobs, _ = seen(Snapshot(jobs=failed), NOW + 42)
    assert (jobs.trouble, jobs.age_s, jobs.old) == ("SLURM: squeue: no", 42, True)


def test_silence_makes_old_after_a_few_periods_and_never_at_once() -> None:
    _, run = seen(make_snapshot(), NOW + 11)
    assert (run.old, run.trouble) == (True, "run directory: no answer")
    jobs, _ = seen(make_snapshot(), NOW + 80)
    assert not jobs.old
    jobs, _ = seen(make_snapshot(), NOW + 100)
    assert jobs.trouble == "SLURM: no answer"


def test_files_that_cannot_be_read_are_named_though_the_rest_is_fresh() -> None:
    state = RunState(clock=NOW, unreadable=("replicas/a.json: bad", "replicas/b.json: bad"))
    _, run = seen(Snapshot(run=Reading(state, NOW)))
    assert (run.old, run.trouble) == (False, "run directory: replicas/a.json: bad (+1 more)")


def test_the_local_scheduler_has_its_own_name() -> None:
    jobs, _ = sources(small_config(cluster={"scheduler": "local"}), Snapshot(jobs=Reading(error="no")), NOW)
    assert jobs.trouble == "local scheduler: no"


async def test_a_run_is_summed_up_in_one_line() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    assert summarise("", ops, NOW).standings == ((Standing.UNKNOWN, 16),)
    await ops.look()
    await ops.foresee()
    summary = summarise("rehearsal", ops, NOW + 3)
    assert summary.title == "rehearsal 20251230-0900"
    assert summary.standings == ((Standing.READY, 16),)
    left = time_left(running_evaluation())
    assert left is not None
    assert summary.evaluation.startswith(f"eval 58% ETA {duration(left.middle_s)}±")
    assert summary.ages == "jobs 3s run 3s"


def test_without_a_run_there_is_only_a_title() -> None:
    assert summarise("some/logs", None, NOW).title == "some/logs"
    assert summarise("some/logs", None, NOW).standings == ()
