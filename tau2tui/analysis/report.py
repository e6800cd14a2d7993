"""What a run showed, as files: JSON for tools, Markdown and charts for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui.analysis.error_sections import error_sections
from tau2tui.analysis.errors.budget import side_budget
from tau2tui.analysis.exports import write_frames
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.latency_sections import latency_sections
from tau2tui.analysis.markdown import template
from tau2tui.analysis.measures import (
    ORCHESTRATOR,
    add_series,
    latency_table,
    series_values,
    task_statuses,
)
from tau2tui.analysis.outcomes import add_trial
from tau2tui.analysis.profile_json import profile_analysis
from tau2tui.analysis.report_charts import write_charts
from tau2tui.analysis.report_html import to_html
from tau2tui.analysis.run_files import RunFiles, Side
from tau2tui.analysis.run_sections import run_sections
from tau2tui.analysis.score_sections import score_sections
from tau2tui.analysis.sections import Section, fixed, origin_sections, percent, summary
from tau2tui.config import ExpertConfig
from tau2tui.core.intervals import wilson
from tau2tui.core.model import DomainProgress, EvalProgress, Replica
from tau2tui.core.placement import PlacedReplica
from tau2tui.errors import NothingToRead
from tau2tui.files import write_atomically

ANALYSIS = "profile_analysis.json"
CHARTS = "profile_charts"
FRAMES = "frames"


@dataclass(frozen=True, slots=True)
class ServedExpert:
    """One expert as it was served."""

    expert: str
    model: str
    node: str
    gpus: tuple[int, ...] = ()
    ports: tuple[int, ...] = ()
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What the logs do not say; every part of the report that needs a missing one is left out. Times: Unix seconds."""

    run: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    fleet: tuple[ServedExpert, ...] = ()
    domains: tuple[DomainProgress, ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    """Model calls by series, as the driver counted them."""


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written, and its tables for a program."""

    analysis: Path
    report: Path
    html: Path
    charts: tuple[Path, ...]
    frames: tuple[Path, ...]
    summary: Mapping[str, Any]
    """The tables by title."""

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return (self.report, self.html, self.analysis, *self.charts, *self.frames)


def report_context(
    run: str,
    progress: EvalProgress | None,
    experts: Mapping[str, ExpertConfig],
    placed: Iterable[PlacedReplica | Replica],
    seen: Iterable[Replica],
) -> ReportContext:
    """What the logs do not say, joined. `placed`: where the replicas belong; `seen`: as their agents reported them."""
    places, reported = tuple(placed), tuple(seen)
    return ReportContext(
        run=run,
        started_at=progress.started_at if progress else None,
        finished_at=progress.finished_at if progress else None,
        fleet=tuple(
            ServedExpert(
                name,
                expert.model,
                ", ".join(sorted({one.node for one in reported if one.expert == name and one.node})) or "unknown",
                tuple(gpu for one in places if one.expert == name for gpu in one.gpus),
                tuple(one.port for one in places if one.expert == name),
                expert.replicas,
            )
            for name, expert in experts.items()
        ),
        domains=progress.domains if progress else (),
        calls=progress.calls if progress else {},
    )


def context_of(files: RunFiles) -> ReportContext:
    """What the files of a run say of it, where nobody looks at the run itself."""
    experts = files.config.experts if files.config else {}
    run = files.name if files.tables else ""
    return report_context(run, files.progress, experts, files.replicas, files.replicas)


def write_report(
    side: Side,
    out: Path,
    *,
    sla_ms: float,
    now: datetime,
    context: ReportContext | None = None,
    csv: bool = False,
    charts: bool = True,
) -> ReportFiles:
    """Write profile_analysis.json, profile_charts/*.png, frames/*.parquet and experiment_report_<now>.md and .html.

    With `csv` the frames as CSV too; without `charts` none of them, which is most of the time it takes. Raises
    NothingToRead if the logs hold nothing that an evaluation writes, and OSError if `out` cannot be written.
    """
    logs = side.logs
    if logs.empty:
        raise NothingToRead("no profile line, marker or driver line in the logs: there is nothing to report")
    out.mkdir(parents=True, exist_ok=True)
    budget = side_budget(side)
    side = _told_once(side)
    logs = side.logs
    sections = {
        "score": score_sections(side.files.outcomes),
        "latency": latency_sections(logs.events, sla_ms),
        "run": run_sections(side),
        "errors": error_sections(budget),
        "origin": origin_sections(side.files),
    }
    files = ReportFiles(
        analysis=out / ANALYSIS,
        report=out / f"experiment_report_{now:%Y%m%d_%H%M%S}.md",
        html=out / f"experiment_report_{now:%Y%m%d_%H%M%S}.html",
        charts=write_charts(side, budget.failures, out / CHARTS, sla_ms) if charts else (),
        frames=write_frames(side, budget.failures, out / FRAMES, sla_ms, csv=csv),
        summary=summary(section for group in sections.values() for section in group),
    )
    analysis = json.dumps(profile_analysis(logs.events), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(files.analysis, f"{analysis}\n".encode("utf-8", "replace"))
    drawn = [chart.relative_to(out).as_posix() for chart in files.charts]
    text = render(logs, sections, sla_ms=sla_ms, now=now, context=context or ReportContext(), charts=drawn)
    write_atomically(files.report, text.encode("utf-8", "replace"))
    write_atomically(files.html, to_html(text, files.report).encode("utf-8", "replace"))
    return files


def _told_once(side: Side) -> Side:
    """With the series and the trial of each event, which nearly every part of a report looks at."""
    logs = side.logs
    events = add_trial(add_series(logs.events), side.files.outcomes)
    told = Logs(events, logs.tasks, logs.driver, logs.errors, logs.skipped, logs.error_names)
    return replace(side, logs=told)


def render(
    logs: Logs,
    sections: Mapping[str, Sequence[Section]],
    *,
    sla_ms: float,
    now: datetime,
    context: ReportContext,
    charts: list[str],
) -> str:
    """The report as Markdown; `charts` are paths relative to it."""
    events = add_series(logs.events)
    measured = pl.col("count") > 0
    text = template("report.md.j2").render(
        context=context,
        sections=sections,
        now=f"{now:%Y-%m-%d %H:%M:%S}",
        overview=_overview(logs, context),
        results=_results(context.domains),
        sla=f"{sla_ms / 1000:g} s",
        latencies=_rounded(latency_table(events, sla_ms)),
        parts=[
            (title, what, _rounded(latency_table(events, sla_ms, metric).filter(measured)))
            for title, what, metric in (
                ("Prefill", "of the calls whose prefill time is known", "prefill_ms"),
                ("Decode", "of the calls whose decode time is known", "decode_ms"),
                ("Queue", "total − prefill − decode, where both are known", "queue_ms"),
            )
        ],
        tasks=task_statuses(logs.tasks).to_dicts(),
        skipped=logs.skipped,
        charts=charts,
    )
    return text.rstrip() + "\n"


def _overview(logs: Logs, context: ReportContext) -> dict[str, object]:
    """What there is to say in one line each; unknown things are left out."""
    by_type = dict(logs.events["type"].value_counts().iter_rows())
    first, last = logs.events["at"].min(), logs.events["at"].max()
    lines: dict[str, object] = {
        "Run": context.run or None,
        "Started": _moment(context.started_at),
        "Finished": _moment(context.finished_at),
        "First event": f"{first:%Y-%m-%d %H:%M:%S}" if isinstance(first, datetime) else None,
        "Last event": f"{last:%Y-%m-%d %H:%M:%S}" if isinstance(last, datetime) else None,
        "Tasks finished": int(task_statuses(logs.tasks)["finished"].sum()) or None,
        "Orchestrator calls": series_values(logs.events, ORCHESTRATOR).len() or None,
        "Expert calls": by_type.get("expert_call"),
        "User simulator calls": by_type.get("user_sim"),
        "Evaluator calls": by_type.get("evaluator"),
        "Local tool calls": by_type.get("tool_call"),
        "Failed local tool calls": int(logs.events["error"].sum()) if by_type.get("tool_call") else None,
        "Steps": by_type.get("step_complete"),
        "Mean step": _milliseconds(logs.events.filter(pl.col("type") == "step_complete")["duration_ms"].mean()),
    }
    return {name: value for name, value in lines.items() if value is not None}


def _results(domains: tuple[DomainProgress, ...]) -> list[dict[str, Any]]:
    """Pass rates: passed of those that were evaluated, with the Wilson interval; all domains together at the end."""
    if len(domains) > 1:
        whole = {
            name: sum(getattr(domain, name) for domain in domains)
            for name in ("total", "ok", "errors", "passed", "reward_sum")
        }
        domains = (*domains, DomainProgress(domain="all", **whole))
    rows = []
    for domain in domains:
        interval = wilson(domain.passed, domain.ok)
        rows.append(
            {
                "domain": domain.domain,
                "total": domain.total,
                "ok": domain.ok,
                "errors": domain.errors,
                "passed": domain.passed,
                "rate": percent(domain.passed / domain.ok) if domain.ok else None,
                "interval": f"{percent(interval[0])} – {percent(interval[1])}" if interval else None,
                "reward": f"{domain.reward_sum / domain.ok:.3f}" if domain.ok else None,
            }
        )
    return rows


def _rounded(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of `latency_table` as they are shown: one decimal, the share in per cent."""
    return [
        {
            **{name: fixed(value) if isinstance(value, float) else value for name, value in row.items()},
            "under_sla": percent(row["under_sla"]),
        }
        for row in table.to_dicts()
    ]


def _milliseconds(value: object) -> str | None:
    return f"{value:.1f} ms" if isinstance(value, float) else None


def _moment(at: float | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"
