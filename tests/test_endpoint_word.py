"""`tau2tui endpoint` as a user runs it, on servers that behave and misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.command_line import CommandLine

pytestmark = pytest.mark.slow


@contextmanager
def endpoints(*kinds: str) -> Iterator[dict[str, int]]:
    """One endpoint of each kind, in a process; kind → port."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.endpoints", *kinds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield {kind: ports[0] for kind, ports in json.loads(process.stdout.readline()).items()}
        finally:
            process.kill()


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    """In a directory without configuration or run."""
    return CommandLine(tmp_path / "config.toml", tmp_path)


def test_one_server_by_itself_needs_no_configuration_and_null_is_not_reported(tau2tui: CommandLine) -> None:
    with endpoints("good") as ports:
        url = f"http://127.0.0.1:{ports['good']}/v1"
        report = json.loads(tau2tui.run("endpoint", url, "--seconds", "0.2", "--json").stdout)
        text = tau2tui.run("endpoint", url, "--seconds", "0.2", "--probe").stdout
    assert (report["level"], report["answered"], report["ready"], report["why"]) == ("identity", True, True, "")
    assert report["version"] == "0.32.0" and report["models"][0]["id"] == "org/Expert"
    assert report["listeners"] == ["org/Expert"] * 3
    assert report["now"]["generation_tokens"] == 1359 and report["now"]["finished"]["length"] == 11
    assert report["window"]["generation_tokens_s"] == 0 and report["window"]["seconds"] >= 0.2
    assert report["window"]["acceptance"] is None and report["window"]["e2e"]["p50_s"] is None
    assert "+ completion" in text and "drafts accepted not reported" in text and "1359 generated" in text


def test_what_did_not_answer_is_3_and_what_is_not_ready_is_4_with_the_json_all_the_same(tau2tui: CommandLine) -> None:
    with endpoints("refused", "503", "silent", "key") as ports:
        for kind, status, why in (
            ("refused", 3, "nothing listens there"),
            ("silent", 3, "says nothing for 0.5 s"),
            ("503", 4, "still loading"),
            ("key", 4, "--api-key-env"),
        ):
            url = f"127.0.0.1:{ports[kind]}"
            ended = tau2tui.run("endpoint", url, "--timeout", "0.5", "--seconds", "0.1", "--json", status=status)
            report = json.loads(ended.stdout)
            assert why in report["why"] and report["answered"] is (status == 4) and report["ready"] is False


def test_the_key_comes_from_the_environment_and_is_nowhere_else(
    tau2tui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoints("key") as ports:
        url = f"127.0.0.1:{ports['key']}"
        unset = tau2tui.run("endpoint", url, "--api-key-env", "EXPERT_KEY", status=2)
        assert "not set" in unset.stderr
        monkeypatch.setitem(os.environ, "EXPERT_KEY", "sesame")
        good = tau2tui.run("endpoint", url, "--api-key-env", "EXPERT_KEY", "--seconds", "0.1")
        assert "+ identity" in good.stdout
        monkeypatch.setitem(os.environ, "EXPERT_KEY", "open\nsesame")
        assert tau2tui.run("endpoint", url, "--api-key-env", "EXPERT_KEY", status=2).stderr.count("sesame") == 0


def test_a_url_and_all_are_one_or_the_other_and_a_wrong_url_is_an_error_of_usage(tau2tui: CommandLine) -> None:
    tau2tui.run("endpoint", status=2)
    tau2tui.run("endpoint", "127.0.0.1:1", "--all", status=2)
    assert "not the URL of a server" in tau2tui.run("endpoint", "ftp://x", status=2).stderr


def test_all_servers_of_a_run_are_asked_and_those_that_do_not_serve_are_told(tau2tui: CommandLine) -> None:
    with endpoints("good", "500") as ports:
        experts = "".join(
            f'[experts.{name}]\nmodel = "org/Expert"\nrole = "{role}"\nnode = 1\ngpus = [{gpu}]\nport = {port}\n'
            for gpu, (name, role, port) in enumerate(
                (("agent", "agent", ports["good"]), ("bad", "expert", ports["500"]), ("later", "expert", 1999))
            )
        )
        config = f'[run]\ndirectory = "{tau2tui.directory}/runs"\n[cluster]\nscheduler = "local"\n{experts}'
        tau2tui.config.write_text(config)
        run = tau2tui.directory / "runs/one"
        (run / "replicas").mkdir(parents=True)
        (run / "run.toml").write_text(config)
        agent = Path(__file__).parents[1] / "tau2tui/node/agent.py"
        (run / "node_agent.py").write_text(agent.read_text())
        for name, phase, port in (
            ("agent-0", "ready", ports["good"]), ("bad-0", "degraded", ports["500"]), ("later-0", "loading", 1999),
        ):  # fmt: skip
            state = {"name": name, "phase": phase, "port": port, "address": "127.0.0.1", "model": "org/Expert"}
            (run / f"replicas/{name}.json").write_text(json.dumps({**state, "expert": name[:-2], "job_id": "1"}))
        ended = tau2tui.run("endpoint", "--all", "--seconds", "0.1", "--json", status=4)
        report = json.loads(ended.stdout)
        found = report["endpoints"]
        lines = tau2tui.run("endpoint", "--all", "--seconds", "0.1", status=4).stdout.splitlines()
    assert {name: each["ready"] for name, each in found.items()} == {"agent-0": True, "bad-0": False}
    assert report["models"]["org/Expert"]["servers"] == 1
    assert report["models"]["org/Expert"]["generation_tokens_s"] == 0
    assert lines[2].startswith("org/Expert: 1 server over 0.")
    assert "later-0: loading, not asked" in ended.stderr
    assert lines[0].startswith("agent-0") and "running 0, waiting 0, KV 0%" in lines[0]
    assert lines[1].startswith("bad-0") and "/health: HTTP 500" in lines[1]
