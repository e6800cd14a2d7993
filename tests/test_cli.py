"""The words: their exit codes, their streams, and that bad input ends in one line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tau2tui.cli import WORDS, word
from tau2tui.cli.session import takes_colours
from tau2tui.node import agent
from tests.command_line import CommandLine
from tests.sample import NOW

pytestmark = pytest.mark.slow

LOCAL = """
[run]
directory = "runs"
[cluster]
scheduler = "local"
[experts.agent]
model = "org/[red]Agent[/red]"
tool_call_parser = "hermes"
role = "agent"
node = 1
gpus = [0]
port = 1900
"""


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    config = tmp_path / "config.toml"
    config.write_text(LOCAL.replace('"runs"', f'"{tmp_path}/runs"'))
    return CommandLine(config, tmp_path)


@pytest.mark.parametrize("said", ["--help", "completion bash", "diagnose --signatures"])
def test_output_that_nobody_reads_any_more_ends_with_141_and_no_word(said: str, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    argv = [sys.executable, "-m", "tau2tui", *said.split()]
    ended = subprocess.run(argv, cwd=tmp_path, stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert (ended.returncode, ended.stderr) == (141, b"")


RUNNING = {
    "state": "running",
    "started_at": NOW - 3000,
    "updated_at": NOW,
    "domains": [{"domain": "retail", "total": 60, "ok": 30, "running": 1}],
    "running": [
        {"domain": "retail", "task_id": "7", "trial": 0, "started_at": NOW - 90, "last_event_at": NOW - 80},
    ],
    "durations_s": [100.0] * 30,
    "duration_domains": ["retail"] * 30,
    "max_concurrency": 2,
}


def write_run(directory: Path, state: dict[str, Any]) -> Path:
    """A run directory whose driver wrote this state."""
    (directory / "eval").mkdir(parents=True)
    (directory / "run.toml").write_text(LOCAL)
    (directory / "node_agent.py").write_bytes(Path(agent.__file__).read_bytes())
    (directory / "eval" / "state.json").write_text(json.dumps(state))
    return directory


def one_line(text: str) -> str:
    """What a user is told about an error: one line, without a traceback."""
    assert text.count("\n") == 1 and text.startswith("tau2tui: ")
    return text


@pytest.mark.parametrize("word", [name for name in WORDS if not word(name).hidden])
def test_every_word_has_help_that_says_what_it_does(word: str, tau2tui: CommandLine) -> None:
    output = tau2tui.run(word, "--help").stdout
    assert f"tau2tui {word}" in output.partition("\n")[0] and len(output.splitlines()) > 5


def test_without_a_config_file_the_word_says_how_to_make_one(tmp_path: Path) -> None:
    completed = CommandLine(tmp_path / "none.toml", tmp_path).run("status", status=2)
    assert "tau2tui init" in one_line(completed.stderr)


def test_init_writes_a_configuration_that_can_be_planned_and_never_overwrites_one(tmp_path: Path) -> None:
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    tau2tui.run("init")
    assert "wait until 16 replicas are ready" in tau2tui.run("plan").stdout
    tau2tui.config.write_text("mine")
    assert "exists already" in one_line(tau2tui.run("init", status=5).stderr)
    assert tau2tui.config.read_text() == "mine"


def test_a_misspelt_key_is_one_line_with_the_nearest_one(tau2tui: CommandLine) -> None:
    tau2tui.config.write_text(LOCAL.replace("scheduler", "sheduler"))
    said = one_line(tau2tui.run("status", status=2).stderr)
    assert "cluster.sheduler" in said and "'scheduler'" in said


def test_the_screen_needs_a_terminal(tau2tui: CommandLine) -> None:
    assert "not a terminal" in one_line(tau2tui.run(status=2).stderr)
    assert "not a terminal" in one_line(tau2tui.run("demo", status=2).stderr)


def test_a_directory_of_logs_that_is_not_there_is_one_line(tau2tui: CommandLine) -> None:
    completed = tau2tui.run("report", "no/such/logs", status=7)
    assert "no/such/logs" in one_line(completed.stderr)


@pytest.mark.parametrize("content", [b"", b"\x00\xff garbage \n" * 100], ids=["empty", "garbage"])
def test_logs_without_anything_to_report_are_one_line(tau2tui: CommandLine, content: bytes) -> None:
    logs = tau2tui.directory / "logs"
    logs.mkdir()
    (logs / "fullrun.log").write_bytes(content)
    one_line(tau2tui.run("report", str(logs), status=7).stderr)


def test_an_empty_directory_is_one_line(tau2tui: CommandLine) -> None:
    (tau2tui.directory / "empty").mkdir()
    assert "no logs" in one_line(tau2tui.run("report", "empty", status=7).stderr)


def test_logs_that_others_wrote_become_a_report_without_any_configuration(tmp_path: Path) -> None:
    logs = tmp_path / "logs_oss_full"
    logs.mkdir()
    (logs / "tau2_retail.log").write_text(
        "[PROFILE] 2025-12-24 04:28:25.388 task=1 thread=1 type=llm_call step=1 model=/ckpt/Nemotron-Orchestrator-8B "
        "call_type=vllm duration_ms=2107.20 toolorchestra_vllm_prefill_ms=102.07 has_tool_calls=False\n"
        "[PROFILE] 2025-12-24 04:28:26.388 task=1 thread=1 type=expert_call model=openai/gpt-oss-20b call_type=vllm "
        "duration_ms=5000.00\n"
    )
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    written = json.loads(tau2tui.run("report", "logs_oss_full", "--out", "out", "--json").stdout)
    analysis = json.loads((tmp_path / written["json"]).read_text())
    assert analysis["orchestrator"]["stats"]["mean"] == 2107.2
    assert analysis["orchestrator"]["prefill_stats"]["p50"] == 102.07
    assert analysis["expert:openai/gpt-oss-20b"]["stats"]["under_5s_pct"] == 0.0
    assert [Path(chart).name for chart in written["charts"]] == [
        *("timeline.png", "experts_stacked.png", "orchestrator.png", "expert_openai_gpt-oss-20b.png"),
    ]


def test_progress_reads_logs_as_they_stood_at_a_time(tmp_path: Path) -> None:
    lines = [
        f"[2025-12-24 04:{minute:02d}:00] said\n[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id={minute} "
        f"status=ok completed_domain={minute} total_domain=20\n"
        for minute in range(1, 21)
    ]
    (tmp_path / "fullrun.log").write_text("[2025-12-24 04:00:00] begins\n" + "".join(lines))
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    then = json.loads(tau2tui.run("progress", "fullrun.log", "--json", "--now", "2025-12-24 04:10:30").stdout)
    assert (then["done"], then["total"], then["stalled"]) == (10, 20, False)
    assert 300 < then["eta_p10_s"] < then["eta_p50_s"] < then["eta_p90_s"] < 1500
    assert then["domains"]["retail"]["eta_p50_s"] == then["eta_p50_s"]
    assert "20/20   ETA 0:00:00" in tau2tui.run("progress", "fullrun.log").stdout


def test_progress_without_logs_is_that_of_the_runs_state_and_of_its_logs_at_another_time(
    tau2tui: CommandLine, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "runs" / "20260102", RUNNING)
    found = json.loads(tau2tui.run("progress", "--json").stdout)
    assert (found["done"], found["total"], found["concurrency"], found["paused"]) == (30, 60, 2, False)
    assert 0 < found["eta_p10_s"] < found["eta_p50_s"] < found["eta_p90_s"]
    assert found["domains"]["retail"]["eta_p50_s"] == found["eta_p50_s"]
    assert [one["task"] for one in found["running"]] == ["retail/7#0"] == found["stalled_tasks"]
    assert found["stalled"] is True
    assert "stalled: retail/7#0, no event for" in tau2tui.run("progress").stdout
    more = json.loads(tau2tui.run("progress", "--json", "--concurrency", "8").stdout)
    assert more["eta_p50_s"] < 0.5 * found["eta_p50_s"]
    (run / "logs").mkdir()
    (run / "logs" / "fullrun.log").write_text(
        "[2025-12-24 04:00:00] begins\n[2025-12-24 04:01:00] said\n"
        "[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=20\n"
    )
    then = json.loads(tau2tui.run("progress", "--json", "--now", "2025-12-24 04:01:30").stdout)
    assert (then["done"], then["total"]) == (1, 20)


def test_the_runs_beside_it_say_how_long_it_takes_before_anything_has_ended(
    tau2tui: CommandLine, tmp_path: Path
) -> None:
    fresh = {"durations_s": [], "duration_domains": [], "domains": [{"domain": "retail", "total": 60}]}
    write_run(tmp_path / "runs" / "20260102", {**RUNNING, **fresh})
    assert "ETA unknown" in tau2tui.run("progress").stdout
    write_run(tmp_path / "runs" / "20260101", RUNNING)
    (tmp_path / "runs" / "latest").write_text("20260102")
    assert json.loads(tau2tui.run("progress", "--json").stdout)["eta_p50_s"] > 1000
    assert tau2tui.status()["time_left"]["middle_s"] > 1000


def test_before_the_first_launch_status_says_that_nothing_is_there(tau2tui: CommandLine) -> None:
    status = tau2tui.status()
    assert [(row["replica"], row["standing"]) for row in status["replicas"]] == [("agent-0", "absent")]
    assert status["evaluation"] is None and status["replicas"][0]["load"]["running"] is None


def test_a_run_that_does_not_exist_is_one_line(tau2tui: CommandLine) -> None:
    assert "no run 'nosuch'" in one_line(tau2tui.run("--run", "nosuch", "status", status=7).stderr)


def test_a_dry_run_prints_the_steps_and_does_nothing(tau2tui: CommandLine) -> None:
    lines = tau2tui.run("launch", "--dry-run").stdout.splitlines()
    assert lines[0].startswith("mkdir -p -m 700 ") and lines[-1].startswith("wait until model_config_oss.json")
    assert not (tau2tui.directory / "runs").exists()


def test_what_cannot_be_done_is_refused_with_its_own_exit_code(tau2tui: CommandLine) -> None:
    for line in ("relaunch agent-0", "relaunch nosuch-0", "stop", "eval", "eval --pause"):
        one_line(tau2tui.run(*line.split(), status=5).stderr)


def test_a_wrong_option_of_the_evaluation_is_one_line(tau2tui: CommandLine) -> None:
    assert "--mode" in one_line(tau2tui.run("eval", "--mode", "nosuch", status=2).stderr)


def test_jobs_that_were_never_submitted_are_absent(tau2tui: CommandLine) -> None:
    found = json.loads(tau2tui.run("jobs", "--json").stdout)
    assert [(job["state"], job["id"], job["replicas"]) for job in found["jobs"]] == [("absent", "", 1)]
    assert found["end_too_early"] == []
    assert "absent" in tau2tui.run("jobs").stdout


def test_a_job_without_a_time_limit_ends_nothing(tau2tui: CommandLine, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "20260101", RUNNING)
    (tmp_path / "runs" / "latest").write_text("20260101")
    found = json.loads(tau2tui.run("jobs", "--json").stdout)
    assert found["end_too_early"] == []


def test_each_source_says_how_long_its_answer_took(tau2tui: CommandLine, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "20260101", RUNNING)
    (tmp_path / "runs" / "latest").write_text("20260101")
    found = json.loads(tau2tui.run("sources", "--json").stdout)
    assert {name: source["error"] for name, source in found["sources"].items()} == {"jobs": None, "run": None}
    assert all(source["asked"] == 1 and len(source["took_ms"]) == 1 for source in found["sources"].values())
    assert any("node_agent.py" in " ".join(command["argv"]) for command in found["commands"])
    assert "rc 0" in tau2tui.run("sources").stdout


def test_logs_are_listed_and_the_end_of_one_is_shown_without_controls(tau2tui: CommandLine, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "20260101", RUNNING)
    (tmp_path / "runs" / "latest").write_text("20260101")
    (run / "logs").mkdir()
    (run / "logs" / "fullrun.log").write_bytes(b"one\n\x1b[31mtwo\x1b[0m\n10%\r20%\r30%\nfour\x07\nhalf")
    assert json.loads(tau2tui.run("logs", "--json").stdout) == [{"name": "logs/fullrun.log", "bytes": 39}]
    shown = tau2tui.run("logs", "logs/fullrun.log", "-n", "3").stdout.splitlines()
    assert shown == ["two", "30%", "four\ufffd"]
    assert "no such log" in one_line(tau2tui.run("logs", "nosuch", status=7).stderr)


def test_runs_are_listed_for_programs_too(tau2tui: CommandLine, tmp_path: Path) -> None:
    for name in ("20260102", "20260101"):
        write_run(tmp_path / "runs" / name, RUNNING)
    assert tau2tui.run("runs").stdout.split() == ["20260101", "20260102"]
    assert json.loads(tau2tui.run("runs", "--json").stdout) == ["20260101", "20260102"]


def test_no_time_at_all_is_no_time_to_wait(tau2tui: CommandLine) -> None:
    assert "--timeout" in tau2tui.run("wait", "--timeout", "0", status=2).stderr


class Terminal(io.StringIO):
    """A stdout that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("value", "coloured"), [(None, True), ("", True), ("1", False)])
