"""The smoke test of a fleet: which small evaluations it is made of, and what their results say of each model.

Pure: `evaluation.smoke` runs the evaluations and asks the servers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tau2tui.config import Config, EvaluationConfig

PRACTICE_DOMAIN = "mock"
DRIVEN_TASKS = ("create_task_1", "update_task_1")
"""Tasks of the practice domain that cannot be solved without a tool call: each expert alone is given these."""


class CheckResult(StrEnum):
    """What is known of one property of one model."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EXERCISED = "not exercised"
    """Nothing happened that could have shown it: neither good nor bad."""


@dataclass(frozen=True, slots=True)
class Check:
    """One property of one model or domain, with what was seen."""

    check: str
    subject: str
    result: CheckResult
    evidence: str


@dataclass(frozen=True, slots=True)
class SmokeReport:
    """`eval/smoke.json`."""

    fingerprint: str
    request: str
    """Who asked: the word's own mark, empty for the gate before an evaluation."""
    state: str
    """running, finished, or failed: it could not be carried out."""
    started_at: float
    updated_at: float
    why: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.result is CheckResult.FAILED)

    @property
    def passed(self) -> bool:
        """It came to its end, and nothing that was exercised failed."""
        return self.state == "finished" and bool(self.checks) and not self.failed


@dataclass(frozen=True, slots=True)
class Leg:
    """One small evaluation."""

    name: str
    evaluation: EvaluationConfig


def report_to(report: SmokeReport) -> dict[str, Any]:
    """As JSON; `passed` is in it for readers that do not count."""
    return {**asdict(report), "passed": report.passed}


def report_from(data: Mapping[str, Any]) -> SmokeReport:
    """Read `eval/smoke.json`. Raises KeyError, TypeError or ValueError for what is none."""
    checks = (
        Check(str(check["check"]), str(check["subject"]), CheckResult(check["result"]), str(check["evidence"]))
        for check in data["checks"]
    )
    return SmokeReport(
        fingerprint=str(data["fingerprint"]),
        request=str(data["request"]),
        state=str(data["state"]),
        started_at=float(data["started_at"]),
        updated_at=float(data["updated_at"]),
        why=str(data["why"]),
        checks=tuple(checks),
    )


def is_full(evaluation: EvaluationConfig) -> bool:
    """Whether some real domain is run whole; a few named tasks and the practice domain cost too little to be gated."""
    whole = [name for name in evaluation.domains if name != PRACTICE_DOMAIN and name not in evaluation.tasks]
    return bool(whole) and evaluation.num_tasks is None


def is_gated(evaluation: EvaluationConfig) -> bool:
    """Whether this evaluation begins with a smoke test."""
    return evaluation.smoke == "always" or (evaluation.smoke == "full" and is_full(evaluation))


def fingerprint(config: Config, evaluation: EvaluationConfig) -> str:
    """Of all that a smoke test depends on: models, how they are served, how they are asked, and in which domains."""
    asked = evaluation.model_dump(
        mode="json",
        include={"mode", "temperature", "max_tokens", "context_tokens", "stream", "user", "domains", "split"},
    )
    asked["domains"] = sorted(set(asked["domains"]))
    served = config.model_dump(mode="json", include={"experts", "serve"})
    return hashlib.sha256(json.dumps([served, asked], sort_keys=True).encode()).hexdigest()[:16]


def smoke_legs(config: Config, evaluation: EvaluationConfig) -> tuple[Leg, ...]:
    """A few tasks of every domain as configured, and each expert alone: one that nobody calls would show nothing."""
    # Processes of the evaluator would load tau2 for a few conversations, which the driver evaluates sooner itself.
    common = {"trials": 1, "smoke": "never", "log_level": "DEBUG", "evaluator_processes": 0}
    domains = tuple(dict.fromkeys((PRACTICE_DOMAIN, *evaluation.domains)))
    few = {**common, "domains": domains, "num_tasks": evaluation.smoke_tasks}
    legs = [Leg(leg_name(evaluation.mode), evaluation.model_copy(update=few))]
    if evaluation.mode == "experts":
        tasks = {PRACTICE_DOMAIN: DRIVEN_TASKS}
        alone = {**common, "domains": (PRACTICE_DOMAIN,), "tasks": tasks, "num_tasks": None}
        for name in experts_of(config):
            mode = f"always:{name}"
            legs.append(Leg(leg_name(mode), evaluation.model_copy(update={**alone, "mode": mode})))
    return tuple(legs)


def leg_name(mode: str) -> str:
    """The name of the leg that runs this mode, and of its directory."""
    return mode.replace(":", "-")


def experts_of(config: Config) -> list[str]:
    """Whom the agent may call."""
    return [name for name, expert in config.experts.items() if expert.role == "expert"]
