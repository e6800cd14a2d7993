"""Observe, plan, perform: with a machine and a scheduler that are classes handed in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tau2tui.config import Config, EvaluationConfig, is_name
from tau2tui.core.command import Launch, Relaunch, StartSmoke, Stop
from tau2tui.core.model import Job, JobState, Phase, Replica
from tau2tui.core.plan import Plan
from tau2tui.core.smoke import Check, CheckResult, SmokeReport, report_to
from tau2tui.core.step import Await, AwaitEndpoints, AwaitSmoke, Cancel, CleanNode, Do, Step, Submission, Submit
from tau2tui.core.verdict import Standing
from tau2tui.errors import CommandFailed, GaveUp, Refused, Unanswered, Unreachable
from tau2tui.ops import Ops, Progress, new_run_id, open_ops
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell, Shell
from tests.claims import claim_granted
from tests.sample import NOW, make_job, make_replica, small_config

RUN = PurePosixPath("/runs/one")


class Cluster(LocalShell):
    """A login node: files in memory, replicas that its agents would report, and commands that are remembered."""

    def __init__(self, replicas: tuple[Replica, ...] = ()) -> None:
        self.replicas = replicas
        self.files: dict[str, bytes] = {}
        self.ran: list[tuple[str, ...]] = []
        self.broken = ""
        self.now = NOW

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if (granted := claim_granted(argv)) is not None:
            return Completed(tuple(argv), 0, granted, "")
        self.ran.append(tuple(argv))
        if self.broken:
            raise Unreachable(self.broken)
        if argv[-2:-1] == ["state"] or "state" in argv:
            state = {"clock": self.now, "replicas": [asdict(replica) for replica in self.replicas], "evaluation": None}
            return Completed(tuple(argv), 0, json.dumps(state), "")
        if argv[0] == "fail":
            return Completed(tuple(argv), 1, "", "fail: no such thing")
        return Completed(tuple(argv), 0, "17\n", "")

    async def read(self, path: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        if path.endswith(".result.json"):
            return json.dumps({"ok": True, "message": "done"}).encode()
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path][offset : offset + limit]

    async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        self.files[path] = content

    async def append(self, path: str, content: bytes) -> None:
        self.files[path] = self.files.get(path, b"") + content

    def register(self, count: int) -> None:
        """Write the endpoints of the first replicas, as the agents do."""
        entries = [{"ip_addr": r.address, "port": str(r.port)} for r in self.replicas[:count]]
        self.files[str(RUN / "model_config_oss.json")] = json.dumps({"org/Expert": entries}).encode()

    def activity(self) -> list[dict[str, Any]]:
        (file,) = (text for name, text in self.files.items() if name.startswith(str(RUN / "activity/")))
        return [json.loads(line) for line in file.splitlines()]


class Queue:
    """A scheduler whose queue is a list."""

    def __init__(self, *jobs: Job) -> None:
        self.rows = jobs
        self.asked = 0
        self.broken = ""
        self.answers: Iterator[str | None] = iter(())
        """What goes wrong with the next changes, one after the other; None and the end: nothing."""

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        return ("submit", submission.script)

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        return ("cancel", *job_ids)

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str:
        answer = next(self.answers, None)
        if answer is not None:
            raise Unanswered(answer)
        return (await shell.run(argv)).check().stdout

    async def jobs(self, shell: object, run_id: str, known: frozenset[str]) -> tuple[Job, ...]:
        self.asked += 1
        if self.broken:
            raise Unreachable(self.broken)
        return self.rows

    async def live_jobs(self, shell: object) -> frozenset[str] | None:
        return frozenset(job.id for job in self.rows)


class Clock:
    """Time that passes by a second whenever somebody looks."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def quick(config: Config) -> Config:
    return config.model_copy(update={"poll": config.poll.model_copy(update={"run_s": 0.0})})


def make_ops(cluster: Cluster, queue: Queue, *, launched: bool = True, read_only: bool = False) -> Ops:
    run = RunDirectory(cluster, RUN, "python3")
    return Ops(quick(small_config()), cluster, queue, run, launched, clock=Clock(), read_only=read_only)


def ignore(progress: Progress) -> None:
    """A front end that shows nothing."""


NAMES = ("orchestrator-0", "expert-1-0", "expert-1-1")
FLEET = tuple(make_replica(name, port=1900 + number) for number, name in enumerate(NAMES))


