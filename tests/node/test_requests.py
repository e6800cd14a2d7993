"""Two operators ask the same agent, and a clock is set under it: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clock import SteppedClock
from tests.node.test_agent import AGENT, Node
from tests.processes import wait_for

pytestmark = pytest.mark.slow
NAME = "expert-1-0"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.end()


def test_of_two_who_restart_the_same_attempt_one_is_obeyed_and_both_are_answered(node: Node) -> None:
    node.add(NAME)
    node.start()
    node.wait_phase(NAME, "ready")
    ada, bob = (node.drop("restart", NAME, by=who, attempt=1) for who in ("ada", "bob"))
    assert node.answer(ada)["ok"] and node.answer(bob)["ok"]
    node.wait_phase(NAME, "ready")
    late = node.answer(node.drop("restart", NAME, by="eve", attempt=1))
    assert late["ok"] and "started again meanwhile: attempt 2 is ready" in late["message"]
    assert node.state(NAME)["attempt"] == 2
    assert len(list((node.run_dir / "logs").glob(f"{NAME}.*.log"))) == 2, "two attempts, and no server beside them"


def test_who_stops_is_told_when_another_restarts_and_the_other_way_round(node: Node) -> None:
    node.add(NAME)
    node.start()
    node.wait_phase(NAME, "ready")
    stop = node.drop("stop", NAME, by="ada")
    restart = node.drop("restart", NAME, by="bob", attempt=1)
    overruled = node.answer(stop)
    assert not overruled["ok"] and overruled["message"] == f"overruled: {NAME}, restart by bob"
    assert node.answer(restart)["ok"]
    node.wait_phase(NAME, "ready")
    restart = node.drop("restart", NAME, by="bob", attempt=2)
    stop = node.drop("stop", NAME, by="ada")
    assert "overruled" in node.answer(restart)["message"]
    assert node.answer(stop)["ok"] and node.state(NAME)["phase"] == "stopped"


def test_nothing_is_started_again_in_a_job_that_somebody_ends(node: Node) -> None:
    node.add(NAME)
    node.start()
    node.wait_phase(NAME, "ready")
    stop = node.drop("stop", "job1", by="ada")
    restart = node.drop("restart", NAME, by="bob", attempt=1)
    assert "the job ends: stop by ada" in node.answer(restart)["message"]
    assert node.answer(stop)["ok"]
    assert node.process is not None and node.process.wait(30) == 0


def test_a_request_that_cannot_be_read_is_answered_and_ends_nobody(node: Node) -> None:
    node.add(NAME)
    node.start()
    node.wait_phase(NAME, "ready")
    strange = node.drop("clean", NAME, by="ada", value="no process:1")
    assert "cannot be read" in node.answer(strange)["message"]
    assert node.answer(node.drop("restart", NAME, by="ada", attempt=1))["ok"]


def test_what_another_agent_wrote_over_is_registered_again(node: Node) -> None:
    """As on a file system whose locks hold on one machine alone: its table was made before ours was."""
    node.add(NAME)
    node.start()
    node.wait_phase(NAME, "ready")
    table = node.run_dir / "endpoints.json"
    wait_for(lambda: table.exists() and json.loads(table.read_text())["org/Expert"], "the endpoint")
    table.write_text(json.dumps({"org/Expert": [{"ip_addr": "127.0.0.2", "port": "1"}]}))
    wait_for(lambda: len(json.loads(table.read_text())["org/Expert"]) == 1 and "127.0.0.1" in table.read_text(), "it")


@pytest.mark.parametrize("step_s", [7200.0, -7200.0], ids=["forwards", "backwards"])
def test_a_clock_that_is_set_ends_no_wait_and_begins_none(node: Node, tmp_path: Path, step_s: float) -> None:
    """Two hours: more than every limit of a start, of a stop, of a restart and of silence."""
    clock = SteppedClock(tmp_path / "step")
    node.program = clock.argv(str(AGENT))
    node.add(NAME, "--start-s", "2", restart={"attempts": 1, "backoff_s": 1, "backoff_max_s": 1, "healthy_s": 600})
    node.start()
    node.wait_phase(NAME, "starting", "loading", "compiling", "capturing", "serving")
    clock.step(step_s)
    state = node.wait_phase(NAME, "ready", "failed")
    assert state["phase"] == "ready" and state["why"] == "", "it was never late"
    shown = time.time() + step_s
    wait_for(
        lambda: abs(node.state(NAME)["heartbeat_at"] - time.time() - step_s) < 30, "a sign of life by the new clock"
    )
    state = node.state(NAME)
    assert abs(state["started_at"] - shown) < 120 and abs(state["phases"][-1][1] - shown) < 120, (
        "as is all that it tells"
    )
    took_s = state["ready_at"] - state["started_at"]
    assert 0 <= took_s < 120, "and what lies between is as long as it was"
    assert node.ask("restart", NAME)["ok"]
    node.wait_phase(NAME, "ready")
    assert node.ask("stop", NAME)["message"].startswith(f"{NAME} stopped")
