"""An error budget as `tau2tui errors` answers it: JSON for programs, text for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from tau2tui.analysis.aligned import columns
from tau2tui.analysis.errors.budget import ErrorBudget
from tau2tui.analysis.errors.classes import TOOL
from tau2tui.analysis.errors.fates import Fate
from tau2tui.analysis.errors.tables import (
    DIMENSIONS,
    NOT_SAID,
    alike,
    by_class,
    by_dimension,
    lost_units,
    totals,
)
from tau2tui.core.printable import line_cut, middle_cut, one_line

_WIDTH = 80
_MOST_ROWS = 10
_MOST_LOST = 20
_MOST_FRAMES = 12
"""Lines of a traceback that are shown: its beginning is rarely what is looked for."""


def budget_json(budget: ErrorBudget) -> dict[str, Any]:
    """Everything, with the same keys whatever was found; times in ISO 8601, rates 0–1."""
    recent_calls = budget.recent(budget.calls.filter("agent")).height
    return {
        "now": _iso(budget.now),
        "last_min": budget.last_min,
        "files": [str(path) for path in budget.files],
        "agent_calls": budget.agent_calls,
        "tasks": budget.tasks,
        "recent_agent_calls": recent_calls,
        "recent_tasks": budget.recent(budget.units).height,
        "total": totals(budget).to_dicts()[0],
        "classes": by_class(budget).to_dicts(),
        "by": {name: _rows(budget, name) for name in DIMENSIONS},
        "lost_units": [_json_row(row) for row in lost_units(budget).to_dicts()],
        "alike": [_json_row(row) for row in alike(budget.failures).to_dicts()],
        "servers": [_json_row(row) for row in _servers(budget).to_dicts()],
        "counters": {
            counter.name: {
                "text": counter.text,
                "lines": counter.total,
                "files": {str(path): count for path, count in counter.files},
            }
            for counter in budget.counters
        },
    }


def budget_text(budget: ErrorBudget, *, examples: int = 3) -> str:
    """The tables, the longest of them cut; `examples`: so many tracebacks are shown in full."""
    lines = [_headline(budget)]
    if budget.failures.is_empty():
        lines += [f"no errors of an evaluation in {_counted(len(budget.files), 'file')}"]
    else:
        lines += ["", *_classes(budget), *_lost(budget)]
        lines += _dimensions(budget)
        lines += ["", *_alike(budget.failures, examples)]
    if budget.servers.height:
        lines += ["", *_server_lines(budget)]
    return "\n".join([*lines, "", *_counters(budget)])


def _headline(budget: ErrorBudget) -> str:
    of = f"{_counted(budget.agent_calls, 'agent call')}, {_counted(budget.tasks, 'finished task')}"
    if budget.now is None:
        return of
    return f"as of {budget.now:%Y-%m-%d %H:%M:%S}: {of}"


def _classes(budget: ErrorBudget) -> list[str]:
    last = f"{budget.last_min:g} min"
    head = ("class", "errors", "recovered", "lost", "open", "?", "/call", "/task", last, "/call", "/task")
    rows = [*by_class(budget).to_dicts(), totals(budget).to_dicts()[0]]
    table = columns(
        [
            head,
            *(
                (
                    line_cut(row["class"], 16),
                    *(_count(row[name]) for name in ("errors", *Fate)),
                    *(_percent(row[name]) for name in ("per_call", "per_task")),
                    _count(row["recent"]),
                    *(_percent(row[name]) for name in ("recent_per_call", "recent_per_task")),
                )
                for row in rows
            ),
        ]
    )
    table.append("recovered: the task went on or was run again; lost: ended in error; ?: no task")
    unknown = budget.failures.filter(pl.col("fate") == str(Fate.UNKNOWN))
    if unknown.height:
        retried = unknown.filter(pl.col("said") == "retry").height
        table.append(f"of the {unknown.height} without a task, {retried} were tried again")
    if tools := budget.failures.filter(pl.col("class") == TOOL).height:
        table.append(f"{TOOL}: {_counted(tools, 'tool call')} whose error the agent sees")
    return table


def _dimensions(budget: ErrorBudget) -> list[str]:
    lines, unsaid = [], []
    for name in DIMENSIONS:
        rows = _rows(budget, name)
        if [row[name] for row in rows] == [NOT_SAID]:
            unsaid.append(name)
        else:
            lines += ["", *_dimension(budget, name, rows)]
    return [*lines, *(["", f"of no error a line says which {' or '.join(unsaid)} it was"] if unsaid else [])]


def _dimension(budget: ErrorBudget, name: str, found: list[dict[str, Any]]) -> list[str]:
    last = f"{budget.last_min:g} min"
    rows: list[tuple[str, ...]] = [(f"by {name}", "errors", "lost", last, "calls", "/call", "mostly")]
    for row in found[:_MOST_ROWS]:
        most = next(iter(row["classes"]))
        rows.append(
            (
                middle_cut(one_line(row[name]), 30),
                *(_count(row[key]) for key in ("errors", "lost", "recent", "calls")),
                _percent(row["per_call"]),
                f"{row['classes'][most]} {line_cut(most, 14)}",
            )
        )
    rest = len(found) - _MOST_ROWS
    return [*columns(rows), *([f"and {rest} more"] if rest > 0 else [])]


def _lost(budget: ErrorBudget) -> list[str]:
    table = lost_units(budget)
    if table.is_empty():
        return []
    lines = ["", f"lost: {_counted(table.height, 'unit')}"]
    for row in table.head(_MOST_LOST).to_dicts():
        trial = "" if row["trial"] is None else f"#{row['trial']}"
        unit = middle_cut(one_line(f"{row['domain']}/{row['task_id']}{trial}"), 44)
        lines.append(f"  {_clock(row['at'])}  {unit}  {line_cut(row['class'], 20)}")
        lines += [line_cut(f"      {row['text']}", _WIDTH)] if row["text"] else []
    rest = table.height - _MOST_LOST
    return [*lines, *([f"  and {rest} more"] if rest > 0 else [])]


def _alike(failures: pl.DataFrame, examples: int) -> list[str]:
    table = alike(failures)
    lines = ["alike ones together, and when first and last"]
    for row in table.head(_MOST_ROWS).to_dicts():
        when = _clock(row["first"]) + (f" to {_clock(row['last'])}" if row["count"] > 1 else "")
        lines.append(f"{row['count']:>6} × {line_cut(row['class'], 16)}  {when}")
        lines.append(line_cut(f"         {row['text']}", _WIDTH))
        lines += [f"         {middle_cut(one_line(row['place']), _WIDTH - 9)}"] if row["place"] else []
    rest = table.height - _MOST_ROWS
    lines += [f"and {rest} more kinds"] if rest > 0 else []
    folded = [row for row in table.to_dicts() if row["example"]][:examples]
    for row in folded:
        lines += ["", line_cut(f"{row['file']}:{row['line']}, {_counted(row['count'], 'time')}", _WIDTH)]
        lines += [line_cut(f"  {line}", _WIDTH) for line in _last_lines(row["example"])]
    return lines


def _last_lines(traceback: str) -> Iterator[str]:
    lines = [line for line in traceback.splitlines() if line.strip()]
    if len(lines) > _MOST_FRAMES:
        yield f"… {len(lines) - _MOST_FRAMES} lines"
    yield from lines[-_MOST_FRAMES:]


def _servers(budget: ErrorBudget) -> pl.DataFrame:
    """Errors in the servers' own logs by replica and class."""
    return (
        budget.servers.group_by("replica", "class", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col("text", "exception", "place", "file", "line", "example").first())
        .sort("count", descending=True, maintain_order=True)
    )