async def test_a_source_that_fails_keeps_what_was_known() -> None:
    queue = Queue(make_job())
    ops = make_ops(Cluster(FLEET), queue)
    await ops.look()
    queue.broken = "squeue hangs"
    await ops.look()
    assert ops.snapshot.jobs.value == (make_job(),) and ops.snapshot.jobs.error == "squeue hangs"
    assert {verdict.standing for verdict in ops.verdicts()} == {Standing.READY}


async def test_readers_share_an_answer_instead_of_asking_the_scheduler_again() -> None:
    queue = Queue()
    ops = make_ops(Cluster(), queue)
    for _ in range(5):
        await ops.refresh("jobs", 3600)
    assert queue.asked == 1
    await ops.refresh("jobs", 0)
    assert queue.asked == 2


async def test_a_run_that_was_never_launched_is_known_to_be_empty() -> None:
    cluster = Cluster()
    ops = make_ops(cluster, Queue(), launched=False)
    await ops.look()
    assert not cluster.ran
    assert {verdict.standing for verdict in ops.verdicts()} == {Standing.ABSENT}


async def test_a_launch_writes_all_files_before_it_submits_and_tells_each_step() -> None:
    cluster = Cluster(FLEET)
    cluster.register(3)
    ops = make_ops(cluster, Queue(), launched=False)
    await ops.look()
    heard: list[Progress] = []
    await ops.perform(ops.plan(Launch()), heard.append)
    assert [argv for argv in cluster.ran if argv[0] == "submit"] == [
        ("submit", "jobs/oss_eval_node1.sbatch"),
        ("submit", "jobs/oss_eval_node2.sbatch"),
    ]
    assert str(RUN / "jobs/oss_eval_node2.sbatch") in cluster.files
    assert cluster.files["/runs/latest"] == b"one"
    assert heard[-1].message.endswith("3 endpoints")
    assert [entry["did"] for entry in cluster.activity()] == [str(p.step) for p in heard if p.done]
    assert all(entry["ok"] for entry in cluster.activity())


async def test_a_step_that_fails_stops_the_plan_and_is_told_and_logged() -> None:
    cluster = Cluster()
    ops = make_ops(cluster, Queue())
    plan = Plan(Launch(), (Do(("fail",)), Do(("never",)), AwaitEndpoints()))
    with pytest.raises(CommandFailed, match="no such thing") as caught:
        await ops.perform(plan, ignore)
    assert caught.value.hint == "2 further steps were not done"
    assert ("never",) not in cluster.ran
    (entry,) = cluster.activity()
    assert not entry["ok"] and "no such thing" in entry["error"]


async def test_read_only_changes_nothing() -> None:
    cluster = Cluster(FLEET)
    ops = make_ops(cluster, Queue(make_job()), read_only=True)
    await ops.look()
    with pytest.raises(Refused, match="read-only"):
        await ops.perform(ops.plan(Stop()), ignore)
    assert not cluster.files


async def test_a_wait_does_not_believe_what_was_read_before_it_began() -> None:
    cluster = Cluster(FLEET)
    ops = make_ops(cluster, Queue(make_job()))
    await ops.look()
    cluster.broken = "login: no connection"
    plan = Plan(Launch(), (Await(("expert-1-0",), Standing.READY, timeout_s=5),))
    with pytest.raises(GaveUp, match="1/1 ready after 5 s"):
        await ops.perform(plan, ignore)


async def test_a_wait_ends_with_the_error_of_the_replica_that_failed() -> None:
    failed = make_replica("expert-1-0", Phase.FAILED, why="exited with status 1", last_error="OutOfMemoryError")
    ops = make_ops(Cluster((failed,)), Queue(make_job()))
    await ops.look()
    with pytest.raises(CommandFailed, match="expert-1-0 failed: exited with status 1: OutOfMemoryError"):
        await ops.perform(Plan(Launch(), (Await(("expert-1-0",), Standing.READY, 60),)), ignore)


async def test_a_relaunch_asks_the_agent_and_waits_for_its_answer() -> None:
    cluster = Cluster(FLEET)
    ops = make_ops(cluster, Queue(make_job()))
    await ops.look()
    heard: list[Progress] = []
    await ops.perform(ops.plan(Relaunch(("expert-1-0",))), heard.append)
    (name,) = [path for path in cluster.files if path.endswith("-restart.json")]
    assert json.loads(cluster.files[name])["target"] == "expert-1-0"
    assert heard[1].message == "done"


