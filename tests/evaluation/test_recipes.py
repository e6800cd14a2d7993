"""The monitoring commands of the seed's notes (§8), word for word, on logs that the evaluation wrote."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.faults import CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit
from tests.sample import small_config

HARMONY = CallError(ErrorClass.HARMONY, 'unexpected tokens remaining in message header: Some("to=functions.x\nRetry")')
SERVER = CallError(ErrorClass.SERVER, "EngineCore encountered an issue.")
EXPERT = Participant("expert-1", "expert", "openai/gpt-oss-20b")
UNITS = [Unit("retail", str(number), 0, 7) for number in range(5)]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Four units are evaluated, after two retries in one and one in another; the fifth breaks in its third attempt.

    That is six failed attempts: four harmony errors and two of the server, of which five were tried again.
    """
    with Journal(tmp_path, RunLayout(logs="logs_oss_full"), ("retail",)) as journal:
        tally = Tally({"retail": 5}, EvalProgress(EvalState.STARTING, 1.0, 1.0))
        logs = [UnitLog(unit, journal, tally) for unit in UNITS]
        logs[0].retrying(EXPERT, "expert-1-0", HARMONY, 1, 3, 0.0)
        logs[0].retrying(EXPERT, "expert-1-0", SERVER, 2, 3, 4.2)
        logs[1].retrying(EXPERT, "expert-1-1", HARMONY, 1, 3, 2.0)
        logs[4].retrying(EXPERT, "expert-1-0", HARMONY, 1, 3, 0.0)
        logs[4].retrying(EXPERT, "expert-1-0", SERVER, 2, 3, 0.0)
        logs[4].gave_up(EXPERT, "expert-1-1", HARMONY, 3)
        for done, unit in enumerate(UNITS, 1):
            logs[done - 1].answered(EXPERT, Answer("Done.", duration_ms=1000.0 * done))
            good = {"reward_info": {"reward": 1.0}}
            bad = Outcome(unit, 1.0, 2.0, None, HARMONY.kind, HARMONY.message)
            outcome = bad if unit is UNITS[4] else Outcome(unit, 1.0, 2.0, good)
            journal.outcome(outcome, DomainProgress("retail", 5, ok=min(done, 4), errors=done // 5))
            journal.eta(done, 5, 60.0 * done, 60.0 * (5 - done))
    return tmp_path


def shell(command: str, run_dir: Path) -> str:
    """The command as an operator types it, in the directory of the run."""
    completed = subprocess.run(["bash", "-c", command], cwd=run_dir, capture_output=True, text=True, check=False)
    assert completed.stderr == ""
    return completed.stdout


def test_the_newest_line_on_progress_says_how_far_it_is(run_dir: Path) -> None:
    shown = shell('grep "OVERALL_ETA" logs_oss_full/fullrun.log | tail -1', run_dir)
    assert shown == "\x1b[31m[OVERALL_ETA] done=5/5 elapsed=05:00 eta=00:00\x1b[0m\n"


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ('grep -c "TAU2_TASK_COMPLETE" logs_oss_full/fullrun.log', 5),
        ('grep -c "unexpected tokens remaining" logs_oss_full/fullrun.log', 4),
        ('grep -c "Retrying in 5 seconds" logs_oss_full/fullrun.log', 5),
        ('grep -c "type=expert_call" logs_oss_full/tau2_*.log', 5),
        ('grep -c "status=error" logs_oss_full/fullrun.log', 1),
    ],
)
def test_counts_are_those_of_what_happened(run_dir: Path, recipe: str, count: int) -> None:
    assert shell(recipe, run_dir) == f"{count}\n"


def test_following_the_log_shows_whole_lines(run_dir: Path) -> None:
    followed = shell("timeout 1 tail -f logs_oss_full/fullrun.log", run_dir)
    lines = (run_dir / "logs_oss_full/fullrun.log").read_text().splitlines(keepends=True)
    assert followed == "".join(lines[-10:])


def test_our_own_patterns_count_the_same(run_dir: Path) -> None:
    lines = (run_dir / "logs_oss_full/fullrun.log").read_text().splitlines()
    counts = {
        name: sum(bool(re.search(pattern, line)) for line in lines)
        for name, pattern in small_config().error_patterns.items()
    }
    assert counts == {"harmony": 4, "retry": 5, "permanent": 1, "task_failed": 1}


def test_the_analysis_of_the_seeds_notes_has_its_counterpart(run_dir: Path) -> None:
    from tau2tui.analysis.scan import read_logs

    events = read_logs(tuple((run_dir / "logs_oss_full").glob("*.log"))).events
    assert events.filter(events["type"] == "expert_call")["duration_ms"].to_list() == [
        1000.0, 2000.0, 3000.0, 4000.0, 5000.0,
    ]  # fmt: skip