def test_charts_have_no_colours_where_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, value: str | None, coloured: bool
) -> None:
    if value is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", value)
    assert not takes_colours(), "pytest's own stdout is no terminal"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert takes_colours() is coloured


def test_waiting_for_a_failure_that_does_not_come_ends_in_vain(tau2tui: CommandLine, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "20260101", {**RUNNING, "state": "finished"})
    (tmp_path / "runs" / "latest").write_text("20260101")
    said = one_line(tau2tui.run("wait", "--for", "failed", "--timeout", "1", status=6).stderr)
    assert "nothing has failed after 1 s" in said


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"state": "finished", "domains": [{"domain": "retail", "total": 60, "ok": 60}]}, 0),
        ({"state": "finished", "domains": [{"domain": "retail", "total": 60, "ok": 30}]}, 4),
        ({"state": "finished", "domains": [{"domain": "retail", "total": 60, "ok": 59, "errors": 1}]}, 4),
        ({"state": "stopped", "why": "stopped by request"}, 4),
        ({"state": "failed", "why": "a bug"}, 4),
    ],
)
def test_waiting_for_the_end_says_by_its_exit_code_how_it_was(
    tau2tui: CommandLine, tmp_path: Path, state: dict[str, Any], status: int
) -> None:
    write_run(tmp_path / "runs" / "20260101", {**RUNNING, **state})
    (tmp_path / "runs" / "latest").write_text("20260101")
    tau2tui.run("wait", "--for", "done", "--timeout", "60", status=status)