def _server_lines(budget: ErrorBudget) -> list[str]:
    table = _servers(budget)
    lines = ["in the logs of servers and others, told from their side"]
    for row in table.head(_MOST_ROWS).to_dicts():
        lines.append(f"{row['count']:>6} × {line_cut(row['class'], 16)}  {middle_cut(one_line(row['replica']), 50)}")
        lines.append(line_cut(f"         {row['text']}", _WIDTH))
    rest = table.height - _MOST_ROWS
    return [*lines, *([f"and {rest} more"] if rest > 0 else [])]


def _counters(budget: ErrorBudget) -> list[str]:
    """What the seed's recipes print: they count lines, and a copy in another file again."""
    rows = [("lines, as grep -c counts them", "all files", "fullrun.log")]
    rows += [
        (f"  {counter.text}", _count(counter.total), _count(counter.of("fullrun.log"))) for counter in budget.counters
    ]
    return columns(rows)


def _rows(budget: ErrorBudget, name: str) -> list[dict[str, Any]]:
    """The rows of a dimension with its value under its own name: of a task, with its domain."""
    rows = []
    for row in by_dimension(budget, name).to_dicts():
        value = row.pop(DIMENSIONS[name])
        if name == "task":
            domain = row.pop("domain")
            value = value if value == NOT_SAID else f"{domain}/{value}"
        classes = {one["class"]: one["count"] for one in row.pop("classes")}
        rows.append({name: value, **row, "classes": classes})
    return rows


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(sep=" ", timespec="milliseconds")


def _clock(at: datetime | None) -> str:
    return "  :  :  " if at is None else f"{at:%m-%d %H:%M:%S}"


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return f"{share * 100:.2f}%" if share < 0.1 else f"{share * 100:.0f}%"
