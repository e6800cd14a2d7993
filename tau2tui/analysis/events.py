"""Profile lines → events, in bulk: no line of these becomes a Python object.

A line is `[LEVEL] <time> task=<id> thread=<n> type=<event>` and then ` key=value` pairs in any order, without spaces in
a value. It may stand behind a child's prefix, inside colour codes, or behind the torn half of another line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tau2tui.analysis.any_lines import read_any_lines
from tau2tui.analysis.frames import EVENTS, IDENTITY, NO_EVENTS, NO_SKIPPED, SKIPPED, with_identity
from tau2tui.analysis.line_keys import COUNTS, MILLISECONDS, NAMES
from tau2tui.analysis.profile_lines import ProfileLines
from tau2tui.analysis.usual_lines import UsualLines
from tau2tui.analysis.wanted import ALL
from tau2tui.analysis.words import hashes

_NO_EVENTS = NO_EVENTS.with_columns(line=pl.lit(0, pl.Int64))
_ANY_LINES = pl.Schema(
    {name: kind for name, kind in with_identity(EVENTS).items() if name not in ("domain", "task_id", "record")}
    | {"line": pl.Int64(), "task": pl.String(), "at": pl.Int64()}
)
SHOWN = 160
"""Characters of a line that are kept to show it."""


def join_profile_lines(
    parts: Sequence[ProfileLines], file_domain: str, columns: Sequence[str] = ALL.columns
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of stretches in their order, and the lines that could not be read (SKIPPED with IDENTITY)."""
    begins = np.cumsum([0, *(part.length for part in parts)]).tolist()
    others, unread = parse_any_events(
        [text for part in parts for text in part.left],
        [begin + line for part, begin in zip(parts, begins, strict=False) for line in part.left_begin],
        file_domain,
    )
    found = [(part.usual, begin) for part, begin in zip(parts, begins, strict=False) if part.usual.line.size]
    if not found:
        return others[list(columns)], unread
    events = _events(*_joined(*zip(*found, strict=True)), file_domain, columns)
    if others.height:
        events = pl.concat([events, others.select(*columns, "line")]).sort("line")
    return events[list(columns)], unread


def parse_any_events(
    texts: Sequence[str], begins: Sequence[int], file_domain: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of lines that hold MARK, laid out in any way, and the lines that could not be read.

    Slower than `join_profile_lines`; the events have a column `line` too, where they begin.
    """
    if not texts:
        return _NO_EVENTS, NO_SKIPPED
    found = read_any_lines(texts, begins)
    rows = pl.DataFrame(found.columns, schema=_ANY_LINES).with_columns(
        *split_task(file_domain), pl.col("at").cast(EVENTS["at"]), _hashes(found.bodies)
    )
    unread = pl.Series("text", found.unread, dtype=pl.String)
    return rows.select(*with_identity(EVENTS).names(), "line"), skipped_lines(unread, "profile")


def _joined(parts: Sequence[UsualLines], begins: Sequence[int]) -> tuple[pl.DataFrame, list[str | None]]:
    """The columns of lines that were read for the same wanted ones, and the texts whose numbers stand in some.

    Besides those `judge`, and `line`: where a line begins, its part beginning where `begins` says.
    """
    texts: dict[str | None, int] = {None: 0}
    numbers = [np.array([0, *(texts.setdefault(text, len(texts)) for text in part.texts)], np.uint32) for part in parts]

    def column(name: str) -> pl.Series:
        values = [part.columns[name] for part in parts]
        if name == "task" or name in NAMES:
            values = [number.take(code) for number, code in zip(numbers, values, strict=True)]
        return pl.Series(name, np.concatenate(values))

    line = np.concatenate([part.begin + begin for part, begin in zip(parts, begins, strict=True)])
    judge = np.concatenate([part.judge for part in parts])
    frame = pl.DataFrame([pl.Series("line", line), pl.Series("judge", judge), *map(column, parts[0].columns)])
    return frame, list(texts)


def _events(rows: pl.DataFrame, texts: Sequence[str | None], file_domain: str, columns: Sequence[str]) -> pl.DataFrame:
    """What was read of usual lines as these columns of EVENTS and IDENTITY, and `line`: all in one go."""
    named = pl.Series(texts, dtype=pl.Categorical)
    made = {
        "level": pl.col("judge").cast(pl.UInt8).cat.to(EVENTS["level"]),
        "type": pl.col("type").cat.to(EVENTS["type"]),
        "at": pl.col("at").cast(EVENTS["at"]),
        "error": pl.col("error") == 1,
        "has_tool_calls": pl.when(pl.col("has_tool_calls") >= 0).then(pl.col("has_tool_calls") == 1),
        "timed": pl.lit(value=True),
        "domain": pl.lit(file_domain).cast(EVENTS["domain"]),
        **{name: pl.col(name).fill_nan(None) for name in MILLISECONDS},
        **{name: pl.when(pl.col(name) >= 0).then(pl.col(name)) for name in COUNTS},
        **{name: pl.lit(named).gather(pl.col(name)) for name in NAMES},
    }
    if "task" in rows.columns:
        split = pl.DataFrame({"task": pl.Series(texts, dtype=pl.String)}).select(*split_task(file_domain))
        made |= {name: pl.lit(split[name]).gather(pl.col("task")) for name in split.columns}
    return rows.select(*(made.get(name, pl.col(name)).alias(name) for name in columns), "line")


def split_task(file_domain: str) -> tuple[pl.Expr, pl.Expr]:
    """`domain` and `task_id` from the column `task`.

    In the log of one domain, that is the domain, and the task is the whole id (it may hold colons); only in a log of
    several domains the id stands behind its domain: `retail:17`.
    """
    task = pl.col("task")
    if file_domain:
        domain, task_id = pl.lit(file_domain), task.str.strip_prefix(f"{file_domain}:")
    else:
        prefix = r"^([a-z][a-z0-9_]*):."
        domain, task_id = task.str.extract(prefix).fill_null(""), task.str.replace(r"^[a-z][a-z0-9_]*:(.)", "$1")
    return domain.cast(pl.Categorical).alias("domain"), task_id.cast(pl.Categorical).alias("task_id")


def skipped_lines(lines: pl.Series, kind: str) -> pl.DataFrame:
    """Lines that look like a record and could not be read, shortened, with IDENTITY."""
    if lines.is_empty():
        return NO_SKIPPED
    return (
        lines.alias("text")
        .to_frame()
        .select(
            pl.lit(kind).cast(SKIPPED["kind"]).alias("kind"),
            pl.col("text").str.strip_chars().str.slice(0, SHOWN),
            record=pl.col("text").hash().cast(IDENTITY["record"]),
            timed=pl.lit(value=False),
        )
    )


def _hashes(bodies: Sequence[bytes]) -> pl.Series:
    """`record`: the hash that usual lines have, too."""
    length = np.array([len(body) for body in bodies], np.int64)
    found = hashes(b"".join(bodies), np.cumsum(length) - length, length)
    return pl.Series("record", found, IDENTITY["record"])
