"""Profile lines → events, in bulk: no line of these becomes a Python object.

A line is `[LEVEL] <time> task=<id> thread=<n> type=<event>` and then ` key=value` pairs in any order, without spaces in
a value. It may stand behind a child's prefix, inside colour codes, or behind the torn half of another line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tau2tui.analysis.frames import EVENTS, IDENTITY, NO_EVENTS, NO_SKIPPED, SKIPPED, with_identity
from tau2tui.analysis.line_keys import COUNTS, MILLISECONDS, NAMES, SPELLINGS
from tau2tui.analysis.usual_lines import read_usual_lines, with_nulls

LEVELS = ("PROFILE", "USER_JUDGE")
MARK = r"\[(?:PROFILE|USER_JUDGE)\] "
ANSI = r"\x1b\[[0-9;]*[A-Za-z]"
_FEW = 1000
"""Lines that are worth to be copied and read together with those of other stretches."""
_NO_EVENTS = NO_EVENTS.with_columns(line=pl.lit(0, pl.Int64))
_NO_LINES = pl.DataFrame(schema={"text": pl.String(), "line": pl.Int64()})
SHOWN = 160
"""Characters of a line that are kept to show it."""

# What only the beginning of a line looks like: found inside one, the text before it was torn off.
_ANOTHER_LINE = r"\[[A-Z_]+\] \d{4}-\d\d-\d\d |\[\d{4}-\d\d-\d\d \d\d:|\[tau2/cli\.py |\[TAU2_TASK_COMPLETE\]"
_BEGUN = r"(?:\[\d{4}-\d\d-\d\d [\d:]*\] *)?(?:\[tau2/cli\.py STD(?:OUT|ERR)\] *)?$"
"""The prefix of another line, at the end of a torn one."""


@dataclass(frozen=True, slots=True)
class ProfileLines:
    """What stands in a stretch of a log's profile lines, as far as it can be read fast."""

    usual: pl.DataFrame | None
    """The rows of UsualLines and `record`; None if there are none."""
    left: pl.DataFrame
    """`text` and `line` of those that are laid out in another way."""
    count: int


def read_profile_lines(lines: bytes) -> ProfileLines:
    """Read lines of UTF-8 that hold MARK, the last without a line end: only the usual ones."""
    if not lines:
        return ProfileLines(None, _NO_LINES, 0)
    usual = read_usual_lines(lines)
    text = (
        pl.DataFrame([pl.Series("text", [lines], dtype=pl.Binary).cast(pl.String)])
        .lazy()
        .select(pl.col("text").str.split("\n"))
        .explode("text")
        .collect()
    )
    if usual is None:
        return ProfileLines(None, text.with_columns(line=pl.int_range(pl.len(), dtype=pl.Int64)), text.height)
    left = np.ones(text.height, np.bool_)
    left[usual.line] = False
    others = np.flatnonzero(left)
    found = text["text"][others]
    if found.len() < _FEW:  # of its own, so that it does not hold on to the stretch
        found = pl.Series("text", found.to_list(), dtype=pl.String)
    usual_text = text["text"][usual.line] if others.size else text["text"]
    body = pl.col("text").cast(pl.Binary).bin.slice(pl.col("offset"), pl.col("length"))
    rows = usual.rows.with_columns(usual_text).select(
        pl.exclude("text", "offset", "length"), body.hash().alias("record")
    )
    return ProfileLines(rows, pl.DataFrame([found, pl.Series("line", others)]), text.height)


