"""Small logs in the forms of the driver and of the seed, which can be checked by hand."""

from __future__ import annotations

from pathlib import Path

from tau2tui.analysis.errors.budget import ErrorBudget, error_budget
from tau2tui.analysis.scan import find_logs, read_logs

DAY = "2025-12-30"
TELECOM = "[mms_issue]a = b|c[PERSONA:None]"


def said(at: str, text: str) -> str:
    """A line of the driver."""
    return f"[{DAY} {at}] {text}\n"


def attempt(
    at: str,
    unit: str,
    kind: str,
    message: str = "it went wrong",
    *,
    who: str = "orchestrator at orchestrator-0",
    left: int = 3,
) -> str:
    """An attempt that failed, and is tried again."""
    return said(at, f"{unit} {who}: {kind}: {message}. Retry {4 - left}/4 in 2s... [Retrying in 5 seconds]")


def gave_up(
    at: str, unit: str, kind: str, message: str = "it went wrong", *, who: str = "orchestrator at orchestrator-0"
) -> str:
    return said(at, f"{unit} {who}: LLM call failed permanently after 4 attempts: {kind}: {message}")


def failed(at: str, unit: str, kind: str, message: str = "it went wrong") -> str:
    return said(at, f"Task failed: {unit}: {kind}: {message}")


def marker(domain: str, task_id: str, status: str = "ok", trial: int = 0) -> str:
    return (
        f"[TAU2_TASK_COMPLETE] domain={domain} trial={trial} task_id={task_id} status={status} "
        "completed_domain=1 total_domain=9\n"
    )


def call(
    at: str,
    task_id: str = "1",
    kind: str = "llm_call",
    model: str = "/ckpt/orchestrator",
    rest: str = "replica=orchestrator-0",
) -> str:
    """A call that was answered; `at` with milliseconds."""
    return f"[PROFILE] {DAY} {at} task={task_id} thread=1 type={kind} model={model} duration_ms=10.00 {rest}\n"


def budget_of(directory: Path, **logs: str) -> ErrorBudget:
    """The budget of logs, by their names without `.log`."""
    for name, text in logs.items():
        (directory / f"{name}.log").write_text(text)
    files = find_logs([directory])
    return error_budget(files, read_logs(files))


def fates(budget: ErrorBudget) -> list[tuple[str, str, str]]:
    """Class, task and fate of each error, in the order of time."""
    return list(budget.failures.select("class", "task_id", "fate").iter_rows())
