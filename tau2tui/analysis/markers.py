"""The rare lines: completion markers, what the driver says, and errors. Read one by one, after a bulk filter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from tau2tui.analysis.any_lines import ANSI
from tau2tui.analysis.events import skipped_lines, split_task
from tau2tui.analysis.frames import DRIVER, ERRORS, NO_DRIVER, NO_ERRORS, NO_TASKS, TASKS, with_identity

TASK_MARK = "[TAU2_TASK_COMPLETE]"
ETA_MARK = "[OVERALL_ETA]"
MARKS = (TASK_MARK, ETA_MARK, "Global evaluation ", "still running (pid=", "FINISHED SIMULATION")
"""Every line of interest holds one of these."""
ERROR_TEXT = 300
"""Characters of an error's message that are kept."""

_ANSI = re.compile(ANSI)
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
DRESS = rf"^\s*(?:\[(?P<at>{_TIME})\] *)?(?:\[tau2/cli\.py STD(?:OUT|ERR)\] *)?"
"""What the driver puts in front of a line; all of it is optional."""
_PREFIX = re.compile(DRESS)
_HEAD = re.compile(rf"\[(?P<level>[A-Z_]+)\] (?P<at>{_TIME}) (?:task=(?P<task>.*?) thread=-?\d+ )?(?P<message>.*)")
_TASK = re.compile(
    r"\[TAU2_TASK_COMPLETE\] domain=(?P<domain>\S+) trial=(?P<trial>\d+) task_id=(?P<task_id>.*) "
    r"status=(?P<status>ok|error|skipped)"
    r"(?: completed_(?P<scope>domain|global)=(?P<completed>\d+) total_(?:domain|global)=(?P<total>\d+))?\s*"
)
_TUPLE = re.compile(r"""\((?P<quote>['"])(?P<text>.*)(?P=quote),\)\s*""")
_DRIVER = {
    "overall_eta": re.compile(
        r"\[OVERALL_ETA\] done=(?P<done>\d+)/(?P<total>\d+) elapsed=(?P<elapsed_s>\S+) eta=(?P<eta_s>\S+)"
    ),
    "evaluation_end": re.compile(
        r"Global evaluation (?P<state>\w+): ok=(?P<ok>\d+) error=(?P<errors>\d+) total=(?P<total>\d+) "
        r"elapsed_s=(?P<elapsed_s>[\d.]+) tasks_per_min=(?P<tasks_per_min>[\d.]+)"
    ),
    "still_running": re.compile(r"still running \(pid=(?P<pid>\d+)\); no output for (?P<silent_s>[\d.]+)s"),
    "finished_simulation": re.compile("FINISHED SIMULATION"),
}
_LOOKS_LIKE_DRIVER = re.compile(r"\[OVERALL_ETA\]|Global evaluation \w+: ok=|still running \(pid=")
_WHOLE_NUMBERS = ("done", "total", "ok", "errors", "pid")


def parse_markers(lines: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read lines that hold one of MARKS: tasks, driver, and the lines that could not be read, all with IDENTITY."""
    tasks: list[dict[str, Any]] = []
    driver: list[dict[str, Any]] = []
    unread: list[str] = []
    for line in lines:
        at, text = _bare(line)
        # The last mark of a line counts: what stands before it was torn off.
        marker = text[max(text.rfind(TASK_MARK), 0) :]
        if TASK_MARK in text:
            unread += [text] * (text.count(TASK_MARK) - 1)
            task = _task(text, marker)
            tasks += [{"at": at, "identity": repr(task), **task}] if task else []
            unread += [] if task else [text]
        elif said := _driver(text):
            driver.append({"at": at, "identity": text, "timed": False, **said})
        elif _LOOKS_LIKE_DRIVER.search(text):
            unread.append(text)
    return (
        _frame(tasks, TASKS, timed=True) if tasks else NO_TASKS,
        _frame(driver, DRIVER, timed=False) if driver else NO_DRIVER,
        skipped_lines(pl.Series(unread, dtype=pl.String), "marker"),
    )


def parse_errors(lines: Iterable[str], patterns: Mapping[str, re.Pattern[str]], file_domain: str) -> pl.DataFrame:
    """Read lines that may match error patterns: one row for each line and each pattern in it, with IDENTITY."""
    rows: list[dict[str, Any]] = []
    for line in lines:
        at, text = _bare(line)
        head = _HEAD.match(text)
        own = {"timed": False, "at": at, "task": "", "level": None, "text": text[:ERROR_TEXT]}
        if head:
            own |= {"timed": True, "at": _time(head["at"]), "level": head["level"], "task": head["task"] or ""}
            own["text"] = head["message"][:ERROR_TEXT]
        names = [name for name, pattern in patterns.items() if pattern.search(text)]
        rows += [{**own, "name": name, "identity": f"{name}\n{text}"} for name in names]
    if not rows:
        return NO_ERRORS
    schema = {**ERRORS, "task": pl.String(), "timed": pl.Boolean(), "identity": pl.String()}
    frame = pl.DataFrame(rows, schema=schema).with_columns(*split_task(file_domain), record=pl.col("identity").hash())
    return frame.select(with_identity(ERRORS).names())


def _bare(line: str) -> tuple[datetime | None, str]:
    """The driver's time stamp, and the line without it, without a child's prefix and without colours."""
    text = _ANSI.sub("", line).rstrip()
    prefix = _PREFIX.match(text)
    assert prefix is not None  # every part of it is optional
    return _time(prefix["at"]), text[prefix.end() :]


def _task(text: str, marker: str) -> dict[str, Any] | None:
    """The fields of a completion marker; None if it cannot be read."""
    wrapped = _TUPLE.fullmatch(text, max(len(text) - len(marker) - 2, 0))
    if wrapped:  # printed as a Python tuple: quotes and backslashes are escaped
        marker = re.sub(r"\\(['\"\\])", r"\1", wrapped["text"])
    found = _TASK.fullmatch(marker)
    if not found:
        return None
    numbers = {key: _whole(found[key]) for key in ("trial", "completed", "total")}
    return {**found.groupdict(), **numbers}


def _driver(text: str) -> dict[str, Any] | None:
    """What the driver says; None if it cannot be read."""
    for kind, pattern in _DRIVER.items():
        if found := pattern.search(text):
            said = found.groupdict()
            state = {"state": said.pop("state", None)}
            values = {key: _whole(said[key]) if key in _WHOLE_NUMBERS else clock(said[key]) for key in said}
            return {"kind": kind, **state, **values}
    return None


def clock(text: str) -> float | None:
    """Seconds of `SS`, `MM:SS` or `HH:MM:SS`; None for anything else, such as `--:--`."""
    seconds = 0.0
    for part in text.split(":"):
        if not re.fullmatch(r"\d{1,12}(\.\d+)?", part):
            return None
        seconds = seconds * 60 + float(part)
    return seconds


def _whole(digits: str | None) -> int | None:
    """A number that fits into a column; longer ones are no counts."""
    return int(digits) if digits and len(digits) < 19 else None


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:  # the 31st of February
        return None


def _frame(rows: list[dict[str, Any]], schema: pl.Schema, *, timed: bool) -> pl.DataFrame:
    """Rows with their `identity` text, as a frame with IDENTITY."""
    frame = pl.DataFrame(rows, schema={**schema, "identity": pl.String()})
    identity = (pl.col("identity").hash().alias("record"), pl.lit(timed).alias("timed"))
    return frame.with_columns(*identity).select(with_identity(schema).names())