def test_waiting_for_a_failure_ends_as_soon_as_the_evaluation_failed(tau2tui: CommandLine, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "20260101", {**RUNNING, "state": "failed", "why": "a bug"})
    (tmp_path / "runs" / "latest").write_text("20260101")
    assert "the evaluation failed: a bug" in tau2tui.run("wait", "--for", "failed", "--timeout", "60").stdout


def test_nothing_from_a_run_acts_on_the_terminal_that_shows_it(tau2tui: CommandLine, tmp_path: Path) -> None:
    hostile = "\x1b]0;title\x07 \x1b[2J \x9b31m \u202eright to left \r\x08 \x7f"
    run = write_run(tmp_path / "runs" / "one", {**RUNNING, "state": "failed", "why": hostile})
    replica = {
        "name": "agent-0", "expert": "agent", "model": "m", "job": "oss_eval_node1", "job_id": "1", "port": 1900,
        "phase": "failed", "why": hostile, "last_error": hostile, "node": hostile, "heartbeat_at": time.time() + 600,
    }  # fmt: skip
    (run / "replicas").mkdir()
    (run / "replicas" / "agent-0.json").write_text(json.dumps(replica))
    acting = set("\x1b\x07\x9b\u202e\r\x08\x7f")
    shown, said = tau2tui.run("status"), tau2tui.run("status", "--json").stdout
    assert "right to left" in shown.stdout and not acting & set(shown.stdout + shown.stderr + said)
    assert json.loads(said)["evaluation"]["why"] == hostile, "the same text for a program"


def test_the_name_of_a_new_run_is_no_path(tau2tui: CommandLine, tmp_path: Path) -> None:
    for name in ("../elsewhere", "a/b", ".jobs", "", "a\nb"):
        assert "not a name for a run" in one_line(tau2tui.run("--run", name, "plan", status=2).stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml"]
