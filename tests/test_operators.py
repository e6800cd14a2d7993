"""Two front ends on one run: what one of them does while the other has planned already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from tau2tui.core.command import Launch, RelaunchJob, Stop
from tau2tui.core.model import JobState
from tau2tui.core.step import Submission
from tau2tui.errors import CommandFailed, Refused
from tau2tui.ops import Ops
from tau2tui.remote.claims import claimed
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell, Shell
from tests.sample import make_job, small_config
from tests.test_ops import Clock, Cluster, Queue, ignore, quick

NODE1 = make_job("oss_eval_node1", id="7")


class Claimable(Cluster):
    """A login node where claims are real directories."""

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if argv[1:2] == ("-",):
            return await LocalShell.run(self, argv, timeout_s, stdin)
        return await super().run(argv, timeout_s, stdin)


class Shared(Queue):
    """A queue in which each submission is a job."""

    def __init__(self, *jobs: object) -> None:
        super().__init__()
        self.rows = (NODE1,) if jobs else ()
        self.submitted: list[str] = []

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        return ("submit", submission.script)

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str:
        if argv[0] == "submit":
            self.submitted.append(argv[1])
            name = argv[1].removeprefix("jobs/").removesuffix(".sbatch")
            self.rows += (make_job(name, id=str(10 + len(self.submitted))),)
        else:
            self.rows = tuple(row for row in self.rows if row.id not in argv[1:])
        return "17"


def operator(tmp_path: Path, queue: Queue, cluster: Cluster | None = None) -> Ops:
    shell = cluster or Claimable()
    run = RunDirectory(shell, PurePosixPath(tmp_path / "one"), sys.executable)
    return Ops(quick(small_config()), shell, queue, run, True, clock=Clock())


async def test_of_two_launches_of_one_run_that_were_planned_the_second_submits_nothing(tmp_path: Path) -> None:
    queue = Shared()
    ada, bob = operator(tmp_path, queue), operator(tmp_path, queue)
    await ada.look()
    await bob.look()
    plans = ada.plan(Launch(wait=False)), bob.plan(Launch(wait=False))
    await ada.perform(plans[0], ignore)
    assert len(queue.submitted) == 2
    with pytest.raises(Refused, match="has job 11"):
        await bob.perform(plans[1], ignore)
    assert len(queue.submitted) == 2


async def test_a_job_that_was_submitted_again_meanwhile_is_not_what_was_meant(tmp_path: Path) -> None:
    queue = Shared(NODE1)
    ada, bob = operator(tmp_path, queue), operator(tmp_path, queue)
    await ada.look()
    await bob.look()
    plans = [each.plan(RelaunchJob("oss_eval_node1")) for each in (ada, bob)]
    submission = plans[0].steps[: _until_submitted(plans[0].lines)]
    await ada.perform(type(plans[0])(plans[0].command, submission), ignore)
    with pytest.raises(Refused, match="another operator has changed the jobs"):
        await bob.perform(plans[1], ignore)
    assert queue.submitted == ["jobs/oss_eval_node1.sbatch"]


def _until_submitted(lines: Sequence[str]) -> int:
    return 1 + max(number for number, line in enumerate(lines) if line.startswith("submit"))


async def test_who_launches_submits_nothing_more_once_somebody_stops_everything(tmp_path: Path) -> None:
    queue = Shared()
    ada = operator(tmp_path, queue)
    await ada.look()

    class Interrupted(Claimable):
        """While the first job is submitted, another operator stops the run."""

        async def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
            await super().write(path, content, mode)
            if path.endswith("node2.sbatch"):
                async with claimed(ada.run, "Stop", print, at_once=True):
                    pass

    ada.shell = Interrupted()
    with pytest.raises(Refused, match=r"\(Stop\) has taken over the jobs of run one"):
        await ada.perform(ada.plan(Launch(wait=False)), ignore)
    assert queue.submitted == []


async def test_a_stop_of_everything_needs_no_claim_where_none_can_be_had(tmp_path: Path) -> None:
    class Full(Cluster):
        """A run directory without room."""

        async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
            if argv[1:2] == ("-",):
                return Completed(tuple(argv), 1, "", "the run cannot be claimed: [Errno 28] No space left on device")
            return await super().run(argv, timeout_s, stdin)

    queue = Shared(NODE1)
    operations = operator(tmp_path, queue, Full())
    await operations.look()
    await operations.perform(operations.plan(Stop()), ignore)
    assert queue.rows == ()
    with pytest.raises(CommandFailed, match="No space left"):
        await operations.perform(operations.plan(Launch(wait=False)), ignore)
    assert NODE1.state is JobState.RUNNING
