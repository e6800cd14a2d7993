"""What `tau2tui eval` asks for, and what it says of an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tau2tui.cli.evaluate import account_lines, progress_line, trouble_lines
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, RunningUnit
from tests.command_line import CommandLine
from tests.test_cli import LOCAL, one_line

pytestmark = pytest.mark.slow

PROGRESS = EvalProgress(
    EvalState.RUNNING,
    started_at=0.0,
    updated_at=1000.0,
    domains=(DomainProgress("retail", 114, ok=10, errors=3, running=2, passed=6),),
    running=(
        RunningUnit("retail", "17", 0, 100.0, 688.0, 12, "expert-1", "expert-1-0", stalled=True),
        RunningUnit("retail", "18", 0, 100.0, 990.0, 3, "user"),
    ),
    unit_errors={"timeout": 2, "skipped": 1},
    terminations={"user_stop": 8, "max_steps": 2},
    cost_usd={"user": 12.5, "orchestrator": 1.25},
    tokens={"user": 1000, "orchestrator": 500},
)


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    config = tmp_path / "config.toml"
    config.write_text(LOCAL.replace('"runs"', f'"{tmp_path}/runs"'))
    return CommandLine(config, tmp_path)


def test_a_stalled_unit_is_named_with_what_it_waits_for_and_how_to_skip_it() -> None:
    (line,) = trouble_lines(PROGRESS, clock=1000.0)
    assert line.startswith("stalled: retail/17#0 waits for expert-1 at expert-1-0 for 0:05:12 after 12 steps; ")
    assert "tau2tui eval --skip 'retail/17#0'" in line


def test_failures_that_are_kept_and_failures_that_are_run_again_are_told_apart() -> None:
    assert account_lines(PROGRESS) == [
        "kept without full reward: 4 (max_steps 2)",
        "to be run again: 3 (skipped 1, timeout 2)",
        "cost $13.75, 1500 tokens",
    ]
    assert account_lines(EvalProgress(EvalState.RUNNING, 0.0, 1.0)) == []


def test_a_budget_is_shown_with_what_counts_towards_it() -> None:
    limited = replace(PROGRESS, budget_usd=50.0, budget_tokens=2000, budget_counts=("user",))
    assert account_lines(limited)[-2:] == [
        "budget $12.50 of $50.00 (counts user)",
        "budget 1000 tokens of 2000 tokens (counts user)",
    ]


def test_why_it_is_paused_stands_in_the_line() -> None:
    paused = replace(PROGRESS, state=EvalState.PAUSED, why="the budget of $50.00 is spent ($50.02)")
    assert progress_line(paused).startswith("evaluation paused (the budget of $50.00 is spent ($50.02)): 13/114")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gently",), "--gently needs --stop"),
        (("--task-ids", "17"), "--task-ids takes DOMAIN/ID such as retail/17, not '17'"),
        (("--task-ids", "shop/17"), "not 'shop/17'"),
        (("--budget-usd", "0"), "0"),
    ],
)
def test_what_makes_no_sense_is_refused(tau2tui: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    assert said in tau2tui.run("eval", *arguments, status=2).stderr


@pytest.mark.parametrize("arguments", [("--stop", "--gently"), ("--skip", "retail/17#0"), ("--resume",)])
def test_only_an_evaluation_that_runs_is_steered(tau2tui: CommandLine, arguments: tuple[str, ...]) -> None:
    assert "no evaluation" in one_line(tau2tui.run("eval", *arguments, status=5).stderr)
