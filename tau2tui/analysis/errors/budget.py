"""All errors of some logs with what became of them, and how many there are for each call and each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import polars as pl

from tau2tui.analysis.copies import without_copies
from tau2tui.analysis.errors.classes import TOOL, Classifier
from tau2tui.analysis.errors.counters import Counter, count_lines
from tau2tui.analysis.errors.fates import Fates
from tau2tui.analysis.errors.forms import SEARCHED
from tau2tui.analysis.errors.found import EVALUATION, End, Found, LogErrors
from tau2tui.analysis.errors.lines import LineSearch
from tau2tui.analysis.errors.records import read_errors
from tau2tui.analysis.frames import EVENTS, IDENTITY, Logs
from tau2tui.analysis.measures import ORCHESTRATOR, add_series
from tau2tui.analysis.run_files import Side
from tau2tui.errors import NothingToRead

FAILURES = pl.Schema(
    {
        "at": pl.Datetime("ms"),
        "class": pl.String(),
        "fate": pl.String(),
        "domain": pl.String(),
        "task_id": pl.String(),
        "trial": pl.Int64(),
        "model": pl.String(),
        "replica": pl.String(),
        "series": pl.String(),
        "said": pl.String(),
        "exception": pl.String(),
        "place": pl.String(),
        "text": pl.String(),
        "example": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
    }
)
"""One row for each error, in the order of time; what no line says is "" (or null), `line` counts from 1."""

LAST_MIN = 5.0
_AT_ONCE = 20_000
"""Rows that are put into a frame at once."""
_LONG = ("text", "example")
"""Columns of texts that many rows share."""
COLUMNS = ("at", "domain", "task_id", "type", "model", "function", "error", "expert", "replica")
"""What is needed of the events."""
UNITS = ("domain", "task_id", "trial")


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """What went wrong, and of how much."""

    failures: pl.DataFrame
    """FAILURES of the evaluation: attempts that failed, and whatever else went wrong there."""
    servers: pl.DataFrame
    """FAILURES in the logs of servers, which tell of the same errors from their side: in no count but their own."""
    calls: pl.DataFrame
    """Every known model call: `at`, `domain`, `model`, `replica`, `task_id`, `agent` (whether the orchestrator's)."""
    units: pl.DataFrame
    """Every unit with a completion marker: UNITS, `at` and `status` of its newest one."""
    counters: tuple[Counter, ...]
    """The seed's; they count all that is in the files, whatever was asked for."""
    files: tuple[Path, ...]
    now: datetime | None
    """The time that the last minutes are counted back from; None if the logs know no time."""
    last_min: float

    @property
    def agent_calls(self) -> int:
        return self.calls.filter("agent").height

    @property
    def tasks(self) -> int:
        return self.units.height

    def recent(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with a column `at`) that lie in the last minutes."""
        if self.now is None:
            return rows.clear()
        return rows.filter(pl.col("at") > self.now - timedelta(minutes=self.last_min))


def error_budget(
    paths: Sequence[Path],
    logs: Logs,
    patterns: Mapping[str, str] | None = None,
    *,
    now: datetime | None = None,
    last_min: float = LAST_MIN,
    domain: str | None = None,
) -> ErrorBudget:
    """Read the errors of logs that have been read otherwise already (`logs`).

    `patterns`: `[error_patterns]` of the configuration; `now`: as it was then, in the logs' local time, else at their
    last line; `domain`: of this one only. Raises NothingToRead for a file that cannot be opened.
    """
    found = _read_all(paths, Classifier(patterns))
    events = add_series(pl.concat([EVENTS.to_frame().select(COLUMNS), *logs.event_parts(COLUMNS)]))
    if now is not None:
        found = [_until(one, now) for one in found]
        events = events.filter(pl.col("at").is_null() | (pl.col("at") <= now))
    last = now or _last(found, events)
    failures, servers = _failures(found, events, last)
    calls, units = _calls(events), _units(found)
    if domain is not None:
        failures, calls, units = (rows.filter(pl.col("domain") == domain) for rows in (failures, calls, units))
    return ErrorBudget(failures, servers, calls, units, count_lines(paths), tuple(paths), last, last_min)


def side_budget(
    side: Side, *, now: datetime | None = None, last_min: float = LAST_MIN, domain: str | None = None
) -> ErrorBudget:
    """The same of a run, with the patterns that it was configured with."""
    config = side.files.config
    patterns = config.error_patterns if config else None
    return error_budget(side.files.logs, side.logs, patterns, now=now, last_min=last_min, domain=domain)


def _read_all(paths: Sequence[Path], classifier: Classifier) -> list[LogErrors]:
    """Logs of one domain first: of two copies, that is the one that knows its domain."""
    search, found = LineSearch((*classifier.patterns, *SEARCHED)), []
    for path in paths:
        try:
            found.append(read_errors(path, search, classifier))
        except OSError as error:
            raise NothingToRead(f"{path}: {error.strerror}") from None
    return sorted(found, key=lambda log: log.domain == "")


def _until(log: LogErrors, now: datetime) -> LogErrors:
    def before(at: datetime | None) -> bool:
        return at is None or at <= now

    return replace(
        log,
        errors=[one for one in log.errors if before(one.at)],
        ends=[one for one in log.ends if before(one.at)],
        over_at=log.over_at if before(log.over_at) else None,
    )


def _last(found: Sequence[LogErrors], events: pl.DataFrame) -> datetime | None:
    """The last time that the evaluation's logs hold."""
    times = [events["at"].max()]
    for log in found:
        if log.origin == EVALUATION:
            times += [log.last_at, *(one.at for one in log.errors[-1:]), *(one.at for one in log.ends[-1:])]
    return max((at for at in times if isinstance(at, datetime)), default=None)


def _failures(
    found: Sequence[LogErrors], events: pl.DataFrame, last: datetime | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    evaluation = [log for log in found if log.origin == EVALUATION]
    over_at = max((log.over_at for log in evaluation if log.over_at), default=None)
    fates = Fates(((log.path, log.ends) for log in evaluation), events, over_at, last)
    models = _models(events)
    schema = pl.Schema({**FAILURES, **IDENTITY})
    parts = []
    for log in evaluation:
        rows = (_row(log.path, one, fates.of(log.path, one), models) for one in log.errors)
        parts.append((log.domain, _frame(rows, schema)))
    tools = [_row(Path(), one, fates.of(Path(), one), models) for one in _failed_tools(events)]
    known = without_copies(parts, FAILURES).vstack(_frame(tools, schema).select(FAILURES.names()))
    servers = (_row(log.path, one, "", models) for log in found if log.origin != EVALUATION for one in log.errors)
    return known.sort("at", nulls_last=True, maintain_order=True), _frame(servers, schema).select(FAILURES.names())


def _failed_tools(events: pl.DataFrame) -> list[Found]:
    """Local tool calls that returned an error: the agent gets to see it, and may do better."""
    rows = events.filter((pl.col("type") == "tool_call") & pl.col("error")).select(
        "at", *(pl.col(name).cast(pl.String).fill_null("") for name in ("domain", "task_id", "function", "series"))
    )
    return [
        Found(-1, at, TOOL, f"{function} returned an error", "", domain=domain, task_id=task_id, series=series)
        for at, domain, task_id, function, series in rows.iter_rows()
    ]


def _row(path: Path, one: Found, fate: str, models: Mapping[str, str]) -> dict[str, object]:
    model = models.get(one.series) or next(
        (name for name in models.values() if name in f"{one.text}\n{one.example}"), ""
    )
    return {
        "at": one.at,
        "class": one.kind,
        "fate": str(fate),
        "domain": one.domain,
        "task_id": one.task_id,
        "trial": one.trial,
        "model": model,
        "replica": one.replica,
        "series": one.series,
        "said": one.said,
        "exception": one.exception,
        "place": one.place,
        "text": one.text,
        "example": one.example,
        "file": path.name,
        "line": one.line + 1 if one.line >= 0 else None,
        "record": one.identity,
        "timed": one.timed,
    }


def _frame(rows: Iterable[Mapping[str, object]], schema: pl.Schema) -> pl.DataFrame:
    """Rows as a frame, some at a time; a text that stands in several of these is held once."""
    rest, parts = iter(rows), [schema.to_frame()]
    while some := list(islice(rest, _AT_ONCE)):
        frame = pl.DataFrame(some, schema={**schema, "record": pl.String()})
        parts.append(frame.with_columns(pl.col("record").hash(), *(_shared(some, name) for name in _LONG)))
    return pl.concat(parts)


def _shared(rows: Sequence[Mapping[str, object]], name: str) -> pl.Series:
    """A column of texts as views of the different ones."""
    numbers: dict[object, int] = {}
    places = [numbers.setdefault(row[name], len(numbers)) for row in rows]
    return pl.Series(name, list(numbers), dtype=pl.String).gather(places)


def _models(events: pl.DataFrame) -> dict[str, str]:
    """The model of each series as our driver calls it, and of each expert."""
    rows = events.select("type", "series", "model", "expert").unique()
    rows = rows.with_columns(pl.col("model", "expert").cast(pl.String))
    models: dict[str, str] = {}
    for kind, series, model, expert in rows.sort("type", "model", "expert").iter_rows():
        if model:
            name = {"llm_call": series, "user_sim": "user", "evaluator": "evaluator"}.get(kind, expert)
            models.setdefault(name or f"expert:{model}", model)
    return models


def _calls(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("type").is_in(["llm_call", "expert_call", "user_sim", "evaluator"])).select(
        "at",
        *(pl.col(name).cast(pl.String).fill_null("") for name in ("domain", "model", "replica", "task_id")),
        agent=(pl.col("series") == ORCHESTRATOR).fill_null(value=False),
    )


def _units(found: Sequence[LogErrors]) -> pl.DataFrame:
    """Each unit once: one `ok` settles it, and `error` outweighs `skipped`."""
    ends: dict[tuple[str, str, int], End] = {}
    weights = {"ok": 2, "error": 1, "skipped": 0}
    for end in (end for log in found if log.origin == EVALUATION for end in log.ends):
        before = ends.get((end.domain, end.task_id, end.trial))
        if before is None or weights[end.status] >= weights[before.status]:
            ends[end.domain, end.task_id, end.trial] = end
    rows = [(*unit, end.at, end.status) for unit, end in ends.items()]
    schema = {"domain": pl.String(), "task_id": pl.String(), "trial": pl.Int64(), "at": pl.Datetime("ms")}
    return pl.DataFrame(rows, schema={**schema, "status": pl.String()}, orient="row")
