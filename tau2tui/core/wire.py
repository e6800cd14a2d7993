"""The JSON of a run directory ⇄ the nouns of `core.model`.

Writers may be newer or older than the reader: unknown keys are passed over, missing ones take the noun's default, and
a value of a wrong type is a ValueError that names the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tau2tui.core.model import (
    DirtyNode,
    DomainProgress,
    EvalProgress,
    EvalState,
    Level,
    Load,
    Phase,
    Replica,
    RunningUnit,
    TrialProgress,
)

_LOAD = tuple(name for name in Load.__dataclass_fields__ if name != "waiting_by_reason")


def replica_from(data: Mapping[str, Any]) -> Replica:
    """Read `replicas/<replica>.json`."""
    load = data.get("load")
    load = load if isinstance(load, Mapping) else {}
    return Replica(
        name=_text(data, "name"),
        expert=_text(data, "expert"),
        model=_text(data, "model"),
        job=_text(data, "job"),
        job_id=_text(data, "job_id"),
        phase=Phase(_text(data, "phase")),
        port=int(data["port"]),
        why=_text(data, "why"),
        level=Level(data["level"]) if data.get("level") else None,
        node=_text(data, "node"),
        address=_text(data, "address"),
        gpus=tuple(int(gpu) for gpu in data.get("gpus") or ()),
        pid=_integer(data, "pid"),
        attempt=_integer(data, "attempt") or 0,
        exit_status=_integer(data, "exit_status"),
        last_error=_text(data, "last_error"),
        failure=_text(data, "failure"),
        restart_at=_number(data, "restart_at"),
        phases=tuple((str(phase), float(since)) for phase, since in data.get("phases") or ()),
        log=_text(data, "log"),
        phase_since=_number(data, "phase_since"),
        started_at=_number(data, "started_at"),
        ready_at=_number(data, "ready_at"),
        heartbeat_at=_number(data, "heartbeat_at") or 0.0,
        load=Load(
            waiting_by_reason=_numbers(load, "waiting_by_reason") or None,
            **{name: _number(load, name) for name in _LOAD},
        ),
    )


def dirty_node_from(data: Mapping[str, Any]) -> DirtyNode:
    """Read `.nodes/<node>.json`."""
    gpus = tuple(str(gpu) for gpu in data.get("gpus") or ())
    return DirtyNode(_text(data, "node"), float(data["at"]), _text(data, "reason"), gpus, _text(data, "run"))


def progress_from(data: Mapping[str, Any]) -> EvalProgress:
    """Read `eval/state.json`."""
    return EvalProgress(
        state=EvalState(_text(data, "state")),
        started_at=float(data["started_at"]),
        updated_at=float(data["updated_at"]),
        domains=tuple(
            DomainProgress(
                domain=_text(domain, "domain"),
                total=int(domain["total"]),
                ok=_integer(domain, "ok") or 0,
                errors=_integer(domain, "errors") or 0,
                running=_integer(domain, "running") or 0,
                passed=_integer(domain, "passed") or 0,
                reward_sum=_number(domain, "reward_sum") or 0.0,
                trials=tuple(
                    TrialProgress(*(_integer(trial, name) or 0 for name in ("ok", "errors", "passed")))
                    for trial in domain.get("trials") or ()
                ),
            )
            for domain in data.get("domains") or ()
        ),
        running=tuple(
            RunningUnit(
                domain=_text(unit, "domain"),
                task_id=_text(unit, "task_id"),
                trial=_integer(unit, "trial") or 0,
                started_at=float(unit["started_at"]),
                last_event_at=float(unit["last_event_at"]),
                steps=_integer(unit, "steps") or 0,
                doing=_text(unit, "doing"),
                replica=_text(unit, "replica"),
                stalled=bool(unit.get("stalled")),
            )
            for unit in data.get("running") or ()
        ),
        durations_s=tuple(float(value) for value in data.get("durations_s") or ()),
        duration_domains=tuple(str(name) for name in data.get("duration_domains") or ()),
        unit_starts=tuple(float(value) for value in data.get("unit_starts") or ()),
        finished_before=_integer(data, "finished_before") or 0,
        one_domain_at_a_time=bool(data.get("one_domain_at_a_time")),
        max_concurrency=_integer(data, "max_concurrency") or 1,
        errors=_counts(data, "errors"),
        errors_by_replica=_counts(data, "errors_by_replica"),
        errors_by_role=_counts(data, "errors_by_role"),
        calls=_counts(data, "calls"),
        steps=_integer(data, "steps") or 0,
        retries=_integer(data, "retries") or 0,
        unit_errors=_counts(data, "unit_errors"),
        terminations=_counts(data, "terminations"),
        cost_usd=_numbers(data, "cost_usd"),
        tokens=_counts(data, "tokens"),
        budget_usd=_number(data, "budget_usd"),
        budget_tokens=_integer(data, "budget_tokens"),
        budget_counts=tuple(str(series) for series in data.get("budget_counts") or ()),
        why=_text(data, "why"),
        finished_at=_number(data, "finished_at"),
        pid=_integer(data, "pid"),
        host=_text(data, "host"),
    )


def progress_to(progress: EvalProgress) -> dict[str, Any]:
    """Write `eval/state.json`."""
    return asdict(progress)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)


def _integer(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    return None if value is None else int(value)


def _number(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return None if value is None else float(value)


def _counts(data: Mapping[str, Any], key: str) -> dict[str, int]:
    counts = data.get(key)
    return {str(name): int(count) for name, count in counts.items()} if isinstance(counts, Mapping) else {}


def _numbers(data: Mapping[str, Any], key: str) -> dict[str, float]:
    numbers = data.get(key)
    return {str(name): float(value) for name, value in numbers.items()} if isinstance(numbers, Mapping) else {}
