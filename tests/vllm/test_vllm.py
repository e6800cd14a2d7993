"""A fleet of real vLLM servers from doctor to stop: they start, fail, are killed and come back as they really do.

Each start takes half a minute on two cores, so all tests share one fleet; each brings it into the state that it needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tau2tui.core.load.measured import PERCENTILES, Distribution
from tau2tui.node import agent
from tests.command_line import CommandLine
from tests.load.server_figures import disagreements, in_every_measure, scrape
from tests.processes import free_port, is_alive, wait_for
from tests.vllm.serving import ARGUMENTS, fleet_config

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.xdist_group("vllm")]

PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Three servers: the agent's, one with the wrong tool-call parser, and one with a flag that vLLM does not have."""

    tau2tui: CommandLine

    @property
    def run(self) -> Path:
        (run,) = self.tau2tui.directory.glob("runs/2*")
        return run

    def state(self, replica: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "replicas" / f"{replica}.json").read_text())
        return found

    def wait(self, replica: str, phase: str, why: str = "") -> dict[str, Any]:
        """Its state once it is in a phase, for a reason that has these words; no wait for what will not come."""

        def there() -> object:
            state = self.state(replica)
            if state["phase"] != phase:
                assert state["phase"] not in agent.SETTLED, f"{replica} {state['phase']}: {state['why']}"
                return False
            return why in state["why"]

        wait_for(there, f"{replica} {phase} {why}", PATIENCE_S)
        return self.state(replica)

    def ready(self, replica: str) -> dict[str, Any]:
        """Its state once it is ready; it is started again if it was stopped or has failed."""
        if self.state(replica)["phase"] in agent.SETTLED:
            self.tau2tui.run("relaunch", replica)
        return self.wait(replica, "ready")

    def processes(self, replica: str) -> dict[int, str]:
        """pid → title of the live processes of a server: its own, and the engine that it started."""
        state = self.state(replica)
        pids = agent.Server(state["pid"], state["started_ticks"]).session()
        return {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ") for pid in pids}

    def engine(self, replica: str) -> int:
        """The process that holds the model, and on a cluster the GPU."""
        (pid,) = [pid for pid, title in self.processes(replica).items() if agent.VLLM_TITLE.match(title)]
        return pid

    def log(self, replica: str) -> str:
        """What the server of this attempt has said so far."""
        return (self.run / str(self.state(replica)["log"])).read_text(errors="replace")


@pytest.fixture(scope="module")
def tau2tui(vllm_directory: Path) -> CommandLine:
    """The words, with the configuration of the fleet."""
    experts = {
        "agent": {"role": "agent", "gpus": [0], "port": free_port()},
        "wrong-parser": {"gpus": [1], "port": free_port(), "tool_call_parser": "pythonic"},
        "unknown-flag": {"gpus": [2], "port": free_port(), "args": {**ARGUMENTS, "chat-template-kwargs": "{}"}},
    }
    config = vllm_directory / "config.toml"
    config.write_text(tomlkit.dumps(fleet_config(vllm_directory, experts, stop_timeout_s=10)))
    return CommandLine(config, vllm_directory)


@pytest.fixture(scope="module")
def fleet(tau2tui: CommandLine) -> Iterator[Fleet]:
    """The fleet, launched against the advice of `doctor`."""
    tau2tui.run("launch", "--skip-doctor", "--no-wait")
    wait_for(lambda: len(list(tau2tui.directory.glob("runs/2*/replicas/*.json"))) == 3, "the node agent")
    yield Fleet(tau2tui)
    tau2tui.run("stop", "--yes", status=None)


def test_doctor_asks_the_real_program_and_a_launch_with_a_flag_that_it_does_not_have_is_refused(
    tau2tui: CommandLine,
) -> None:
    report = json.loads(tau2tui.run("doctor", "--json", status=2).stdout)
    (error,) = [finding for finding in report["findings"] if finding["severity"] == "error"]
    assert (error["rule"], error["where"]) == ("unknown-flag", "experts.unknown-flag.args")
    assert "--chat-template-kwargs" in error["message"] and "--default-chat-template-kwargs" in error["remedy"]
    assert report["vllm"] == "0.32.0+cpu"
    assert "unknown-flag" in tau2tui.run("launch", status=2).stderr
    assert not list(tau2tui.directory.glob("runs/2*"))


def test_a_start_goes_through_its_phases_up_to_a_tool_call_that_the_parser_parsed(fleet: Fleet) -> None:
    state = fleet.ready("agent-0")
    assert [phase for phase, _ in state["phases"]] == ["starting", "loading", "serving", "ready"]
    assert state["level"] == "completion" and state["last_error"] == ""
    times = dict(state["phases"])
    assert sorted(times.values()) == list(times.values())
    assert times["starting"] >= state["started_at"] and times["ready"] >= state["ready_at"]
    # Nothing is told before vLLM itself says so, on its clock of whole seconds.
    said = re.search(r"INFO \d\d-\d\d (\d\d:\d\d:\d\d) .*Starting to load model", fleet.log("agent-0"))
    assert said is not None
    day = datetime.fromtimestamp(times["loading"]).date()
    assert times["loading"] >= datetime.combine(day, clock.fromisoformat(said[1])).timestamp()


def test_a_load_has_the_figures_of_the_servers_own_histograms_within_their_buckets(fleet: Fleet) -> None:
    url = f"http://127.0.0.1:{fleet.ready('agent-0')['port']}"
    names = (
        "time_to_first_token_seconds",
        "e2e_request_latency_seconds",
        "request_time_per_output_token_seconds",
        "request_generation_tokens",
    )
    options = (
        "--concurrency",
        "3",
        "--requests",
        "18",
        "--warm-up",
        "0",
        "--input-tokens",
        "64",
        "--output-tokens",
        "20",
    )

    async def differing() -> dict[str, str]:
        before = scrape(url, *names)
        found = json.loads(fleet.tau2tui.run("load", "agent", *options, "--json").stdout)
        after = {name: buckets.since(before[name]) for name, buckets in scrape(url, *names).items()}
        assert (found["requests"]["completed"], found["errors"]) == (18, {})
        assert found["output_tokens"] == after["request_generation_tokens"].total_s == 18 * 20
        assert found["latency_ms"]["itl"]["count"] <= 18 * 19, "several tokens may come in one chunk"
        differing: dict[str, str] = {}
        for name, latency, slack_ms in zip(names, ("ttft", "e2e", "tpot"), (600.0, 600.0, 60.0), strict=False):
            figures = found["latency_ms"][latency]
            shares = {share: figures[f"p{share}"] for share in PERCENTILES}
            client = Distribution(figures["count"], figures["mean"], None, shares)
            differing |= {
                f"{latency} {what}": how for what, how in disagreements(client, after[name], slack_ms).items()
            }
        return differing

    assert asyncio.run(in_every_measure(differing, most=3)) == {}


def test_a_model_whose_calls_the_parser_does_not_read_is_never_ready(fleet: Fleet) -> None:
    state = fleet.wait("wrong-parser-0", "serving", why="answered, but not as a parsed tool call")
    assert state["level"] == "identity" and state["ready_at"] is None


def test_an_unknown_flag_is_told_in_words_of_vllm_and_not_tried_again(fleet: Fleet) -> None:
    state = fleet.wait("unknown-flag-0", "failed")
    assert (state["failure"], state["attempt"], state["restart_at"]) == ("configuration", 1, None)
    assert state["why"] == "exited with status 2"
    assert state["last_error"] == "vllm: error: unrecognized arguments: --chat-template-kwargs {}"


def test_a_killed_server_fails_its_orphan_is_ended_and_it_comes_back_with_a_changed_setting(fleet: Fleet) -> None:
    before = fleet.ready("agent-0")
    engine = fleet.engine("agent-0")
    os.kill(before["pid"], signal.SIGKILL)
    failed = fleet.wait("agent-0", "failed", why="killed by signal 9 and left")
    assert failed["exit_status"] == -9
    wait_for(lambda: not is_alive(engine), "the end of the engine that was left")
    fleet.tau2tui.run("relaunch", "agent-0", "--set", "gpu_memory_utilization=0.88")
    after = fleet.state("agent-0")
    assert (after["phase"], after["level"], after["attempt"]) == ("ready", "completion", before["attempt"] + 1)
    command = Path(f"/proc/{after['pid']}/cmdline").read_bytes().split(b"\0")
    assert command[command.index(b"--gpu-memory-utilization") + 1] == b"0.88"


def test_a_killed_engine_is_a_failure_though_its_server_ends_with_status_0(fleet: Fleet) -> None:
    fleet.wait("wrong-parser-0", "serving")
    os.kill(fleet.engine("wrong-parser-0"), signal.SIGKILL)
    state = fleet.wait("wrong-parser-0", "failed", why="exited with status 0")
    assert state["exit_status"] == 0 and state["failure"] == "other"
    assert state["restart_at"] is not None, "the policy would try again"


def test_the_right_parser_makes_it_ready(fleet: Fleet) -> None:
    if fleet.state("wrong-parser-0")["phase"] != "failed":
        fleet.wait("wrong-parser-0", "serving")
    fleet.tau2tui.run("relaunch", "wrong-parser-0", "--set", "tool_call_parser=hermes", "--yes")
    assert fleet.state("wrong-parser-0")["level"] == "completion"


def test_the_stop_of_a_ready_server_is_proved(fleet: Fleet) -> None:
    port = fleet.ready("agent-0")["port"]
    processes = fleet.processes("agent-0")
    said = fleet.tau2tui.run("stop", "agent-0", "--yes").stderr
    state = fleet.state("agent-0")
    assert (state["phase"], state["exit_status"]) == ("stopped", 0)
    assert state["why"] == f"no process left, port {port} closed" and state["why"] in said
    assert not any(map(is_alive, processes))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_server_that_swallows_term_while_its_engine_starts_is_stopped_all_the_same(fleet: Fleet) -> None:
    if fleet.state("agent-0")["phase"] not in agent.SETTLED:
        fleet.tau2tui.run("stop", "agent-0", "--yes")
    attempt = fleet.state("agent-0")["attempt"]
    with ThreadPoolExecutor(1) as pool:
        relaunch = pool.submit(fleet.tau2tui.run, "relaunch", "agent-0", status=None)
        wait_for(lambda: fleet.state("agent-0")["attempt"] > attempt, "the next attempt")
        wait_for(lambda: "Using max model len" in fleet.log("agent-0"), "the start of the engine", PATIENCE_S)
        wait_for(lambda: len(fleet.processes("agent-0")) > 1, "the process of the engine")
        processes = fleet.processes("agent-0")
        fleet.tau2tui.run("stop", "agent-0", "--yes")
        state = fleet.state("agent-0")
        assert state["phase"] == "stopped" and state["why"].startswith("no process left")
        assert not any(map(is_alive, processes))
        assert relaunch.result().returncode == 4


def test_the_stop_of_everything_leaves_nothing(fleet: Fleet) -> None:
    fleet.tau2tui.run("stop", "--yes")
    assert {row["standing"] for row in fleet.tau2tui.status()["replicas"]} <= {"stopped", "failed"}
    for replica in ("agent-0", "wrong-parser-0", "unknown-flag-0"):
        assert agent.marked_processes(fleet.run, replica) == []
