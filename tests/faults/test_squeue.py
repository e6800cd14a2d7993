"""What `squeue` may say instead of an answer: a job that runs stays known, or unknown with its reason."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from tau2tui.core.model import JobState
from tau2tui.core.verdict import Standing
from tau2tui.ops import Ops
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell
from tau2tui.remote.slurm import COMMENT, Slurm
from tests.sample import make_replica, small_config

NAMES = ("orchestrator-0", "expert-1-0", "expert-1-1")


def row(*fields: str) -> str:
    return "\x1f".join(fields) + "\n"


RUNNING = row("12", "RUNNING", "1:00:00", "gpu07", f"{COMMENT}one", "None", "oss_eval_node1")
REST = row("13", "RUNNING", "1:00:00", "gpu08", f"{COMMENT}one", "None", "oss_eval_node2")


class LoginNode(LocalShell):
    """A machine on which squeue prints what it is told, and sacct is not there."""

    name = "login1"

    def __init__(self) -> None:
        self.says: Completed | Sequence[str] = Completed(("squeue",), 0, RUNNING + REST, "")

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if argv[0] == "squeue":
            if isinstance(self.says, Completed):
                return self.says
            return await super().run(self.says, 0.2, stdin)
        if argv[0] == "sacct":
            return Completed(tuple(argv), 1, "", "sacct: error: Slurm accounting storage is disabled")
        raise AssertionError(argv)


async def seen(says: Completed | Sequence[str]) -> Ops:
    """A run that was seen well, and looked at again while squeue says something else."""
    login = LoginNode()
    ops = Ops(small_config(), login, Slurm(), RunDirectory(login, PurePosixPath("/runs/one"), sys.executable), False)
    await ops.refresh("jobs", 0.0)
    replicas = tuple(make_replica(name, job_id="12", heartbeat_at=0.0) for name in NAMES)
    state = ops.snapshot.run.value
    assert state is None and replicas
    login.says = says
    await ops.refresh("jobs", 0.0)
    return ops


@pytest.mark.parametrize(
    "says",
    [
        Completed(("squeue",), 1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        Completed(("squeue",), 0, "", "squeue: error: Socket timed out on send/recv operation"),
        Completed(("squeue",), 0, "", ""),
        Completed(("squeue",), 0, "JOBID STATE TIME_LEFT NODELIST COMMENT REASON NAME\n", ""),
        Completed(("squeue",), 0, RUNNING[:17], ""),
        Completed(("squeue",), 0, row("RUNNING", "12", "gpu07", "1:00:00", "oss_eval_node1", COMMENT, "None"), ""),
        Completed(("squeue",), 0, '{"jobs": [{"job_id": 12, "job_state": ["RUNNING"]}]}', ""),
        Completed(("squeue",), 0, "\x00\xff\x1b[2J" * 1000, ""),
        Completed(("squeue",), 0, "slurm 26.05.2-0pre1\n", ""),
        ("sleep", "60"),
    ],
    ids=["refused", "timed-out", "empty", "header", "cut", "order", "json", "garbage", "version", "hangs"],
)
async def test_an_answer_that_is_none_ends_no_job(says: Completed | Sequence[str]) -> None:
    ops = await seen(says)
    jobs = {job.id: job for job in ops.snapshot.jobs.value or ()}
    assert {"12", "13"} <= jobs.keys(), "both are still known"
    for job in (jobs["12"], jobs["13"]):
        assert job.state is not JobState.ENDED
        told = ops.snapshot.jobs.error or job.reason
        assert (job.state is JobState.RUNNING and told) or (job.state is JobState.FORGOTTEN and "forgotten" in told)
    assert not {verdict.standing for verdict in ops.verdicts()} & {Standing.FAILED, Standing.STOPPED}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("a|b", "RUNNING"),
        ("two\nlines", "RUNNING"),
        ("🦙" * 500, "RUNNING"),
        ("x", "COMPLETING"),
        ("[3-11%2]", "PENDING"),
    ],
    ids=["bar", "newline", "emoji", "completing", "array"],
)
async def test_an_odd_job_beside_ours_hides_none_of_ours(name: str, state: str) -> None:
    odd = row(
        "14_[3-11%2]" if name.startswith("[") else "14", state, "INVALID", "nowhere.example", "other", "None", name
    )
    ops = await seen(Completed(("squeue",), 0, RUNNING + odd + REST, ""))
    assert not ops.snapshot.jobs.error
    assert [job.id for job in ops.snapshot.jobs.value or ()] == ["12", "13"]


async def test_a_job_that_completes_for_an_hour_has_not_ended() -> None:
    ops = await seen(Completed(("squeue",), 0, RUNNING.replace("RUNNING", "COMPLETING") + REST, ""))
    states = {job.id: job for job in ops.snapshot.jobs.value or ()}
    assert states["12"].state is JobState.COMPLETING and states["12"].may_live
