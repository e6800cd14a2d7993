"""Profile lines in whatever way they are laid out, one by one: what a line says is defined here.

`usual_lines` reads the same out of most lines, fifteen times as fast, and leaves the others to this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tau2tui.analysis.line_keys import CALL_TYPES, COLUMNS, COUNTS, MILLISECONDS, NAMES, SPELLINGS

MARK = r"\[(?P<level>PROFILE|USER_JUDGE)\] "
ANSI = r"\x1b\[[0-9;]*[A-Za-z]"
_MARK, _ANSI = re.compile(MARK), re.compile(ANSI)
_TIME = re.compile(r"(\d{4})-(\d\d?)-(\d\d?) (\d\d?):(\d\d?):(\d\d?)(\.\d+)?", re.ASCII)
_TYPE = re.compile(r"\w+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}", re.ASCII)

_KEYS = {column: SPELLINGS.get(column, (column,)) for column in COLUMNS}
_COLUMNS = ("line", "at", "timed", "level", "task", "thread", "type", *COLUMNS)

# What only the beginning of a line looks like: found inside one, the text before it was torn off.
_ANOTHER_LINE = re.compile(
    r"\[[A-Z_]+\] \d{4}-\d\d-\d\d |\[\d{4}-\d\d-\d\d \d\d:|\[tau2/cli\.py |\[TAU2_TASK_COMPLETE\]"
)
_BEGUN = re.compile(r"(?:\[\d{4}-\d\d-\d\d [\d:]*\] *)?(?:\[tau2/cli\.py STD(?:OUT|ERR)\] *)?$")
"""The prefix of another line, at the end of a torn one."""


@dataclass(slots=True)
class AnyLines:
    """What was read of lines, by column."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})
    bodies: list[bytes] = field(default_factory=list)
    """What stands behind the level, by row."""
    unread: list[str] = field(default_factory=list)
    """Lines that could not be read, from the mark on."""


def read_any_lines(texts: Iterable[str], begins: Iterable[int]) -> AnyLines:
    """Read lines that hold MARK, and begin there; of several records on a line all but the last were torn."""
    found = AnyLines()
    for text, begin in zip(texts, begins, strict=True):
        bare = _ANSI.sub("", text).rstrip()
        marks = list(_MARK.finditer(bare))
        body = bare[marks[-1].end() :] if marks else ""
        row = _row(body)
        torn = [bare[one.start() : other.start()] for one, other in pairwise(marks)]
        if row is None:
            torn.append(bare[marks[-1].start() :] if marks else bare)
        else:
            row |= {"level": marks[-1]["level"], "line": begin}
            for name, values in found.columns.items():
                values.append(row[name])
            found.bodies.append(body.encode())
        found.unread += torn
    # Copies of a torn line differ in what stands around it.
    found.unread = [_BEGUN.sub("", text) for text in found.unread]
    return found


def _row(body: str) -> dict[str, Any] | None:
    """The columns that a line tells; None if it is torn, or no call of a kind that is known."""
    at, _, rest = body.partition("task=")
    task, _, rest = rest.partition(" thread=")
    thread, _, message = rest.partition(" type=")
    kind = _TYPE.match(message)
    if kind is None or kind[0] not in CALL_TYPES or _ANOTHER_LINE.search(message):
        return None
    said: dict[str, str] = {}
    for pair in message.split(" ")[1:]:
        key, is_pair, value = pair.partition("=")
        if is_pair:
            said.setdefault(key, value)
    told = {column: next((said[key] for key in _KEYS[column] if key in said), None) for column in COLUMNS}
    row: dict[str, Any] = {name: _milliseconds(told[name]) for name in MILLISECONDS}
    if row["duration_ms"] is None:
        return None
    row |= {name: _count(told[name]) for name in COUNTS} | {name: told[name] for name in NAMES}
    row["has_tool_calls"] = None if told["has_tool_calls"] is None else told["has_tool_calls"] != "False"
    row["error"] = told["error"] not in (None, "False")  # it may be `True` or the name of an error
    when = _moment_ms(at.strip())
    return row | {"at": when, "timed": when is not None, "task": task, "thread": _whole(thread), "type": kind[0]}


def _moment_ms(text: str) -> int | None:
    """Milliseconds from 1970 on of `2025-12-24 04:28:25.388`; None for what is no time."""
    if not (found := _TIME.fullmatch(text)):
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None
    return int(moment.timestamp()) * 1000 + int(float(found[7] or 0) * 1000)


def _milliseconds(text: str | None) -> float | None:
    value = float(text) if text and _NUMBER.fullmatch(text) else math.nan
    return value if 0 <= value < math.inf else None


def _count(text: str | None) -> int | None:
    value = _whole(text or "")
    return value if value is not None and value >= 0 else None


def _whole(text: str) -> int | None:
    value = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None
