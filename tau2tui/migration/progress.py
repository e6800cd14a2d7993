"""How far an evaluation was, by its logs alone, as the state that a driver would have kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from tau2tui.analysis.frames import Logs
from tau2tui.analysis.marks import read_marks
from tau2tui.analysis.outcomes import PASSED, logged_outcomes, results_outcomes
from tau2tui.analysis.progress import progress_of
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.timeline import unit_runs
from tau2tui.config import Config
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.errors import NothingToRead

_SERIES = {"llm_call": "orchestrator", "user_sim": "user"}
WHY = "read from the logs when the run was imported"


def progress_of_logs(files: Sequence[Path], results: Mapping[str, Path], config: Config) -> EvalProgress | None:
    """The state as of the last line; None if no line is of an evaluation. `results`: domain → tau2's file of results.

    One that is not complete counts as running: nobody has said that it ended. Its sign of life is its last line.
    """
    try:
        logs, marks = read_logs(files), read_marks(files)
        seen = progress_of(files)
    except (NothingToRead, OSError):
        return None
    events = logs.events["at"].max()
    times = [one.at for one in marks.ended if one.at] + [one.at for one in marks.etas if one.at]
    newest = max([*times, *([events] if isinstance(events, datetime) else [])], default=None)
    first = marks.first_at or newest
    if newest is None or first is None:
        return None
    runs = sorted(
        (run for run in unit_runs(logs, marks, newest) if run.ended_at), key=lambda run: run.ended_at or newest
    )
    outcomes = results_outcomes(results) if results else logged_outcomes(files)
    errors = Counter(
        domain
        for domain, *_, status in {(e.domain, e.trial, e.task_id, e.status) for e in marks.ended}
        if status == "error"
    )
    over = seen.total is not None and seen.done >= seen.total
    return EvalProgress(
        state=EvalState.FINISHED if over else EvalState.RUNNING,
        why=WHY if outcomes["reward"].count() else f"{WHY}, which tell no rewards",
        started_at=first.timestamp(),
        updated_at=newest.timestamp(),
        finished_at=newest.timestamp() if over else None,
        domains=tuple(
            _domain(one.domain, one.done, one.total, one.running, min(errors[one.domain], one.done), outcomes)
            for one in seen.domains
        ),
        durations_s=tuple((run.ended_at - run.started_at).total_seconds() for run in runs if run.ended_at),
        duration_domains=tuple(run.domain for run in runs),
        unit_starts=tuple(run.started_at.timestamp() for run in runs),
        max_concurrency=seen.concurrency,
        errors=_errors(logs),
        calls=_calls(logs.events, config),
    )


def _domain(
    name: str, done: int, total: int | None, running: int, errors: int, outcomes: pl.DataFrame
) -> DomainProgress:
    mine = outcomes.filter(pl.col("domain") == name)
    return DomainProgress(
        name,
        max(total or 0, done + running),
        ok=done - errors,
        errors=errors,
        running=running,
        passed=min(mine.filter(PASSED).height, done - errors),
        reward_sum=float(mine["reward"].sum()),
    )


def _errors(logs: Logs) -> dict[str, int]:
    """Lines of errors by class."""
    counted = logs.errors.group_by("name").len()
    return {str(name): count for name, count in counted.sort("name").iter_rows()}


def _calls(events: pl.DataFrame, config: Config) -> dict[str, int]:
    """Model calls by series, under the names that a driver gives them."""
    experts = {
        name: key for key, expert in config.experts.items() for name in (expert.model, expert.checkpoint) if name
    }
    calls: Counter[str] = Counter()
    for kind, model, count in events.group_by("type", "model").len().iter_rows():
        if kind in _SERIES:
            calls[_SERIES[kind]] += count
        elif kind == "expert_call":
            calls[experts.get(model, model or "expert")] += count
    return dict(sorted(calls.items()))
