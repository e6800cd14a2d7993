"""How a replica stands: above all, that missing data is never taken for an end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tau2tui.core.model import JobState, Phase, Reading, Snapshot
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import HEARTBEAT_TIMEOUT_S, Standing, Verdict, judge
from tests.sample import NOW, make_job, make_replica, make_snapshot, small_config

JOB = plan_jobs(small_config())[1]
WANTED = JOB.replicas[0]


def verdict(snapshot: Snapshot) -> Verdict:
    return judge(WANTED, JOB.name, snapshot)


def test_before_anything_was_read_a_replica_is_unknown() -> None:
    assert verdict(Snapshot()).standing is Standing.UNKNOWN


def test_a_queue_that_did_not_answer_is_not_an_empty_queue() -> None:
    silent = replace(make_snapshot(), jobs=Reading(error="squeue: Socket timed out", failed_at=NOW))
    assert verdict(silent).standing is Standing.UNKNOWN
    assert "Socket timed out" in verdict(silent).why
    assert verdict(make_snapshot()).standing is Standing.ABSENT


def test_a_run_directory_that_did_not_answer_leaves_the_replica_unknown() -> None:
    snapshot = replace(make_snapshot(), run=Reading(error="login: no connection"))
    assert verdict(snapshot).standing is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (JobState.PENDING, Standing.QUEUED),
        (JobState.RUNNING, Standing.STARTING),
        (JobState.COMPLETING, Standing.STOPPING),
        (JobState.ENDED, Standing.FAILED),
        (JobState.UNKNOWN, Standing.UNKNOWN),
    ],
)
def test_without_a_report_the_job_decides(state: JobState, standing: Standing) -> None:
    assert verdict(make_snapshot(jobs=(make_job(state=state),))).standing is standing


@pytest.mark.parametrize(
    ("phase", "standing"),
    [
        (Phase.WAITING, Standing.STARTING),
        (Phase.LOADING, Standing.STARTING),
        (Phase.SERVING, Standing.STARTING),
        (Phase.READY, Standing.READY),
        (Phase.DEGRADED, Standing.DEGRADED),
        (Phase.FAILED, Standing.FAILED),
        (Phase.STOPPED, Standing.STOPPED),
    ],
)
def test_the_report_of_a_living_agent_decides(phase: Phase, standing: Standing) -> None:
    snapshot = make_snapshot((make_replica(phase=phase),), (make_job(),))
    assert verdict(snapshot).standing is standing


def test_an_agent_that_fell_silent_makes_its_replica_unknown_not_dead() -> None:
    snapshot = make_snapshot((make_replica(),), (make_job(),), clock=NOW + HEARTBEAT_TIMEOUT_S + 1)
    assert verdict(snapshot).standing is Standing.UNKNOWN
    assert "31 s" in verdict(snapshot).why


def test_a_silent_agent_whose_job_ended_is_a_failure_with_the_schedulers_word() -> None:
    job = make_job(state=JobState.ENDED, raw_state="NODE_FAIL")
    snapshot = make_snapshot((make_replica(),), (job,), clock=NOW + 60)
    assert verdict(snapshot).standing is Standing.FAILED
    assert "NODE_FAIL" in verdict(snapshot).why


def test_a_failure_is_told_with_its_last_error_line() -> None:
    replica = make_replica(phase=Phase.FAILED, why="exited with status 1", last_error="OutOfMemoryError: CUDA")
    assert verdict(make_snapshot((replica,), (make_job(),))).why == "exited with status 1: OutOfMemoryError: CUDA"


def test_a_replica_is_joined_with_the_job_that_its_agent_named() -> None:
    jobs = (make_job(id="7", state=JobState.ENDED), make_job(id="8"), make_job(id="9", name="other"))
    seen = verdict(make_snapshot((make_replica(),), jobs))
    assert seen.job is not None and seen.job.id == "8"


def test_a_silent_agent_whose_job_was_requeued_waits_again() -> None:
    job = make_job(state=JobState.PENDING, reason="BeginTime")
    seen = verdict(make_snapshot((make_replica(),), (job,), clock=NOW + 60))
    assert seen.standing is Standing.QUEUED and "after a requeue" in seen.why


def test_a_forgotten_job_leaves_a_silent_replica_unknown() -> None:
    job = make_job(state=JobState.FORGOTTEN)
    assert verdict(make_snapshot((make_replica(),), (job,), clock=NOW + 60)).standing is Standing.UNKNOWN
    assert verdict(make_snapshot(jobs=(job,))).standing is Standing.UNKNOWN


def test_a_job_that_will_take_over_is_told_beside_the_replica_that_works() -> None:
    waiting = (make_job(), make_job(id="9", state=JobState.PENDING, reason="BeginTime"))
    assert verdict(make_snapshot((make_replica(),), waiting)).why.startswith(
        "→ job 9 (pending) will take over: may not"
    )
    loading = (make_replica(job_id="9", phase=Phase.LOADING),)
    seen = verdict(make_snapshot((make_replica(),), (make_job(), make_job(id="9")), successors=loading))
    assert seen.standing is Standing.READY and seen.why == "→ job 9 (loading) takes over when it is ready"


def test_a_job_that_was_taken_over_from_is_told_until_it_has_drained() -> None:
    jobs = (make_job(), make_job(id="9"))
    drains = (make_replica(phase=Phase.DRAINING),)
    seen = verdict(make_snapshot((make_replica(job_id="9"),), jobs, predecessors=drains))
    assert seen.why == "← job 8 (draining) had it before" and seen.job is not None and seen.job.id == "9"
    done = (make_replica(phase=Phase.STOPPED),)
    assert verdict(make_snapshot((make_replica(job_id="9"),), jobs, predecessors=done)).why == ""


def test_a_replica_whose_job_slurm_lost_sight_of_is_as_its_agent_says_and_the_contradiction_is_told() -> None:
    job = make_job(state=JobState.PENDING, reason="BeginTime")
    seen = verdict(make_snapshot((make_replica(),), (job,)))
    assert seen.standing is Standing.READY and "SLURM has its job 8 waiting again" in seen.why
