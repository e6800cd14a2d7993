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
from tau2tui.analysis.places import LEVELS, Places
from tau2tui.analysis.usual_lines import WHOLE, UsualLines, joined, read_usual_lines
from tau2tui.analysis.wanted import ALL
from tau2tui.analysis.words import hashes

MARK = r"\[(?:PROFILE|USER_JUDGE)\] "
ANSI = r"\x1b\[[0-9;]*[A-Za-z]"
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

    usual: UsualLines
    left: pl.DataFrame
    """`text` and `line` of those that are laid out in another way; `line` is where a line begins."""
    length: int
    """Bytes of the stretch."""


def read_profile_lines(places: Places, file_domain: str, columns: Sequence[str] = ALL.columns) -> ProfileLines:
    """Read the lines with a mark of profile lines, and only the usual ones."""
    usual = read_usual_lines(places, _of_lines(columns, file_domain))
    left = np.setdiff1d(places.mark_lines, usual.line)
    if not left.size:
        return ProfileLines(usual, _NO_LINES, len(places.data))
    texts = pl.Series("text", places.texts(left), dtype=pl.String)
    return ProfileLines(usual, pl.DataFrame([texts, pl.Series("line", places.begins(left))]), len(places.data))


def _of_lines(columns: Sequence[str], file_domain: str) -> frozenset[str]:
    """What must be read of usual lines to know these columns of the events."""
    wanted = set(columns) & WHOLE
    if "task_id" in columns or ("domain" in columns and not file_domain):
        wanted.add("task")
    if "timed" in columns:
        wanted.add("at")
    return frozenset(wanted)


def join_profile_lines(
    parts: Sequence[ProfileLines], file_domain: str, columns: Sequence[str] = ALL.columns
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of stretches in their order, and the lines that could not be read (SKIPPED with IDENTITY)."""
    begins = np.cumsum([0, *(part.length for part in parts)]).tolist()
    left = [
        part.left.with_columns(pl.col("line") + begin)
        for part, begin in zip(parts, begins, strict=False)
        if part.left.height
    ]
    others, unread = parse_any_events(pl.concat(left) if left else _NO_LINES, file_domain)
    found = [(part.usual, begin) for part, begin in zip(parts, begins, strict=False) if part.usual.line.size]
    if not found:
        return others[list(columns)], unread
    events = _events(*joined(*zip(*found, strict=True)), file_domain, columns)
    if others.height:
        events = pl.concat([events, others.select(*columns, "line")]).sort("line")
    return events[list(columns)], unread


def parse_any_events(lines: pl.DataFrame, file_domain: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of lines that hold MARK (`text`, `line`), laid out in any way, and the lines that could not be read.

    Slower than `join_profile_lines`; the events keep the column `line`.
    """
    if lines.is_empty():
        return _NO_EVENTS, NO_SKIPPED
    text, torn = _last_records(lines["text"].str.replace_all(ANSI, "").str.strip_chars_end())
    heads = _heads(text.alias("text")).with_columns(lines["line"])
    rows = heads.select(
        "text",
        _hashes(heads["body"]),
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
    """text, body (behind the level), level, at, task, thread and message (from the event's name on), all text.

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
        .with_columns(at=_before(body, "task="), rest=_after(body, "task="))
        .with_columns(task=_before(rest, " thread="), rest=_after(rest, " thread="))
        .with_columns(thread=_before(rest, " type="), message=_after(rest, " type="))
    )


def _hashes(bodies: pl.Series) -> pl.Series:
    """`record`: the hash that usual lines have, too."""
    texts = [text.encode() for text in bodies.fill_null("")]
    length = np.array([len(text) for text in texts], np.int64)
    found = hashes(b"".join(texts), np.cumsum(length) - length, length)
    return pl.Series("record", found, IDENTITY["record"])


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
