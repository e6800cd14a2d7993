"""The word `load`, as a user runs it: against practice servers, with its exit codes and both streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import CommandLine
from tests.load.test_replay import LINES
from tests.processes import free_port, wait_for
from tests.rehearsal.conftest import MODEL, Servers, servers

__all__ = ["servers"]

pytestmark = pytest.mark.slow


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "config.toml", tmp_path)


def report(tau2tui: CommandLine, *words: str, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tau2tui.run("load", *words, "--json", status=status).stdout)
    return found


def test_a_closed_loop_and_a_replay_and_a_rate_report_what_was_sent(servers: Servers, tau2tui: CommandLine) -> None:
    url = servers.start_ready("--speed", "200").url
    closed = report(tau2tui, url, "--concurrency", "3", "--requests", "12", "--output-tokens", "16")
    assert (closed["model"], closed["requests"]) == (MODEL, {"completed": 12, "failed": 0, "unfinished": 0})
    assert (closed["warm_up_requests"], closed["output_tokens"]) == (3, 12 * 16)
    assert closed["latency_ms"]["ttft"]["count"] == 12 and closed["latency_ms"]["tpot"]["p99"] > 0
    assert closed["concurrency"]["peak"] == 3 and closed["errors"] == {}

    (tau2tui.directory / "tau2_retail.log").write_text(LINES)
    replayed = report(tau2tui, url, "--replay", "tau2_retail.log", "--series", "orchestrator", "--speed", "10")
    assert replayed["load"]["calls"] == replayed["requests"]["completed"] == 2
    assert replayed["output_tokens"] == 40 + 128, "of one call the log does not say how long its answer was"

    rate = report(tau2tui, url, "--rate", "50", "--seconds", "0.5", "--output-tokens", "4", "--seed", "3")
    assert rate["requests"]["completed"] > 5 and rate["late_ms"]["count"] == rate["requests"]["completed"]


def test_a_sweep_prints_a_table_and_suggests_a_concurrency(servers: Servers, tau2tui: CommandLine) -> None:
    url = servers.start_ready("--speed", "400", "--max-num-seqs", "2").url
    said = tau2tui.run("load", url, "--sweep", "2,1,16", "--requests", "60", "--output-tokens", "16").stdout
    table = [line.split() for line in said.splitlines()]
    assert [row[0] for row in table[1:4]] == ["1", "2", "16"]
    assert "knee" in said


def test_a_dead_endpoint_is_one_line_and_exit_code_3(tau2tui: CommandLine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for more in ((), ("--model", "m")):
        said = tau2tui.run("load", url, *more, status=3)
        assert said.stdout == ""
        assert url in said.stderr.splitlines()[-1] and "Traceback" not in said.stderr


def test_a_server_that_refuses_the_key_is_exit_code_4_and_the_key_is_nowhere(
    servers: Servers, tau2tui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = servers.start_ready(environment={"VLLM_API_KEY": "right"}).url
    monkeypatch.setenv("MY_KEY", "sk-wrong-123")
    said = tau2tui.run("load", url, "--api-key-env", "MY_KEY", status=4)
    assert "auth" in said.stderr and "sk-wrong-123" not in said.stderr
    assert "a variable that is not set" in tau2tui.run("load", url, "--api-key-env", "MY_OTHER", status=2).stderr
    monkeypatch.setenv("MY_KEY", "right")
    assert report(tau2tui, url, "--api-key-env", "MY_KEY", "--requests", "2")["requests"]["completed"] == 2


def test_errors_are_shares_by_class_beside_what_was_answered(servers: Servers, tau2tui: CommandLine) -> None:
    running = servers.start_ready("--speed", "400")
    running.ask_fault("500", count=3)
    found = report(tau2tui, running.url, "--requests", "10", "--warm-up", "0", "--output-tokens", "4")
    assert (found["errors"]["server"]["count"], found["error_share"]) == (3, 0.3)
    assert found["latency_ms"]["e2e"]["count"] == 7


def test_ctrl_c_reports_what_has_ended_and_exits_with_130(servers: Servers, tau2tui: CommandLine) -> None:
    running = servers.start_ready("--speed", "30")
    process = subprocess.Popen(
        [sys.executable, "-m", "tau2tui", "load", running.url, "--concurrency", "2", "--json"],
        cwd=tau2tui.directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: running.log.read_text().count("POST /v1/chat/completions") > 6, "some answers")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    found = json.loads(stdout)
    assert process.returncode == 130, stderr
    assert found["interrupted"] and found["requests"]["completed"] >= 1
    assert found["requests"]["unfinished"] <= 2 and found["requests"]["failed"] == 0


@pytest.mark.parametrize(
    "words",
    [("--rate", "1", "--concurrency", "2"), ("--sweep", "0,1"), ("--sweep", "a"), ("--requests", "10001")],
)
def test_options_that_exclude_each_other_or_are_out_of_bounds_are_usage_errors(
    tau2tui: CommandLine, words: tuple[str, ...]
) -> None:
    tau2tui.run("load", "http://127.0.0.1:1", *words, status=2)
