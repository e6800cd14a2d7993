"""Who may be ended: decided on facts, and only ever done to the very process that was seen."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tau2tui.node import agent
from tests.processes import is_alive

MINE = os.getuid()


def judged(
    uid: int = MINE, job_id: str = "", lives: bool | None = None, parent: int = 7, command: str = "python"
) -> bool:
    process = {"user": "someone", "job_id": job_id, "parent": parent, "command": command}
    return agent.judge_process(process, uid, lives)[0]


def test_only_what_is_ours_and_provably_needed_by_nothing_alive_is_stale() -> None:
    assert judged(job_id="5", lives=False)
    assert judged(parent=1, command="VLLM::EngineCore_DP0")
    assert not judged(uid=MINE + 1, job_id="5", lives=False)
    assert not judged(uid=MINE + 1, parent=1, command="VLLM::EngineCore")
    assert not judged(job_id="5", lives=True)
    assert not judged(job_id="5", lives=None), "unknown is never ended"
    assert not judged(job_id="5", lives=True, parent=1, command="VLLM::EngineCore")
    assert not judged(parent=7, command="VLLM::EngineCore")
    assert not judged(parent=1, command="jupyter-lab")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_pid_that_is_another_process_by_now_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    ticks = agent.started_ticks(process.pid)
    assert ticks is not None
    (result,) = agent.end_processes([(process.pid, ticks - 1)], patience_s=1)
    assert "left alone" in result["result"] and is_alive(process.pid)
    (result,) = agent.end_processes([(process.pid, ticks)], patience_s=5)
    assert result["result"] == "ended" and not is_alive(process.pid)


def test_a_job_of_the_local_scheduler_lives_as_long_as_its_very_process(
    process: subprocess.Popen[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = tmp_path_factory.mktemp("spool") / "3.json"
    marks = {agent.LOCAL_JOB_MARK: str(record)}
    assert agent.job_of(marks, set()) == (str(record), None)
    ticks = agent.started_ticks(process.pid) or 0
    agent.write_json(record, {"id": "3", "pid": process.pid, "started_ticks": ticks})
    assert agent.job_of(marks, None) == ("3", True)
    agent.write_json(record, {"id": "3", "pid": process.pid, "started_ticks": ticks - 1})
    assert agent.job_of(marks, None) == ("3", False)


def test_whether_a_slurm_job_lives_is_unknown_when_slurm_does_not_say() -> None:
    assert agent.job_of({"SLURM_JOB_ID": "5"}, None) == ("5", None)
    assert agent.job_of({"SLURM_JOB_ID": "5"}, {"5", "6"}) == ("5", True)
    assert agent.job_of({"SLURM_JOB_ID": "5"}, set()) == ("5", False)


def test_processes_are_named_on_a_command_line_by_pid_and_start() -> None:
    assert agent.process_set("12:345,6:7,") == {(12, 345), (6, 7)}
    assert agent.process_set("") == set()


@contextmanager
def frozen(pid: int, directory: Path) -> Iterator[None]:
    """Hold a process in uninterruptible sleep (D), as a hanging driver or file server does. Raises OSError."""
    mounted = subprocess.run(["mount", "-t", "cgroup", "-o", "freezer", "none", str(directory)], check=False)
    if mounted.returncode:
        raise OSError("this kernel has no freezer of the first kind")
    group = directory / f"tau2tui-{pid}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        yield
        (group / "freezer.state").write_text("THAWED")
        while (group / "cgroup.procs").read_text():
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        group.rmdir()
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@contextmanager
def traced(pid: int) -> Iterator[None]:
    """Let a process stop on its way out until we let go of it: KILL has no effect meanwhile either."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, trace_exit, detach = 0x4206, 0x40, 17
    assert libc.ptrace(seize, pid, None, trace_exit) == 0, os.strerror(ctypes.get_errno())
    yield
    assert libc.ptrace(detach, pid, None, None) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.lab  # it needs root
@pytest.mark.parametrize("how", ["frozen", "traced"])
def test_a_process_that_even_kill_does_not_end_is_named_with_its_state(
    process: subprocess.Popen[bytes], how: str, tmp_path: Path
) -> None:
    held = frozen(process.pid, tmp_path) if how == "frozen" else traced(process.pid)
    ticks = agent.started_ticks(process.pid)
    try:
        with held:
            (result,) = agent.end_processes([(process.pid, ticks)], patience_s=0.5)
            state = {"frozen": "D", "traced": "t"}[how]
            assert result["result"] == f"cannot be ended (state {state})"
            assert is_alive(process.pid)
    except OSError as error:
        pytest.skip(str(error))
    assert process.wait(10) in (-signal.SIGTERM, -signal.SIGKILL), "it got both at once when it was let go"


def test_memory_left_is_known_for_each_gpu_and_many_small_remains_are_not_one_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    program.write_text("#!/bin/sh\nprintf '0, 450\\n1, 450\\n2, 450\\n3, 450\\n4, 80000\\n5, [N/A]\\n'\n")
    program.chmod(0o755)
    assert agent.memory_in_use("0,1,2,3") == dict.fromkeys("0123", 450.0)
    assert agent.memory_in_use("5") == {}, "what no one says is not called 0"
    program.write_text("#!/bin/sh\nexit 9\n")
    assert agent.memory_in_use("0") == {}
