"""The state that is made from logs: what they say, and nothing that they do not say."""

from __future__ import annotations

from pathlib import Path

from tau2tui.core.model import EvalState
from tau2tui.migration.progress import WHY, progress_of_logs
from tests.sample import small_config

LINES = """\
[2025-12-30 17:00:00] Evaluation starts: 2 units, at most 3 at once
[PROFILE] 2025-12-30 17:00:01.000 task=0 thread=1 type=llm_call step=1 model=org/Agent-8B duration_ms=9.00
[PROFILE] 2025-12-30 17:00:05.000 task=0 thread=1 type=expert_call step=2 model=org/Expert duration_ms=9.00
[PROFILE] 2025-12-30 17:01:00.000 task=1 thread=2 type=llm_call step=1 model=org/Agent-8B duration_ms=9.00
[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=0 status=ok completed_domain=1 total_domain=2
"""
END = """\
[PROFILE] 2025-12-30 17:02:00.000 task=1 thread=2 type=llm_call step=2 model=org/Agent-8B duration_ms=9.00
[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=error completed_domain=2 total_domain=2
"""


def log(tmp_path: Path, text: str) -> list[Path]:
    path = tmp_path / "tau2_retail.log"
    path.write_text(text)
    return [path]


def test_what_is_not_complete_still_runs_since_its_last_line(tmp_path: Path) -> None:
    progress = progress_of_logs(log(tmp_path, LINES), {}, small_config())
    assert progress is not None and progress.state is EvalState.RUNNING and progress.finished_at is None
    assert progress.why == f"{WHY}, which tell no rewards"
    (retail,) = progress.domains
    assert (retail.total, retail.ok, retail.errors, retail.running) == (2, 1, 0, 1)
    assert progress.updated_at - progress.started_at == 60 and progress.max_concurrency == 3
    assert progress.calls == {"expert-1": 1, "orchestrator": 2}
    assert len(progress.durations_s) == len(progress.duration_domains) == len(progress.unit_starts) == 1


def test_what_is_complete_has_ended_with_its_last_line(tmp_path: Path) -> None:
    progress = progress_of_logs(log(tmp_path, LINES + END), {}, small_config())
    assert progress is not None and progress.state is EvalState.FINISHED
    assert progress.finished_at == progress.updated_at == progress.started_at + 120
    assert (progress.domains[0].ok, progress.domains[0].errors, progress.domains[0].running) == (1, 1, 0)


def test_logs_that_are_of_no_evaluation_have_no_state(tmp_path: Path) -> None:
    assert progress_of_logs(log(tmp_path, "hello\n"), {}, small_config()) is None
