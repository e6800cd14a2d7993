"""The word `doctor`: what it says, to people and to programs, and how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tau2tui.cli.setup import shipped_config
from tests.command_line import CommandLine
from tests.remote.test_probe import Cluster

pytestmark = pytest.mark.slow

SOUND = """
[run]
directory = "{here}/runs"
[cluster]
scheduler = "local"
[serve]
cache = "{here}/cache"
host = "127.0.0.1"
[evaluation.user]
api_key_env = "KEY_OF_THE_USER_SIMULATOR"
[experts.agent]
model = "org/Agent"
role = "agent"
node = 1
gpus = [0]
port = 1900
tool_call_parser = "hermes"
"""


@pytest.fixture
def tau2tui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A sound configuration on a machine with vLLM 0.32.0, and a cache of its own."""
    cluster = Cluster(tmp_path)
    cluster.install_vllm("0.32.0")
    monkeypatch.setenv("PATH", f"{cluster.programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KEY_OF_THE_USER_SIMULATOR", "sk-secret")
    config = tmp_path / "config.toml"
    config.write_text(SOUND.format(here=tmp_path))
    return CommandLine(config, tmp_path)


def add(tau2tui: CommandLine, line: str) -> None:
    tau2tui.config.write_text(f"{tau2tui.config.read_text()}{line}\n")


def findings(tau2tui: CommandLine, *options: str, status: int = 0) -> list[dict[str, Any]]:
    report = json.loads(tau2tui.run("doctor", "--json", *options, status=status).stdout)
    found: list[dict[str, Any]] = report["findings"]
    return found


def test_a_sound_configuration_ends_well_even_when_strict(tau2tui: CommandLine) -> None:
    completed = tau2tui.run("doctor", "--strict")
    assert "vLLM 0.32.0+cpu" in completed.stdout.splitlines()[-1] and completed.stderr == ""
    assert {finding["severity"] for finding in findings(tau2tui)} <= {"info"}
    assert "sk-secret" not in completed.stdout


def test_an_error_is_shown_with_its_remedy_and_ends_with_2(tau2tui: CommandLine) -> None:
    add(tau2tui, """args = ["--chat-template-kwargs", '{"enable_thinking": false}']""")
    completed = tau2tui.run("doctor", status=2)
    line, remedy = completed.stdout.splitlines()[:2]
    assert line.split()[:2] == ["error", "unknown-flag"] and "experts.agent.args: " in line
    assert remedy.strip() == "→ the nearest that 0.32.0+cpu has is --default-chat-template-kwargs"
    assert completed.stderr.count("\n") == 1 and "unknown-flag" in completed.stderr


def test_a_warning_is_fatal_only_when_strict(tau2tui: CommandLine) -> None:
    add(tau2tui, 'speculative_config = { method = "mtp", num_speculative_tokens = 2 }')
    assert "speculative-memory" in tau2tui.run("doctor").stdout
    assert "speculative-memory" in tau2tui.run("doctor", "--strict", status=2).stderr


def test_the_report_for_programs_is_whole_even_when_it_ends_with_2(tau2tui: CommandLine) -> None:
    add(tau2tui, 'checkpoint = "/no/such/checkpoint"')
    (finding,) = [finding for finding in findings(tau2tui, status=2) if finding["severity"] == "error"]
    assert finding["rule"] == "checkpoint-missing" and finding["where"] == "experts.agent.checkpoint"
    assert set(finding) == {"rule", "severity", "where", "message", "remedy"}


def test_offline_asks_nobody_but_goes_by_what_was_said_before(tau2tui: CommandLine) -> None:
    add(tau2tui, 'args = ["--swap-space", "4"]')
    calls = tau2tui.directory / "bin/calls"
    before = findings(tau2tui, "--offline")
    assert [finding["severity"] for finding in before] == ["info"] and not calls.exists()
    tau2tui.run("doctor", status=2)
    asked = calls.read_text()
    after = findings(tau2tui, "--offline", status=2)
    assert [finding["severity"] for finding in after] == ["error"] and calls.read_text() == asked


def test_it_changes_nothing(tau2tui: CommandLine) -> None:
    def files() -> set[str]:
        return {str(path) for path in tau2tui.directory.rglob("*") if "cache" not in path.parts}

    tau2tui.run("doctor")
    before = files()
    tau2tui.run("doctor")
    assert files() == before and not (tau2tui.directory / "runs").exists()


def test_the_shipped_configuration_is_judged_mild_enough_to_be_launched_unless_the_version_is_known(
    tau2tui: CommandLine,
) -> None:
    tau2tui.config.write_text(shipped_config())
    rules = [finding["rule"] for finding in findings(tau2tui, "--offline") if finding["severity"] != "info"]
    assert sorted(rules) == ["gpt-oss-parser", "renamed-setting", "renamed-setting", "template-parser"]


def test_a_login_node_that_does_not_answer_is_one_line_and_3(tau2tui: CommandLine) -> None:
    config = tau2tui.config.read_text().replace('scheduler = "local"', 'login = "127.0.0.1"\nport = 1')
    tau2tui.config.write_text(config)
    completed = tau2tui.run("doctor", status=3)
    assert completed.stderr.count("\n") == 1 and completed.stdout == ""


def test_the_rules_can_be_read(tau2tui: CommandLine) -> None:
    page = tau2tui.run("doctor", "--rules").stdout
    assert page == (Path(__file__).parents[1] / "docs/lint.md").read_text()
