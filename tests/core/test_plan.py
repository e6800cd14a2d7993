"""Which steps a command becomes, and what is refused before anything happens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.command import (
    Command,
    HandOver,
    Launch,
    Relaunch,
    RelaunchJob,
    StartEval,
    StartSmoke,
    SteerEval,
    Stop,
)
from tau2tui.core.model import EvalProgress, EvalState, Job, JobState, Phase, Reading, RunningUnit, Snapshot
from tau2tui.core.plan import Plan, Situation, make_plan
from tau2tui.core.plan.situation import MANY
from tau2tui.core.step import Await, AwaitJobsGone, AwaitSmoke, Cancel, Do, Request, Submission, Submit, WriteFile
from tau2tui.core.verdict import Standing
from tau2tui.errors import Refused
from tests.sample import NOW, make_job, make_replica, make_snapshot, small_config

RUN_DIR = PurePosixPath("/runs/one")


class Words:
    """A scheduler that only has words."""

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        follow = submission.follow
        after = () if follow is None else (f"after-{follow.job_id}-in-{follow.begin_s}",)
        return ("submit", submission.run_id, *submission.exclude, *after, submission.path)

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        return ("cancel", *job_ids)


def plan(command: Command, snapshot: Snapshot, config: Config | None = None, run_dir: PurePosixPath = RUN_DIR) -> Plan:
    writes = isinstance(command, Launch) or (isinstance(command, Relaunch) and command.experts)
    files = (WriteFile("run.toml", "text"),) if writes else ()
    if command == AS_JOB:
        files = (WriteFile("jobs/tau2_eval.sbatch", "text"),)
    return make_plan(
        command,
        Situation(
            config or small_config(),
            "one",
            run_dir,
            snapshot,
            Words(),
            files,
            ("drive",),
            ("smoke",),
        ),
    )


def evaluation(state: EvalState = EvalState.RUNNING, updated_at: float = NOW) -> EvalProgress:
    unit = RunningUnit("retail", "0", 0, NOW - 60, NOW - 1, replica="expert-1-0")
    return EvalProgress(state, NOW - 100, updated_at, running=(unit,))


ALL_READY = tuple(make_replica(name) for name in ("orchestrator-0", "expert-1-0", "expert-1-1"))
BOTH_JOBS = (make_job("oss_eval_node1", id="7"), make_job())


def test_a_launch_writes_submits_and_waits_for_replicas_and_endpoints() -> None:
    lines = plan(Launch(), make_snapshot()).lines
    assert lines[0] == "mkdir -p -m 700 /runs/one"
    assert lines[2] == "write /runs/one/run.toml (4 bytes)"
    assert lines[3:5] == (
        "submit one /runs/one/jobs/oss_eval_node1.sbatch",
        "submit one /runs/one/jobs/oss_eval_node2.sbatch",
    )
    assert lines[5].startswith("wait until 3 replicas are ready")
    assert lines[6] == "wait until model_config_oss.json holds every replica that is ready"


def test_a_second_launch_of_a_run_that_has_jobs_is_refused() -> None:
    with pytest.raises(Refused, match="job 8"):
        plan(Launch(), make_snapshot(jobs=(make_job(),)))


def test_a_launch_into_a_relative_directory_is_refused_before_anything_is_written() -> None:
    with pytest.raises(Refused, match=r"run\.directory = 'runs' is relative"):
        plan(Launch(), make_snapshot(), run_dir=PurePosixPath("runs/one"))


def test_a_failed_replica_is_relaunched_without_asking_twice() -> None:
    replica = make_replica(phase=Phase.FAILED)
    made = plan(Relaunch(("expert-1-0",)), make_snapshot((replica,), BOTH_JOBS, evaluation=evaluation()))
    assert made.steps[0] == Request("restart", ("expert-1-0",), timeout_s=90.0, attempts=(("expert-1-0", 0),))
    assert isinstance(made.steps[1], Await) and made.steps[1].standing is Standing.READY
    assert not made.destructive


def test_to_relaunch_a_replica_that_works_is_destructive_and_says_what_it_costs() -> None:
    made = plan(Relaunch(("expert-1-0",)), make_snapshot(ALL_READY, BOTH_JOBS, evaluation=evaluation()))
    assert made.destructive
    assert made.affects == ("1 simulations are in flight at expert-1-0; what is lost is run again",)


def test_a_replica_whose_job_ended_is_not_relaunched() -> None:
    jobs = (make_job(state=JobState.ENDED, raw_state="TIMEOUT"),)
    with pytest.raises(Refused, match="TIMEOUT"):
        plan(Relaunch(("expert-1-0",)), make_snapshot((make_replica(),), jobs))


def test_an_unknown_replica_is_refused_with_the_known_names() -> None:
    with pytest.raises(Refused, match="orchestrator-0, expert-1-0, expert-1-1"):
        plan(Relaunch(("expert-9-0",)), make_snapshot())


def test_a_stop_ends_the_evaluation_then_the_replicas_then_the_jobs() -> None:
    made = plan(Stop(), make_snapshot(ALL_READY, BOTH_JOBS, evaluation=evaluation()))
    assert made.lines[:2] == ("request stop eval", "request stop oss_eval_node1 oss_eval_node2")
    assert made.steps[2] == Cancel(("7", "8"), ("cancel", "7", "8"))
    assert isinstance(made.steps[3], AwaitJobsGone)
    assert made.destructive


def test_a_job_that_only_waits_is_cancelled_without_asking_an_agent() -> None:
    made = plan(Stop(), make_snapshot(jobs=(make_job(state=JobState.PENDING),)))
    assert made.lines[0] == "cancel 8"


def test_nothing_is_stopped_while_the_queue_is_not_known() -> None:
    with pytest.raises(Refused, match="not known: squeue"):
        plan(Stop(), Snapshot(jobs=Reading(error="squeue hangs"), run=make_snapshot().run))


def test_to_stop_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="nothing"):
        plan(Stop(), make_snapshot(jobs=(make_job(state=JobState.ENDED),)))


def test_several_replicas_are_stopped_at_once_and_many_need_a_word() -> None:
    names = tuple(replica.name for replica in ALL_READY)
    made = plan(Stop(names[:2]), make_snapshot(ALL_READY, BOTH_JOBS))
    assert made.lines == (f"request stop {names[0]} {names[1]}",)
    assert made.challenge == ""
    assert len(names) < MANY
    assert plan(Stop((names * MANY)[:MANY]), make_snapshot(ALL_READY, BOTH_JOBS)).challenge == "stop"
    assert plan(Stop(), make_snapshot(ALL_READY, BOTH_JOBS)).challenge == "stop"


def test_the_job_of_a_node_is_stopped_by_its_agent_and_then_cancelled() -> None:
    job = BOTH_JOBS[0]
    made = plan(Stop(jobs=(job.name,)), make_snapshot(ALL_READY, BOTH_JOBS, evaluation=evaluation()))
    gone = f"wait until the scheduler shows no job {job.name}"
    assert made.lines == (f"request stop {job.name}", f"cancel {job.id}", gone)
    with pytest.raises(Refused, match="no job 'other'"):
        plan(Stop(jobs=("other",)), make_snapshot(ALL_READY, BOTH_JOBS))


def test_a_target_of_which_nobody_knows_how_it_is_is_named_as_such() -> None:
    silent = replace(ALL_READY[0], heartbeat_at=NOW - 240)
    made = plan(Stop((silent.name,)), make_snapshot((silent, *ALL_READY[1:]), BOTH_JOBS))
    assert made.doubts == (f"{silent.name}: its real state is not known: no word from its node agent for 240 s",)


def test_an_evaluation_needs_a_ready_replica_of_every_expert() -> None:
    with pytest.raises(Refused, match="no replica of orchestrator is ready"):
        plan(StartEval(EvaluationConfig()), make_snapshot(ALL_READY[1:], BOTH_JOBS))
    made = plan(StartEval(EvaluationConfig()), make_snapshot(ALL_READY, BOTH_JOBS))
    assert made.steps[1] == Do(("drive",))


def test_two_evaluations_of_one_run_are_refused_unless_the_first_is_dead() -> None:
    with pytest.raises(Refused, match="is running"):
        plan(StartEval(EvaluationConfig()), make_snapshot(ALL_READY, BOTH_JOBS, evaluation=evaluation()))
    silent = evaluation(updated_at=NOW - 60)
    plan(StartEval(EvaluationConfig()), make_snapshot(ALL_READY, BOTH_JOBS, evaluation=silent))


def test_only_a_running_evaluation_is_steered() -> None:
    with pytest.raises(Refused, match="no evaluation"):
        plan(SteerEval("pause"), make_snapshot(ALL_READY, evaluation=evaluation(EvalState.FINISHED)))
    made = plan(SteerEval("concurrency", 8), make_snapshot(ALL_READY, evaluation=evaluation()))
    assert made.steps == (Request("concurrency", ("eval",), 8),)
    assert plan(SteerEval("stop"), make_snapshot(ALL_READY, evaluation=evaluation())).destructive


def test_a_gentle_stop_asks_nobody_and_a_skip_says_what_it_costs() -> None:
    snapshot = make_snapshot(ALL_READY, evaluation=evaluation())
    assert not plan(SteerEval("finish"), snapshot).destructive
    skip = plan(SteerEval("skip", "retail/0#0"), snapshot)
    assert skip.steps == (Request("skip", ("eval",), "retail/0#0"),)
    assert skip.lines == ("request skip eval retail/0#0",)
    assert skip.destructive and "the next start runs it again" in skip.affects[0]


AS_JOB = StartEval(EvaluationConfig(where="job"))
EVAL_JOB = make_job("tau2_eval", JobState.PENDING, id="9")


def test_an_evaluation_as_a_job_is_submitted_instead_of_started() -> None:
    made = plan(AS_JOB, make_snapshot(ALL_READY, BOTH_JOBS))
    assert made.lines[0].startswith("write /runs/one/eval/request.json")
    assert made.lines[1] == "write /runs/one/jobs/tau2_eval.sbatch (4 bytes)"
    assert made.lines[2] == "submit one /runs/one/jobs/tau2_eval.sbatch"
    assert made.lines[3] == "wait until the evaluation runs (at most 3600 s)"


def test_an_evaluation_that_queues_is_not_submitted_twice_and_can_be_cancelled() -> None:
    queued = make_snapshot(ALL_READY, (*BOTH_JOBS, EVAL_JOB))
    for start in (AS_JOB, StartEval(EvaluationConfig())):
        with pytest.raises(Refused, match="submitted as job 9"):
            plan(start, queued)
    made = plan(SteerEval("stop"), queued)
    assert made.steps == (Cancel(("9",), ("cancel", "9")), AwaitJobsGone(job="tau2_eval"))
    running = make_snapshot(ALL_READY, (*BOTH_JOBS, EVAL_JOB), evaluation=evaluation())
    assert plan(SteerEval("stop"), running).lines == ("request stop eval",)


def test_a_stop_of_everything_cancels_the_evaluations_job_and_asks_no_agent_in_it() -> None:
    jobs = (*BOTH_JOBS, make_job("tau2_eval", id="9"))
    made = plan(Stop(), make_snapshot(ALL_READY, jobs, evaluation=evaluation()))
    assert made.lines[:3] == (
        "request stop eval",
        "request stop oss_eval_node1 oss_eval_node2",
        "cancel 7 8 9",
    )


def test_a_changed_setting_is_written_before_the_restart_and_only_what_a_command_line_says_can_change() -> None:
    expert = small_config().experts["expert-1"]
    snapshot = make_snapshot((make_replica(phase=Phase.FAILED),), BOTH_JOBS)
    tighter = {"expert-1": expert.model_copy(update={"gpu_memory_utilization": 0.88})}
    made = plan(Relaunch(("expert-1-0",), tighter), snapshot)
    assert made.lines[:2] == ("write /runs/one/run.toml (4 bytes)", "request restart expert-1-0")
    with pytest.raises(Refused, match=r"experts\.expert-1: port cannot change"):
        plan(Relaunch(("expert-1-0",), {"expert-1": expert.model_copy(update={"port": 1})}), snapshot)


def test_to_relaunch_what_has_failed_when_nothing_has_is_refused() -> None:
    with pytest.raises(Refused, match="no replica has failed"):
        plan(Relaunch(()), make_snapshot(ALL_READY, BOTH_JOBS))


def test_a_job_is_stopped_seen_to_be_gone_and_submitted_again_elsewhere() -> None:
    made = plan(RelaunchJob("oss_eval_node2", ("gpu07",)), make_snapshot(ALL_READY, BOTH_JOBS))
    assert made.lines == (
        "request stop oss_eval_node2",
        "cancel 8",
        "wait until the scheduler shows no job oss_eval_node2",
        "submit one gpu07 /runs/one/jobs/oss_eval_node2.sbatch",
        "wait until 2 replicas are ready (at most 1860 s)",
    )
    assert made.destructive
    with pytest.raises(Refused, match="known: oss_eval_node1, oss_eval_node2"):
        plan(RelaunchJob("nosuch"), make_snapshot())


def test_a_job_that_has_ended_is_simply_submitted_again() -> None:
    jobs = (make_job(state=JobState.ENDED, raw_state="NODE_FAIL"),)
    made = plan(RelaunchJob("oss_eval_node2"), make_snapshot(jobs=jobs))
    assert made.lines[0].startswith("submit one /runs/one/jobs/") and not made.destructive


def test_a_launch_can_leave_nodes_out() -> None:
    assert plan(Launch(exclude=("gpu07",)), make_snapshot()).lines[3].startswith("submit one gpu07 ")


RUNNING_JOBS = (make_job("oss_eval_node1", id="7", time_left_s=900.0), make_job(nodes="node2", time_left_s=7200.0))


def test_a_successor_starts_elsewhere_and_so_long_before_the_limit_as_is_configured() -> None:
    made = plan(HandOver("oss_eval_node2"), make_snapshot(ALL_READY, RUNNING_JOBS))
    assert made.lines == ("submit one node2 after-8-in-3600 /runs/one/jobs/oss_eval_node2.sbatch",)
    assert made.steps == (Submit("oss_eval_node2", tuple(made.lines[0].split()), known=("8",)),)
    assert not made.destructive


def test_all_jobs_are_handed_over_and_one_whose_limit_is_near_at_once() -> None:
    made = plan(HandOver(exclude=("gpu07",)), make_snapshot(ALL_READY, RUNNING_JOBS))
    assert [line.split()[2:-1] for line in made.lines] == [
        ["gpu07", "after-7-in-0"],
        ["gpu07", "node2", "after-8-in-3600"],
    ]


def test_a_hand_over_that_is_wanted_now_is_waited_for_in_the_new_job() -> None:
    made = plan(HandOver("oss_eval_node2", now=True), make_snapshot(ALL_READY, BOTH_JOBS))
    assert made.lines == (
        "submit one after-8-in-0 /runs/one/jobs/oss_eval_node2.sbatch",
        "wait until 2 replicas are ready in another job than 8 (at most 1860 s)",
    )


@pytest.mark.parametrize(
    ("command", "jobs", "said"),
    [
        (HandOver("nosuch"), BOTH_JOBS, "known: oss_eval_node1, oss_eval_node2"),
        (HandOver("oss_eval_node2"), BOTH_JOBS, "no time limit that is known"),
        (HandOver("oss_eval_node2", now=True), (make_job(state=JobState.PENDING),), "does not run"),
        (HandOver("oss_eval_node2", now=True), (make_job(), make_job(id="9")), "job 9 follows job 8 already"),
    ],
)
def test_a_hand_over_is_refused_where_it_makes_no_sense(command: HandOver, jobs: tuple[Job, ...], said: str) -> None:
    with pytest.raises(Refused, match=said):
        plan(command, make_snapshot(ALL_READY, jobs))


def test_a_hand_over_needs_a_second_place() -> None:
    with pytest.raises(Refused, match="one machine"):
        plan(HandOver(now=True), make_snapshot(ALL_READY, BOTH_JOBS), small_config(cluster={"scheduler": "local"}))


def test_two_jobs_of_one_name_are_stopped_by_their_ids() -> None:
    jobs = (*BOTH_JOBS, make_job(id="9"))
    assert plan(Stop(), make_snapshot(ALL_READY, jobs)).lines[:2] == ("request stop oss_eval_node1 8 9", "cancel 7 8 9")


def test_a_smoke_test_needs_the_whole_fleet_and_bears_its_mark() -> None:
    command = StartSmoke(EvaluationConfig(), "mark-1")
    with pytest.raises(Refused, match="no replica of orchestrator is ready"):
        plan(command, make_snapshot(ALL_READY[1:], BOTH_JOBS))
    request, start, wait = plan(command, make_snapshot(ALL_READY, BOTH_JOBS)).steps
    assert isinstance(request, WriteFile) and json.loads(request.text)["request"] == "mark-1"
    assert request.path == "/runs/one/eval/smoke-request.json"
    assert start == Do(("smoke",))
    assert wait == AwaitSmoke("mark-1", 1860.0)