def join_profile_lines(parts: Sequence[ProfileLines], file_domain: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of stretches in their order, and the lines that could not be read (SKIPPED), both with IDENTITY."""
    begins = np.cumsum([0, *(part.count for part in parts)])
    left = [part.left.with_columns(pl.col("line") + begin) for part, begin in zip(parts, begins, strict=False)]
    others, unread = parse_any_events(pl.concat(left) if left else _NO_LINES, file_domain)
    rows = [
        part.usual.with_columns(pl.col("line") + begin) if others.height else part.usual
        for part, begin in zip(parts, begins, strict=False)
        if part.usual is not None
    ]
    events = _events(pl.concat(rows, rechunk=False), file_domain) if rows else _NO_EVENTS
    if others.height:
        events = pl.concat([events, others]).sort("line")
    return events.drop("line"), unread


def parse_events(lines: pl.Series, file_domain: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read lines that hold MARK: the events, and the lines that could not be read (SKIPPED), both with IDENTITY."""
    return join_profile_lines([read_profile_lines("\n".join(lines.to_list()).encode())], file_domain)


def parse_any_events(lines: pl.DataFrame, file_domain: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same, slower, whatever stands in `text`; the events keep the column `line`."""
    if lines.is_empty():
        return _NO_EVENTS, NO_SKIPPED
    text, torn = _last_records(lines["text"].str.replace_all(ANSI, "").str.strip_chars_end())
    heads = _heads(text.alias("text")).with_columns(lines["line"])
    rows = heads.select(
        "text",
        "record",
        "line",
        pl.col("at").str.strip_chars().str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ms", strict=False),
        pl.col("level").cast(EVENTS["level"]),
        *split_task(file_domain),
        pl.col("thread").cast(pl.Int64, strict=False),
        pl.col("message").str.extract(r"^(\w+)").cast(EVENTS["type"], strict=False).alias("type"),
        *(_milliseconds(key) for key in MILLISECONDS),
        *(_count(key) for key in COUNTS),
        *(_text(key).cast(pl.Categorical) for key in NAMES),
        _flag("has_tool_calls"),
        _flag("error").fill_null(value=False),
        whole=~pl.col("message").str.contains(_ANOTHER_LINE),
    ).with_columns(
        readable=pl.col("whole") & pl.col("type").is_not_null() & pl.col("duration_ms").is_not_null(),
        timed=pl.col("at").is_not_null(),
    )
    readable = pl.col("readable").fill_null(value=False)
    # Copies of a torn line differ in what stands around it.
    unread = pl.concat([torn, rows.filter(~readable)["text"]])
    unread = unread.str.extract(f"({MARK}.*)").str.replace(_BEGUN, "")
    names = with_identity(EVENTS).names()
    return rows.filter(readable).select(*names, "line"), skipped_lines(unread, "profile")


def _events(rows: pl.DataFrame, file_domain: str) -> pl.DataFrame:
    """The rows of usual lines as EVENTS with IDENTITY and `line`."""
    tasks = rows.select(pl.col("task").unique())
    split = tasks.select("task", *split_task(file_domain, pl.col("task").cast(pl.String)))
    level = pl.when("judge").then(pl.lit("USER_JUDGE")).otherwise(pl.lit("PROFILE")).cast(EVENTS["level"])
    return (
        with_nulls(rows)
        .with_columns(level.alias("level"), pl.col("error").fill_null(value=False), pl.lit(value=True).alias("timed"))
        .join(split, on="task", how="left", maintain_order="left")
        .select(*with_identity(EVENTS).names(), "line")
    )


def split_task(file_domain: str, task: pl.Expr | None = None) -> tuple[pl.Expr, pl.Expr]:
    """`domain` and `task_id` from the column `task`, or from another expression.

    In the log of one domain, that is the domain, and the task is the whole id (it may hold colons); only in a log of
    several domains the id stands behind its domain: `retail:17`.
    """
    task = pl.col("task") if task is None else task
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


def _last_records(lines: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Where several records were written onto one line, the last one; and the torn ones before it."""
    several = (lines.str.count_matches(MARK) > 1).arg_true()
    if several.is_empty():
        return lines, lines.clear()
    pieces = (
        lines.gather(several)
        .to_frame("line")
        .select(pl.col("line").str.replace_all(f"({MARK})", "\n${1}").str.split("\n"))
    )
    torn = pieces.select(pl.col("line").list.slice(0, pl.col("line").list.len() - 1).explode())["line"]
    last = pieces.select(pl.col("line").list.last())["line"]
    return lines.scatter(several, last), torn.filter(torn.str.contains(MARK))


def _heads(lines: pl.Series) -> pl.DataFrame:
    """text, level, at, task, thread and message (from the event's name on), all text.

    Cut at literals: a regular expression with these groups takes ten times as long.
    """
    text, body, rest = pl.col("text"), pl.col("body"), pl.col("rest")
    profile, judge = (_after(text, f"[{level}] ") for level in LEVELS)
    return (
        lines.to_frame()
        .with_columns(
            body=pl.coalesce(profile, judge).str.strip_chars_end(),
            level=pl.when(profile.is_not_null()).then(pl.lit("PROFILE")).otherwise(pl.lit("USER_JUDGE")),
        )
        .with_columns(at=_before(body, "task="), rest=_after(body, "task="), record=body.cast(pl.Binary).hash())
        .with_columns(task=_before(rest, " thread="), rest=_after(rest, " thread="))
        .with_columns(thread=_before(rest, " type="), message=_after(rest, " type="))
    )


def _before(text: pl.Expr, mark: str) -> pl.Expr:
    return text.str.splitn(mark, 2).struct.field("field_0")


def _after(text: pl.Expr, mark: str) -> pl.Expr:
    """What stands behind the first `mark`; null without one."""
    return text.str.splitn(mark, 2).struct.field("field_1")


def _text(key: str) -> pl.Expr:
    """The value of a key in whichever spelling; the blank before it makes sure that the key is whole."""
    message = pl.col("message")
    values = [_before(_after(message, f" {spelling}="), " ") for spelling in SPELLINGS.get(key, (key,))]
    return pl.coalesce(values).alias(key)


def _milliseconds(key: str) -> pl.Expr:
    number = _text(key).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number).alias(key)


def _count(key: str) -> pl.Expr:
    number = _text(key).cast(pl.Int64, strict=False)
    return pl.when(number >= 0).then(number).alias(key)


def _flag(key: str) -> pl.Expr:
    """False for `False`, true for anything else that is written: an error may be `True` or its name."""
    return (_text(key) != "False").alias(key)
