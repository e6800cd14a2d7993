"""The rehearsal as a user starts it: it ends well, or it ends clean."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tau2tui import config
from tau2tui.rehearsal.fleet import rehearsed
from tests.processes import wait_for
from tests.test_config import SHIPPED

pytestmark = pytest.mark.xdist_group("demo")  # whole fleets: one at a time is enough for two cores


def started_below(directory: Path) -> list[str]:
    """Command lines of the processes that were started for runs in a directory; tmux names it too, and its shell."""
    output = subprocess.run(["pgrep", "-af", str(directory)], capture_output=True, text=True, check=False).stdout
    return [line for line in output.splitlines() if "ended with" not in line]


def demo(directory: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tau2tui", "demo", "--headless", "--dir", str(directory), *words]
    return subprocess.Popen(
        argv,
        cwd=SHIPPED.parent,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PLANTED = {
    "VLLM_API_KEY": "planted-key-of-the-fleet-91c4",
    "OPENAI_API_KEY": "planted-key-outside-7d20",
    "HF_TOKEN": "hf_plantedTokenOfTheHub5e13",
    "NOTICE_URL": "https://hooks.invalid/planted-webhook-3fa8",
}
"""Secrets in the environment of everything that a run starts."""


def command_lines() -> set[str]:
    """The command lines of all processes, which every user of a machine can read."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return set(listed.splitlines())


def test_the_rehearsal_keeps_names_roles_and_ports_and_adds_a_user_simulator(tmp_path: Path) -> None:
    shipped = config.load(SHIPPED, {})
    played = rehearsed(shipped, tmp_path, num_tasks=2, max_concurrency=3)
    assert list(played.experts) == [*shipped.experts, "user-simulator"]
    steps = {played.experts[name].ports[0] - expert.ports[0] for name, expert in shipped.experts.items()}
    assert len(steps) == 1, "all ports move together"
    assert played.experts["expert-3"].gpus == shipped.experts["expert-3"].gpus
    assert played.user == "user-simulator" and played.cluster.scheduler == "local"


def assert_no_secret(directory: Path, *said: str) -> None:
    """No file below a directory, whatever it is called, and nothing that was said holds a planted secret."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert len(files) > 50
    for secret in PLANTED.values():
        assert [path for path in files if secret.encode() in path.read_bytes() or secret in path.name] == []
        assert not any(secret in text for text in said)


@pytest.mark.slow
def test_a_headless_rehearsal_ends_with_full_reward_a_report_and_nothing_running(tmp_path: Path) -> None:
    seen: set[str] = set()
    deadline = time.monotonic() + 300
    with demo(tmp_path, "--num-tasks", "1", **PLANTED) as process:
        while process.poll() is None and time.monotonic() < deadline:
            seen |= command_lines()
            time.sleep(0.2)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert_no_secret(tmp_path, out, err, *seen)
    assert any("rehearsal_server.py" in line for line in seen)
    report = Path(out.removeprefix("report: ").strip())
    run = report.parent
    assert "17/17 ready" in err and "evaluation finished: 4/4, passed 4/4" in err
    assert json.loads((run / "profile_analysis.json").read_text())["orchestrator"]["stats"]["count"] > 0
    assert len(list((run / "profile_charts").glob("*.png"))) >= 4
    state = json.loads((run / "eval/state.json").read_text())
    assert all(state["calls"][name] for name in ("orchestrator", "expert-1", "expert-2", "expert-3", "user"))
    assert started_below(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_rehearsal_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        wait_for(lambda: list(tmp_path.glob("*/replicas/*.json")), "the first replica")
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert started_below(tmp_path) == []


@pytest.mark.slow
def test_a_replica_that_cannot_start_fails_the_rehearsal_and_names_it(tmp_path: Path) -> None:
    settings = SHIPPED.read_text().replace('"--async-scheduling"', '"--async-scheduling", "--fault", "exit"')
    (tmp_path / "config.toml").write_text(settings)
    argv = [sys.executable, "-m", "tau2tui", "demo", "--headless", "--dir", str(tmp_path / "runs")]
    environment = {**os.environ, "PYTHONPATH": str(SHIPPED.parent)}
    completed = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert completed.returncode == 4
    last = completed.stderr.splitlines()[-1]
    assert last.startswith("tau2tui: ") and "expert-1-0 failed" in last and "OutOfMemoryError" in last
    assert started_below(tmp_path) == []
