"""The parts of a report about errors: the same figures that `tau2tui errors` prints."""

from __future__ import annotations

from datetime import datetime

from tau2tui.analysis.errors.budget import ErrorBudget
from tau2tui.analysis.errors.fates import Fate
from tau2tui.analysis.errors.tables import NOT_SAID, alike, by_class, by_dimension, lost_units, totals
from tau2tui.analysis.sections import Section, percent

_MOST = 20


def error_sections(budget: ErrorBudget) -> list[Section]:
    """By class and replica, alike ones together, the lost units, and the seed's counters."""
    return [
        _classes(budget),
        _replicas(budget),
        _alike(budget),
        _lost(budget),
        Section(
            "Lines as grep counts them",
            "The recipes of the seed's notes (grep -c): lines, and a copy in another file again.",
            ("text", "all files", "fullrun.log"),
            tuple((one.text, one.total, one.of("fullrun.log")) for one in budget.counters) if budget.files else (),
        ),
    ]


def _classes(budget: ErrorBudget) -> Section:
    rows = by_class(budget).to_dicts()
    rows += totals(budget).to_dicts() if len(rows) != 1 else []
    return Section(
        "Errors",
        f"Attempts that failed, and whatever else went wrong, over {budget.agent_calls} orchestrator calls and "
        f"{budget.tasks} finished tasks. Recovered: the task went on, or was run again with success; lost: its unit "
        "ended in error or never came back; unknown: no line says which task it was.",
        ("error", "errors", *map(str, Fate), "per call", "per task"),
        tuple(
            (
                *(row["class"], row["errors"], *(row[fate] for fate in Fate)),
                *(percent(row["per_call"], 2), percent(row["per_task"], 2)),
            )
            for row in rows
        )
        if budget.files
        else (),
    )


def _replicas(budget: ErrorBudget) -> Section:
    rows = [row for row in by_dimension(budget, "replica").to_dicts() if row["replica"] != NOT_SAID]
    return Section(
        "Errors by replica",
        "Failed attempts over the calls that a replica answered.",
        ("replica", "errors", "lost", "calls", "per call", "classes"),
        tuple(
            (
                *(row["replica"], row["errors"], row["lost"], row["calls"], percent(row["per_call"], 2)),
                ", ".join(f"{one['count']} {one['class']}" for one in row["classes"]),
            )
            for row in rows
        ),
    )


def _alike(budget: ErrorBudget) -> Section:
    table = alike(budget.failures)
    shown = table.head(_MOST)
    return Section(
        "Kinds of errors",
        f"Errors that differ in numbers only, together; the {shown.height} most frequent of {table.height} kinds.",
        ("times", "class", "first", "last", "what it says", "where"),
        tuple(
            (row["count"], row["class"], _moment(row["first"]), _moment(row["last"]), row["text"], row["place"])
            for row in shown.to_dicts()
        ),
        text=6,
    )


def _lost(budget: ErrorBudget) -> Section:
    table = lost_units(budget)
    shown = table.head(_MOST)
    return Section(
        "Lost units",
        f"Those that ended in error or never came back, and by what; {shown.height} of {table.height}.",
        ("domain", "task", "trial", "when", "class", "what it says"),
        tuple(
            (row["domain"], row["task_id"], row["trial"], _moment(row["at"]), row["class"], row["text"])
            for row in shown.to_dicts()
        ),
        text=6,
    )


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
