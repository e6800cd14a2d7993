"""The node agent with real processes: rehearsal servers that start, fail, are killed, and are brought back."""

from __future__ import annotations

import ast
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tau2tui.node import agent
from tests.processes import free_port, is_alive, wait_for

AGENT = Path(agent.__file__)
SERVER = AGENT.parents[1] / "rehearsal" / "server.py"


def test_the_agent_is_python_3_8_and_imports_only_the_standard_library() -> None:
    tree = ast.parse(AGENT.read_text(), feature_version=(3, 8))
    modules = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
    }
    assert modules <= set(sys.stdlib_module_names)


def test_the_word_that_is_called_every_few_seconds_loads_neither_http_nor_thread_pools(tmp_path: Path) -> None:
    argv = [sys.executable, "-X", "importtime", str(AGENT), "state", str(tmp_path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["replicas"] == []
    loaded = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines()}
    assert "json" in loaded
    assert not loaded & {"http.client", "ssl", "concurrent.futures"}


def test_metrics_are_summed_over_engines_and_what_is_not_reported_is_not_there() -> None:
    text = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:gpu_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
vllm:num_requests_waiting_by_reason{reason="capacity"} 9
vllm:generation_tokens_total{engine="0"} 1.5e+03
"""
    meter = agent.Meter({})
    meter.take(0.0, agent.read_metrics(text))
    load = meter.load()
    assert (load["running"], load["kv_cache"], load["waiting_by_reason"]) == (5.0, 0.5, {"capacity": 9.0})
    assert load["waiting"] is None and load["generation_tokens_s"] is None and load["e2e_p50_s"] is None


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.74 GiB.",
        "(EngineCore pid=7) ERROR 11-23 04:25:46 [core.py:1] ValueError: No available memory for the cache blocks",
        "vllm: error: unrecognized arguments: --chat-template-kwargs",
        "vllm serve: error: argument --max-model-len: invalid value",
        "OSError: [Errno 98] Address already in use",
    ],
)
def test_lines_that_name_a_cause_are_errors(line: str) -> None:
    assert agent.ERROR_LINE.search(line) and not agent.WRAPPER.search(line)


def test_the_line_that_only_repeats_a_failure_is_not_its_cause() -> None:
    line = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
    assert agent.WRAPPER.search(line)


NEVER = {"attempts": 0, "backoff_s": 1, "backoff_max_s": 1, "healthy_s": 600}


class Node:
    """A node agent of one job with rehearsal servers, in a run directory of its own."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        for name in ("jobs", "replicas", "successors", "predecessors", "control", "metrics", "logs"):
            (run_dir / name).mkdir(exist_ok=True)
        self.replicas: list[dict[str, Any]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.requests = 0
        self.program = [sys.executable, str(AGENT)]

    def add(self, name: str, *arguments: str, **fields: Any) -> int:
        """One more replica; returns its port."""
        port = fields.pop("port", None) or free_port()
        argv = [sys.executable, str(SERVER), "org/Expert", "--served-model-name", "org/Expert", "--host", "127.0.0.1"]
        argv += ["--port", str(port), "--speed", "1000", "--start-s", "0", *arguments]
        spec = {
            "name": name, "expert": "expert-1", "model": "org/Expert", "argv": argv, "env": {"MARK": "x"},
            "cache": str(self.run_dir / "cache" / name), "gpus": [len(self.replicas)], "port": port, "delay_s": 0,
            "probe": "tools", "start_timeout_s": 60, "stop_timeout_s": 5, "restart": NEVER,
        }  # fmt: skip
        self.replicas.append({**spec, **fields})
        return port

    def start(self, job_id: str = "42", **spec: Any) -> None:
        """Start the agent, or another one after it, in the same job or in another."""
        path = self.run_dir / "jobs" / "job1.json"
        path.write_text(json.dumps({**self.spec(), **spec}))
        environment = {**os.environ, "SLURM_JOB_ID": job_id, "CUDA_VISIBLE_DEVICES": "4,5,6,7"}
        self.process = subprocess.Popen([*self.program, "run", str(path)], stdout=subprocess.DEVNULL, env=environment)

    def spec(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "job": "job1",
            "run_id": "one",
            "run_dir": str(self.run_dir),
            "logs": "logs",
            "host": "127.0.0.1",
            "address": "127.0.0.1",
            "grace_s": 60,
            "stop_timeout_s": 5,
            "start_after": "delay",
            "endpoints": {"file": "endpoints.json", "models": ["org/Expert"], "more": {"more": 1}},
            "replicas": self.replicas,
        }

    def kill(self) -> None:
        """End the agent as the kernel would: it can say nothing."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def state(self, name: str, place: str = "replicas") -> dict[str, Any]:
        with suppress(FileNotFoundError):
            state: dict[str, Any] = json.loads((self.run_dir / place / f"{name}.json").read_text())
            return state
        return {"phase": "", "pid": None, "attempt": 0}

    def wait_phase(self, name: str, *phases: str) -> dict[str, Any]:
        wait_for(lambda: self.state(name)["phase"] in phases, f"{name} {phases}, {self.state(name)}")
        return self.state(name)

    def ask(self, verb: str, target: str) -> dict[str, Any]:
        """Drop a request and wait for its answer."""
        return self.answer(self.drop(verb, target))

    def drop(self, verb: str, target: str, **fields: Any) -> Path:
        """Drop a request; returns where its answer will be."""
        self.requests += 1
        name = f"{time.time_ns():020d}-{verb}"
        request = {"verb": verb, "target": target, "by": "me", **fields}
        (self.run_dir / "control" / f".{name}").write_text(json.dumps(request))
        (self.run_dir / "control" / f".{name}").rename(self.run_dir / "control" / f"{name}.json")
        return self.run_dir / "control" / f"{name}.result.json"

    def answer(self, answer: Path) -> dict[str, Any]:
        """Wait for an answer."""
        wait_for(answer.exists, f"an answer in {answer.name}")
        result: dict[str, Any] = json.loads(answer.read_text())
        return result

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for state in (self.state(replica["name"]) for replica in self.replicas):
            if state["pid"] and is_alive(state["pid"]):
                os.killpg(state["pid"], signal.SIGKILL)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.end()


@pytest.mark.slow
def test_a_replica_becomes_ready_with_its_own_gpu_cache_and_log(node: Node) -> None:
    port = node.add("expert-1-0", "--start-s", "1")
    node.start()
    state = node.wait_phase("expert-1-0", "ready")
    assert state["level"] == "completion" and state["address"] == "127.0.0.1" and state["port"] == port
    assert state["job_id"] == "42" and state["attempt"] == 1
    environment = Path(f"/proc/{state['pid']}/environ").read_bytes().decode().split("\0")
    assert "CUDA_VISIBLE_DEVICES=4" in environment and "MARK=x" in environment
    assert f"VLLM_CACHE_ROOT={node.run_dir}/cache/expert-1-0/vllm" in environment
    assert f"TRITON_CACHE_DIR={node.run_dir}/cache/expert-1-0/triton" in environment
    assert "Starting vLLM server" in (node.run_dir / state["log"]).read_text()


@pytest.mark.slow
def test_a_killed_server_fails_within_seconds_and_one_request_brings_it_back(node: Node) -> None:
    node.add("expert-1-0")
    node.add("expert-1-1")
    node.start()
    pid = node.wait_phase("expert-1-0", "ready")["pid"]
    other = node.wait_phase("expert-1-1", "ready")["pid"]
    os.kill(pid, signal.SIGKILL)
    failed = node.wait_phase("expert-1-0", "failed")
    assert failed["why"] == "killed by signal 9" and failed["exit_status"] == -9 and failed["pid"] is None
    assert node.ask("restart", "expert-1-0")["ok"]
    again = node.wait_phase("expert-1-0", "ready")
    assert again["attempt"] == 2 and again["pid"] != pid
    assert again["log"].endswith("expert-1-0.2.log") and (node.run_dir / "logs" / "expert-1-0.1.log").exists()
    assert node.state("expert-1-1")["pid"] == other and is_alive(other)


@pytest.mark.slow
def test_a_server_that_crashes_is_told_with_its_own_last_error(node: Node) -> None:
    node.add("expert-1-0", argv=[sys.executable, "-c", "raise ValueError('no room for the KV cache')"])
    node.start()
    state = node.wait_phase("expert-1-0", "failed")
    assert state["why"] == "exited with status 1"
    assert state["last_error"] == "ValueError: no room for the KV cache"


@pytest.mark.slow
def test_what_a_killed_server_leaves_behind_is_ended_too(node: Node) -> None:
    mark = node.run_dir / "child"
    script = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600']); "
        f"open('{mark}', 'w').write(str(child.pid)); time.sleep(600)"
    )
    node.add("expert-1-0", argv=[sys.executable, "-c", script])
    node.start()
    wait_for(lambda: mark.exists() and mark.read_text(), "the child")
    os.kill(node.wait_phase("expert-1-0", "starting")["pid"], signal.SIGKILL)
    assert "left 1 processes, ended" in node.wait_phase("expert-1-0", "failed")["why"]
    wait_for(lambda: not is_alive(int(mark.read_text())), "the child's end")


@pytest.mark.slow
def test_a_server_that_serves_another_model_is_never_ready(node: Node) -> None:
    node.add("expert-1-0", "--fault", "wrong-id")
    node.start()
    wait_for(lambda: "expected org/Expert" in node.state("expert-1-0").get("why", ""), "the identity to be refused")
    assert node.state("expert-1-0")["level"] == "health"
    assert node.state("expert-1-0")["phase"] == "serving"


@pytest.mark.slow
def test_a_port_that_belongs_to_another_process_is_never_ready(node: Node, tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, str(SERVER), "org/Expert", "--served-model-name", "org/Expert", "--host", "127.0.0.1"]
    with subprocess.Popen([*argv, "--port", str(port), "--start-s", "0"], stdout=subprocess.DEVNULL) as stranger:
        try:
            node.add("expert-1-0", argv=["sleep", "600"], port=port)
            node.start()
            wait_for(lambda: "not ours" in node.state("expert-1-0").get("why", ""), "the stranger to be noticed")
            assert node.state("expert-1-0")["phase"] != "ready"
        finally:
            stranger.terminate()


@pytest.mark.slow
def test_a_stop_ends_even_a_server_that_swallows_term_and_proves_it(node: Node) -> None:
    script = (
        "import signal,time;signal.signal(15,signal.SIG_IGN);print('Starting to load model',flush=True);time.sleep(600)"
    )
    node.add("expert-1-0", argv=[sys.executable, "-c", script], stop_timeout_s=1)
    node.start()
    pid = node.wait_phase("expert-1-0", "loading")["pid"]
    answer = node.ask("stop", "expert-1-0")
    assert answer["ok"] and "no process left" in answer["message"]
    assert not is_alive(pid)
    assert node.state("expert-1-0")["exit_status"] == -9


@pytest.mark.slow
def test_the_end_of_the_job_ends_every_replica_in_good_order(node: Node) -> None:
    node.add("expert-1-0")
    node.start()
    pid = node.wait_phase("expert-1-0", "ready")["pid"]
    assert node.process is not None
    node.process.terminate()
    assert node.process.wait(30) == 0
    state = node.state("expert-1-0")
    assert state["phase"] == "stopped" and state["exit_status"] == 0 and not is_alive(pid)


@pytest.mark.slow
def test_an_old_request_is_answered_but_not_obeyed(node: Node) -> None:
    old = node.run_dir / "control" / "00000000000000000001-stop.json"
    old.write_text(json.dumps({"verb": "stop", "target": "job1"}))
    foreign = node.run_dir / "control" / "00000000000000000002-stop.json"
    foreign.write_text(json.dumps({"verb": "stop", "target": "job2"}))
    (node.run_dir / "control" / "00000000000000000003-stop.json").write_text("{ garbage")
    node.add("expert-1-0")
    node.start()
    node.wait_phase("expert-1-0", "ready")
    answer = json.loads(old.with_suffix(".result.json").read_text())
    assert not answer["ok"] and answer["again"] and "older" in answer["message"]
    assert not foreign.with_suffix(".result.json").exists()


@pytest.mark.slow
def test_the_state_of_a_run_is_one_json_object_and_names_what_is_unreadable(node: Node) -> None:
    (node.run_dir / "replicas" / "torn.json").write_text('{"name": "to')
    output = subprocess.run(
        [sys.executable, str(AGENT), "state", str(node.run_dir)], capture_output=True, text=True, check=True
    ).stdout
    state = json.loads(output)
    assert state["replicas"] == [] and state["evaluation"] is None
    assert len(state["unreadable"]) == 1 and state["unreadable"][0].startswith("torn.json")


@pytest.mark.slow
def test_a_node_without_nvidia_smi_says_so_instead_of_showing_no_gpus(tmp_path: Path) -> None:
    output = subprocess.run(
        [sys.executable, str(AGENT), "gpus"], capture_output=True, text=True, check=True, env={"PATH": str(tmp_path)}
    ).stdout
    assert "nvidia-smi" in json.loads(output)["error"]


@pytest.mark.slow
def test_a_failure_that_may_pass_is_tried_again_with_longer_waits_and_a_limit(node: Node) -> None:
    policy = {"attempts": 2, "backoff_s": 0.5, "backoff_max_s": 60, "healthy_s": 600}
    node.add("expert-1-0", argv=[sys.executable, "-c", "raise RuntimeError('NCCL timeout')"], restart=policy)
    node.start()
    wait_for(lambda: node.state("expert-1-0")["attempt"] == 3, "the third attempt")
    wait_for(lambda: node.state("expert-1-0").get("restart_at", 0) is None, "the end of the tries")
    state = node.wait_phase("expert-1-0", "failed")
    assert state["failure"] == "other" and state["why"] == "exited with status 1"


@pytest.mark.slow
def test_a_failure_that_another_try_cannot_mend_is_not_tried_again(node: Node) -> None:
    policy = {"attempts": 5, "backoff_s": 0.1, "backoff_max_s": 1, "healthy_s": 600}
    script = "import sys; sys.exit('vllm: error: unrecognized arguments: --chat-template-kwargs')"
    node.add("expert-1-0", argv=[sys.executable, "-c", script], restart=policy)
    node.start()
    state = node.wait_phase("expert-1-0", "failed")
    assert state["failure"] == "configuration" and state["restart_at"] is None and state["attempt"] == 1
    assert state["last_error"] == "vllm: error: unrecognized arguments: --chat-template-kwargs"


@pytest.mark.slow
def test_a_server_that_ends_with_status_zero_has_failed_all_the_same(node: Node) -> None:
    node.add("expert-1-0", argv=["true"])
    node.start()
    assert node.wait_phase("expert-1-0", "failed")["why"] == "exited with status 0"


@pytest.mark.slow
def test_the_next_agent_takes_over_the_servers_of_one_that_was_killed(node: Node) -> None:
    node.add("expert-1-0")
    node.start()
    before = node.wait_phase("expert-1-0", "ready")
    node.kill()
    assert is_alive(before["pid"])
    node.start()
    wait_for(lambda: node.state("expert-1-0")["heartbeat_at"] > before["heartbeat_at"], "the new agent")
    after = node.wait_phase("expert-1-0", "ready")
    assert (after["pid"], after["attempt"], after["ready_at"]) == (before["pid"], 1, before["ready_at"])
    os.kill(after["pid"], signal.SIGKILL)
    assert "status is not known" in node.wait_phase("expert-1-0", "failed")["why"]
    assert node.ask("restart", "expert-1-0")["ok"]
    assert node.wait_phase("expert-1-0", "ready")["attempt"] == 2


@pytest.mark.slow
def test_what_a_server_left_behind_while_no_agent_watched_is_ended_by_the_next(node: Node) -> None:
    mark = node.run_dir / "child"
    script = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600']); "
        f"open('{mark}', 'w').write(str(child.pid)); time.sleep(600)"
    )
    node.add("expert-1-0", argv=[sys.executable, "-c", script])
    node.start()
    wait_for(lambda: mark.exists() and mark.read_text(), "the child")
    pid, child = node.wait_phase("expert-1-0", "starting")["pid"], int(mark.read_text())
    node.kill()
    os.kill(pid, signal.SIGKILL)
    mark.unlink()
    node.start()
    wait_for(lambda: not is_alive(child), "the end of the child")
    wait_for(lambda: node.state("expert-1-0")["attempt"] == 2, "a new attempt")


@pytest.mark.slow
def test_a_changed_flag_takes_effect_with_the_next_restart_of_that_replica(node: Node) -> None:
    node.add("expert-1-0")
    node.start()
    node.wait_phase("expert-1-0", "ready")
    node.replicas[0]["argv"] += ["--max-num-seqs", "7"]
    (node.run_dir / "jobs" / "job1.json").write_text(json.dumps(node.spec()))
    node.ask("restart", "expert-1-0")
    command = Path(f"/proc/{node.wait_phase('expert-1-0', 'ready')['pid']}/cmdline").read_bytes()
    assert b"--max-num-seqs\x007" in command


@pytest.mark.slow
def test_the_endpoints_are_those_of_ready_replicas_at_each_change(node: Node) -> None:
    port = node.add("expert-1-0")
    node.start()
    node.wait_phase("expert-1-0", "ready")
    file = node.run_dir / "endpoints.json"

    def registered() -> Any:
        return json.loads(file.read_text()) if file.exists() else None

    entry = {"ip_addr": "127.0.0.1", "port": str(port)}
    wait_for(lambda: registered() == {"org/Expert": [entry], "more": 1}, "the endpoint")
    os.kill(node.state("expert-1-0")["pid"], signal.SIGKILL)
    wait_for(lambda: registered() == {"org/Expert": [], "more": 1}, "its absence")


@pytest.mark.slow
def test_before_the_time_limit_a_replica_takes_no_new_work_and_then_stops(node: Node) -> None:
    node.add("expert-1-0")
    node.start()
    node.wait_phase("expert-1-0", "ready")
    assert node.process is not None
    node.process.send_signal(signal.SIGUSR1)
    assert node.process.wait(60) == 0
    phases = [phase for phase, _ in node.state("expert-1-0")["phases"]]
    assert phases[-3:] == ["draining", "stopping", "stopped"]


@pytest.mark.slow
def test_a_run_directory_that_vanishes_takes_no_server_down(node: Node) -> None:
    node.add("expert-1-0")
    node.start()
    pid = node.wait_phase("expert-1-0", "ready")["pid"]
    away = node.run_dir.with_name("away")
    node.run_dir.rename(away)
    time.sleep(2)
    assert node.process is not None and node.process.poll() is None and is_alive(pid)
    away.rename(node.run_dir)
    at = node.state("expert-1-0")["heartbeat_at"]
    wait_for(lambda: node.state("expert-1-0")["heartbeat_at"] > at, "the heart to beat again")
    assert node.state("expert-1-0")["pid"] == pid


@pytest.mark.slow
def test_replicas_can_wait_until_the_one_before_them_has_loaded(node: Node) -> None:
    node.add("expert-1-0", "--start-s", "3")
    node.add("expert-1-1")
    node.start(start_after="loaded")
    node.wait_phase("expert-1-1", "ready")
    first, second = (node.state(f"expert-1-{n}") for n in (0, 1))
    loaded = next(
        since for phase, since in first["phases"] if phase not in ("waiting", "cleaning", "starting", "loading")
    )
    assert second["started_at"] >= loaded - 1


@pytest.fixture
def two_jobs(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """The same job twice in one run directory, as SLURM runs it on two nodes: each with its own port."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/one").mkdir()
    nodes = (Node(tmp_path / "runs/one"), Node(tmp_path / "runs/one"))
    for node in nodes:
        node.add("expert-1-0")
    yield nodes
    for node in nodes:
        node.end()


@pytest.mark.slow
def test_a_successor_takes_the_place_when_it_is_ready_and_the_job_before_it_drains_and_ends(
    two_jobs: tuple[Node, Node],
) -> None:
    first, second = two_jobs
    second.replicas[0]["argv"] += ["--start-s", "2"]
    first.start("8")
    before = first.wait_phase("expert-1-0", "ready")
    second.start("9")

    def holder(place: str) -> Any:
        return second.state("expert-1-0", place).get("job_id")

    wait_for(lambda: holder("successors") == "9", "the successor to show itself")
    assert holder("replicas") == "8" and second.state("expert-1-0")["port"] == before["port"]
    wait_for(lambda: holder("replicas") == "9", "the successor to take over")
    after = second.state("expert-1-0")
    assert after["phase"] == "ready" and after["port"] != before["port"]
    assert after["attempt"] == 2 and after["log"].endswith("expert-1-0.2.log"), "no log of the other is written over"
    assert not (second.run_dir / "successors/expert-1-0.json").exists()
    assert first.process is not None and first.process.wait(60) == 0
    left = first.state("expert-1-0", "predecessors")
    assert [phase for phase, _ in left["phases"]][-3:] == ["draining", "stopping", "stopped"]
    assert "job 9 took over" in left["why"] or "no process left" in left["why"]
    assert is_alive(after["pid"]) and not is_alive(before["pid"])
    endpoints = json.loads((second.run_dir / "endpoints.json").read_text())
    assert endpoints["org/Expert"] == [{"ip_addr": "127.0.0.1", "port": str(after["port"])}]


@pytest.mark.slow
def test_requests_by_name_go_to_the_job_that_has_the_replica_and_by_id_to_either(two_jobs: tuple[Node, Node]) -> None:
    first, second = two_jobs
    second.replicas[0]["argv"] = ["sleep", "600"]
    first.start("8")
    first.wait_phase("expert-1-0", "ready")
    second.start("9")
    wait_for(lambda: second.state("expert-1-0", "successors").get("pid"), "the successor to start")
    (first.run_dir / "jobs/job1.json").write_text(json.dumps(first.spec()))  # each wrote its own
    assert first.ask("restart", "expert-1-0")["ok"]
    assert first.wait_phase("expert-1-0", "ready")["job_id"] == "8"
    assert second.ask("stop", "9")["ok"]
    assert second.process is not None and second.process.wait(30) == 0
    assert first.state("expert-1-0")["phase"] == "ready" and first.state("expert-1-0")["job_id"] == "8"


@pytest.mark.slow
def test_the_place_of_a_job_that_fell_silent_is_taken_at_once(two_jobs: tuple[Node, Node]) -> None:
    first, second = two_jobs
    first.start("8")
    first.wait_phase("expert-1-0", "ready")
    first.kill()
    silent = first.run_dir / "replicas/expert-1-0.json"
    silent.write_text(json.dumps({**json.loads(silent.read_text()), "heartbeat_at": time.time() - 60}))
    pid = first.state("expert-1-0")["pid"]
    second.start("9")
    wait_for(lambda: second.state("expert-1-0").get("job_id") == "9", "the second job to be the one that counts")
    second.wait_phase("expert-1-0", "ready")
    assert is_alive(pid), "a server of another job is not this one's to end"
    os.killpg(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_port_that_two_servers_share_is_never_ready(node: Node) -> None:
    """With SO_REUSEPORT the kernel hands connections to either, and both may serve the very model that is expected."""
    port = node.add("expert-1-0")
    server = node.replicas[0]["argv"][1:]
    shared = (
        "import runpy, socket, sys; bind = socket.socket.bind; "
        "socket.socket.bind = lambda s, a: (s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1), bind(s, a))[1]; "
        f"sys.argv = {server!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    node.replicas[0]["argv"] = [sys.executable, "-c", shared]
    with subprocess.Popen(node.replicas[0]["argv"], stdout=subprocess.DEVNULL) as stranger:
        try:
            wait_for(lambda: agent.listeners(port), "the stranger to listen")
            node.start()
            wait_for(lambda: "or to one more" in node.state("expert-1-0").get("why", ""), "the stranger to be noticed")
            assert node.state("expert-1-0")["phase"] != "ready"
            assert len(agent.listeners(port)) == 2
        finally:
            stranger.kill()
    assert node.wait_phase("expert-1-0", "ready")["level"] == "completion", "alone it is as good as any"


@pytest.mark.slow
def test_a_signal_that_comes_while_the_agent_starts_is_heard(node: Node) -> None:
    node.add("expert-1-0")
    (node.run_dir / "jobs" / "job1.json").write_text(json.dumps(node.spec()))
    program = (
        f"import os, runpy, signal, sys; sys.argv = [{str(AGENT)!r}, 'run', {str(node.run_dir / 'jobs/job1.json')!r}]; "
        "import json; load = json.loads; told = []; "
        "json.loads = lambda text: (told or told.append(os.kill(os.getpid(), signal.SIGTERM)), load(text))[1]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "signal 15: the job ends" in done.stdout, done
    assert node.state("expert-1-0")["phase"] == "stopped"


@pytest.mark.slow
def test_a_server_that_answers_health_and_fails_its_requests_is_degraded_until_they_succeed(node: Node) -> None:
    port = node.add("expert-1-0")
    node.start(metrics_s=0.5, verdicts={"failing_share": 0.5, "failing_least": 3})
    node.wait_phase("expert-1-0", "ready")
    wait_for(lambda: node.state("expert-1-0")["load"].get("window_s"), "two scrapes")
    ask_rehearsal(port, "/rehearsal/fault", {"fault": "500"})
    for _ in range(4):
        assert ask_rehearsal(port, "/v1/chat/completions", HELLO) == 500
    state = node.wait_phase("expert-1-0", "degraded")
    assert state["why"].startswith("failing: ") and state["level"] == "completion"
    assert state["load"]["failed_share"] > 0.5
    ask_rehearsal(port, "/rehearsal/fault", {"fault": "none"})
    for _ in range(12):
        assert ask_rehearsal(port, "/v1/chat/completions", HELLO) == 200
    state = node.wait_phase("expert-1-0", "ready")
    assert state["why"] == "" and state["load"]["e2e_p50_s"] > 0
    rows = [json.loads(line) for line in (node.run_dir / "metrics/expert-1-0.jsonl").read_text().splitlines()]
    figures = [dict(zip(agent.ROW, row["v"], strict=True)) for row in rows]
    assert sum(row["failed"] or 0 for row in figures) == 4 and sum(row["finished"] or 0 for row in figures) >= 12


@pytest.mark.slow
def test_a_server_that_makes_no_token_is_degraded_and_one_without_metrics_is_asked_less_often(node: Node) -> None:
    node.add("expert-1-0", argv=[sys.executable, "-c", STUCK_SERVER, "{port}"], probe="none")
    node.replicas[0]["argv"][-1] = str(node.replicas[0]["port"])
    node.start(metrics_s=0.5, verdicts={"stuck_s": 1.0})
    state = node.wait_phase("expert-1-0", "degraded")
    assert state["why"].startswith("stuck: 2 requests run and no token came for ")
    (node.run_dir / "gone").touch()
    lines = node.run_dir / "metrics/expert-1-0.jsonl"
    wait_for(lambda: '"e":"/metrics: HTTP 404' in lines.read_text(), "the gap in the samples")
    wait_for(lambda: node.state("expert-1-0")["load"] == {}, "a load that is not known any more")
    assert node.state("expert-1-0")["phase"] == "degraded", "nothing says that it is well again"


@pytest.mark.slow
def test_an_idle_server_whose_engine_is_wedged_is_degraded_until_a_completion_succeeds(node: Node) -> None:
    port = node.add("expert-1-0")
    well = node.add("expert-1-1")
    node.start(metrics_s=0.5, completion_s=1.0)
    node.wait_phase("expert-1-0", "ready")
    ask_rehearsal(port, "/rehearsal/fault", {"fault": "wedge"})
    state = node.wait_phase("expert-1-0", "degraded")
    evidence = re.fullmatch(
        r"wedged: (\d+) completions in a row failed while /health answers: /v1/chat/completions: .*timed out.*",
        state["why"],
    )
    assert evidence and int(evidence[1]) >= 2, state["why"]
    wait_for(lambda: node.state("expert-1-0")["level"] == "identity", "what is no longer proved")
    assert node.wait_phase("expert-1-1", "ready")["why"] == ""
    ask_rehearsal(port, "/rehearsal/fault", {"fault": "none"})
    state = node.wait_phase("expert-1-0", "ready")
    assert state["why"] == ""
    wait_for(lambda: node.state("expert-1-0")["level"] == "completion", "what is proved again")
    assert well != port


@dataclass
class FakeJob:
    """What a replica needs of its agent."""

    run_dir: Path
    completion_s: float = 600.0
    spec: dict[str, Any] = field(default_factory=dict)
    job_id: str = "42"


def idle_replica(run_dir: Path, completion_s: float = 600.0, **spec: Any) -> agent.Replica:
    """A replica that is ready, has nothing to do, and whose time for a completion has come."""
    (run_dir / "replicas").mkdir(exist_ok=True)
    named = {"name": "expert-1-0", "delay_s": 0, "probe": "tools", **spec}
    replica = agent.Replica(named, FakeJob(run_dir, completion_s), None)  # type: ignore[arg-type]
    replica.phase, replica.load, replica.next_completion = "ready", {"running": 0.0, "waiting": 0.0}, 0.0
    return replica


def test_only_a_server_that_is_idle_and_well_is_asked_for_a_completion(tmp_path: Path) -> None:
    assert idle_replica(tmp_path).wants_completion()
    assert not idle_replica(tmp_path, 0.0).wants_completion(), "switched off"
    assert not idle_replica(tmp_path, probe="none").wants_completion()
    for name, value in (
        ("load", {"running": 1.0}),
        ("load", {"running": 0.0, "waiting": 2.0}),
        ("phase", "draining"),
        ("failed_probes", 1),
        ("next_completion", time.time() + 60),
    ):
        replica = idle_replica(tmp_path)
        setattr(replica, name, value)
        assert not replica.wants_completion(), name
    replica = idle_replica(tmp_path)
    replica.load = {}
    assert replica.wants_completion(), "one that reports no metrics is asked by the clock alone"


def test_a_server_that_has_served_is_left_alone_for_about_as_long_as_is_said(tmp_path: Path) -> None:
    replica = idle_replica(tmp_path)
    replica.failed_completions = 1
    delays = []
    for _ in range(50):
        replica.served()
        delays.append(replica.next_completion - time.time())
    assert replica.failed_completions == 0
    assert min(delays) > 295 and max(delays) <= 900 and max(delays) - min(delays) > 100, "they do not come together"


def test_one_failed_completion_says_nothing_yet_and_two_say_what_failed(tmp_path: Path) -> None:
    replica = idle_replica(tmp_path)
    replica.failed_completions, replica.completion_error = 1, "/v1/chat/completions: timed out"
    assert replica.unanswered() == ""
    replica.failed_completions = 2
    assert replica.unanswered().startswith("wedged: 2 completions in a row")
    replica.completion_error = "/v1/chat/completions: HTTP 500 EngineCore encountered an issue"
    assert replica.unanswered().startswith("failing: 2 completions") and "EngineCore" in replica.unanswered()


class Recorder(BaseHTTPRequestHandler):
    """Answers every completion, and keeps what was asked."""

    asked: ClassVar[list[dict[str, Any]]] = []
    status: ClassVar[int] = 200
    answer: ClassVar[str] = json.dumps({"choices": [{"message": {"content": "ok"}}]})

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = self.answer.encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def test_one_server_of_a_model_is_asked_at_a_time_and_last_of_all_where_it_knows_priorities(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        with lock.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(agent.Busy):
                agent.idle_completion(lock, "127.0.0.1", port, "m", [], 5.0)
        assert Recorder.asked == []
        for argv in ([], ["--scheduling-policy", "fcfs"], ["--scheduling-policy", "priority"]):
            agent.idle_completion(lock, "127.0.0.1", port, "m", argv, 5.0)
        agent.idle_completion(lock, "127.0.0.1", port, "m", ["--scheduling-policy=priority"], 5.0)
        server.shutdown()
    assert ["priority" in body for body in Recorder.asked] == [False, False, True, True]
    assert all(body["max_tokens"] <= 8 for body in Recorder.asked)
    with pytest.raises(agent.Busy):
        agent.idle_completion(tmp_path / "gone" / "lock", "127.0.0.1", port, "m", [], 5.0)


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (503, '{"error":{"message":"The engine is currently busy and cannot accept new requests."}}', agent.Busy),
        (429, "", agent.Busy),
        (503, "Service Unavailable", agent.ProbeFailed),
        (500, '{"error":{"message":"EngineCore encountered an issue."}}', agent.ProbeFailed),
        (200, "{}", agent.ProbeFailed),
    ],
)
def test_a_server_that_has_work_by_now_is_not_one_that_fails(
    tmp_path: Path, status: int, answer: str, expected: type[Exception]
) -> None:
    kind = type("Told", (Recorder,), {"status": status, "answer": answer})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(expected):
            agent.idle_completion(tmp_path / "lock", "127.0.0.1", server.server_port, "m", [], 5.0)
        server.shutdown()


def test_a_file_of_samples_is_put_aside_when_it_is_full(tmp_path: Path) -> None:
    class Job:
        run_dir = tmp_path

    for number in range(7):
        agent.Agent.append(Job(), "m.jsonl", str(number), limit=6)  # type: ignore[arg-type]
    assert (tmp_path / "m.jsonl").read_text() == "6\n"
    assert (tmp_path / "m.jsonl.1").read_text() == "3\n4\n5\n"


HELLO = {"model": "org/Expert", "messages": [{"role": "user", "content": "Hello"}]}
STUCK_SERVER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        gone = self.path == "/metrics" and os.path.exists("gone")
        body = {"/v1/models": json.dumps({"data": [{"id": "org/Expert"}]}), "/metrics": METRICS}.get(self.path, "")
        self.send_response(404 if gone else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
METRICS = "".join(
    "vllm:%s %d\\n" % each
    for each in (("num_requests_running", 2), ("num_requests_waiting", 0), ("generation_tokens_total", 50),
                 ("prompt_tokens_total", 9), ("request_success_total", 1))
)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def ask_rehearsal(port: int, path: str, body: dict[str, Any]) -> int:
    """POST to a practice server; returns the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