async def test_a_launch_is_done_when_every_replica_that_is_ready_is_registered() -> None:
    cluster = Cluster(FLEET)
    ops = make_ops(cluster, Queue(make_job(state=JobState.RUNNING)))
    cluster.register(2)
    await ops.look()
    with pytest.raises(GaveUp, match="does not hold all endpoints"):
        await ops.perform(Plan(Launch(), (AwaitEndpoints(timeout_s=5),)), ignore)
    cluster.register(3)
    await ops.perform(Plan(Launch(), (AwaitEndpoints(timeout_s=5),)), ignore)


async def doubtful(queue: Queue, step: Step) -> tuple[list[str], Cluster]:
    """Perform one step whose first change is not confirmed; what was said meanwhile."""
    queue.answers = iter(["sbatch: Socket timed out"])
    cluster = Cluster(FLEET)
    heard: list[Progress] = []
    await make_ops(cluster, queue).perform(Plan(Launch(), (step,)), heard.append)
    return [news.message for news in heard], cluster


SUBMIT = Submit("oss_eval_node2", ("submit", "x"), known=("8",))


async def test_a_submission_that_nobody_confirmed_is_found_in_the_queue_and_not_made_again() -> None:
    messages, cluster = await doubtful(Queue(make_job(), make_job(id="9", state=JobState.PENDING)), SUBMIT)
    assert messages[-1].startswith("9 (found in the queue")
    assert ("submit", "x") not in cluster.ran


async def test_a_submission_that_is_not_in_the_queue_was_not_made_and_is_left_to_the_user() -> None:
    with pytest.raises(CommandFailed, match="oss_eval_node2 was not submitted") as caught:
        await doubtful(Queue(make_job()), SUBMIT)
    assert "relaunch --job" in caught.value.hint


async def test_what_became_of_a_submission_stays_unknown_while_the_queue_is_silent() -> None:
    queue = Queue()
    queue.broken = "squeue hangs"
    with pytest.raises(Unanswered, match="whether oss_eval_node2 was submitted is not known"):
        await doubtful(queue, SUBMIT)


async def test_jobs_whose_cancelling_nobody_confirmed_are_looked_for_before_they_are_cancelled_again() -> None:
    cancel = Cancel(("8",), ("cancel", "8"))
    messages, cluster = await doubtful(Queue(make_job(state=JobState.ENDED)), cancel)
    assert messages[-1].startswith("done, by the queue") and ("cancel", "8") not in cluster.ran
    messages, cluster = await doubtful(Queue(make_job(state=JobState.COMPLETING)), cancel)
    assert ("cancel", "8") not in cluster.ran
    messages, cluster = await doubtful(Queue(make_job()), cancel)
    assert "second try" in messages[-1] and cluster.ran.count(("cancel", "8")) == 1


async def test_a_hand_over_is_not_done_while_the_old_job_still_has_the_replica() -> None:
    ops = make_ops(Cluster(FLEET), Queue(make_job()))
    wait = Await(("expert-1-0",), Standing.READY, timeout_s=5, after_job="8")
    with pytest.raises(GaveUp, match="0/1 ready"):
        await ops.perform(Plan(Launch(), (wait,)), ignore)
    moved = Cluster((make_replica("expert-1-0", job_id="9"),))
    await make_ops(moved, Queue(make_job(), make_job(id="9"))).perform(Plan(Launch(), (wait,)), ignore)


def smoke_report(
    cluster: Cluster, state: str, *, request: str = "mine", why: str = "", updated_at: float = NOW
) -> None:
    """What a smoke test last wrote."""
    checks = (Check("answers", "expert-1", CheckResult.PASSED, "3 answers"),)
    report = SmokeReport("f", request, state, NOW, updated_at, why, checks if state == "finished" else ())
    cluster.files[str(RUN / "eval/smoke.json")] = json.dumps(report_to(report)).encode()


async def awaited(cluster: Cluster, timeout_s: float = 900.0) -> list[str]:
    """What is told while a smoke test is waited for."""
    told: list[str] = []
    ops = make_ops(cluster, Queue())
    plan = Plan(StartSmoke(EvaluationConfig(), "mine"), (AwaitSmoke("mine", timeout_s),))
    await ops.perform(plan, lambda progress: told.append(progress.message))
    return told


async def test_a_smoke_test_that_is_over_says_how_it_ended() -> None:
    cluster = Cluster()
    smoke_report(cluster, "finished")
    assert await awaited(cluster) == ["", "passed, 1 checks"]


@pytest.mark.parametrize(
    ("state", "request_mark", "error", "said"),
    [
        ("failed", "mine", CommandFailed, "not carried out: no tau2 here"),
        ("finished", "of someone else", CommandFailed, "did not start: error: a lock"),
        ("running", "mine", GaveUp, "no sign of life of the smoke test: error: a lock"),
    ],
)
async def test_a_smoke_test_that_does_not_come_to_its_end_is_told_from_one_that_failed(
    state: str, request_mark: str, error: type[Exception], said: str
) -> None:
    cluster = Cluster()
    cluster.now = NOW + 100
    cluster.files[str(RUN / "eval/smoke.out")] = b"error: a lock\n"
    smoke_report(cluster, state, request=request_mark, why="no tau2 here")
    with pytest.raises(error, match=said):
        await awaited(cluster)


async def test_a_smoke_test_that_goes_on_and_on_is_given_up() -> None:
    cluster = Cluster()
    smoke_report(cluster, "running", why="3 tasks done", updated_at=NOW)
    with pytest.raises(GaveUp, match="not over after 20 s"):
        await awaited(cluster, timeout_s=20)


class DirtyCluster(Cluster):
    """A cluster on one of whose nodes a process cannot be ended, until it can."""

    result = "cannot be ended (state D)"

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if argv[0] == "rm":
            del self.files[argv[-1]]
        if argv[0] != "ssh":
            return await super().run(argv, timeout_s, stdin)
        ended = [{"pid": 7, "result": self.result}]
        return Completed(
            tuple(argv), 0, json.dumps({"ended": ended, "freed_mib": 0, "left": [], "shared_memory": []}), ""
        )

    async def names(self, directory: str) -> tuple[str, ...]:
        return tuple(PurePosixPath(path).name for path in self.files if path.startswith(directory + "/"))


async def test_a_node_that_stays_dirty_is_remembered_until_it_could_be_cleaned() -> None:
    cluster = DirtyCluster(FLEET)
    ops = make_ops(cluster, Queue(make_job()))
    plan = Plan(Launch(), (CleanNode("gpu07", "ssh", ((7, 99),)),))
    with pytest.raises(CommandFailed, match="pid 7 cannot be ended"):
        await ops.perform(plan, ignore)
    (dirty,) = await ops.dirty_nodes()
    assert (dirty.node, dirty.run) == ("gpu07", "one") and "cannot be ended (state D)" in dirty.reason and dirty.at
    by_agent = str(RUN.parent / ".nodes/gpu08.json")
    cluster.files[by_agent] = json.dumps({"node": "gpu08", "at": 1.0, "reason": "held", "gpus": ["3"]}).encode()
    cluster.result = "ended"
    await ops.perform(plan, ignore)
    assert [node.node for node in await ops.dirty_nodes()] == ["gpu08"]


async def test_a_record_of_a_dirty_node_that_cannot_be_read_still_counts() -> None:
    cluster = DirtyCluster(FLEET)
    cluster.files[str(RUN.parent / ".nodes/gpu07.json")] = b"{torn"
    (dirty,) = await make_ops(cluster, Queue()).dirty_nodes()
    assert dirty.node == "gpu07" and "not readable" in dirty.reason


def test_runs_of_one_second_have_names_of_their_own() -> None:
    when = datetime.fromisoformat("2025-12-30 17:32:05")
    first = new_run_id(when)
    second = new_run_id(when, (first,))
    assert (first, second, new_run_id(when, (first, second))) == (
        *("20251230-173205", "20251230-173205-2"),
        "20251230-173205-3",
    )
    assert all(is_name(name) for name in (first, second))


async def test_a_new_run_takes_no_name_that_a_run_has(tmp_path: Path) -> None:
    config = small_config()
    config = config.model_copy(update={"run": config.run.model_copy(update={"directory": str(tmp_path)})})
    names: list[str] = []
    for _ in range(8):  # some of them in the same second
        async with open_ops(config, new=True) as ops:
            names.append(ops.run.run_id)
            Path(ops.run.path).mkdir()
    assert len(set(names)) == len(names)
    with pytest.raises(Refused, match="exists already"):
        async with open_ops(config, names[0], new=True):
            pass
