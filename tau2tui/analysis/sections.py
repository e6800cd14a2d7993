"""The parts of a report that are tables: what is in them, and how their figures are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from tau2tui.analysis.compare import Side, side_costs
from tau2tui.analysis.experts import expert_choices
from tau2tui.analysis.measures import PERCENTILES, add_series, latency_table, series_values
from tau2tui.analysis.outcomes import PASSED, add_trial, pass_hat, pass_interval, reward_interval
from tau2tui.analysis.pace import active_window, finish_times, pace
from tau2tui.analysis.provenance import settings_that_matter
from tau2tui.analysis.statistics import mean_interval, percentile_interval
from tau2tui.analysis.wall_time import SHARES, critical_paths, stragglers, wall_shares

_STRAGGLERS = 20
_INCIDENTS = 200


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence and a table; so many columns are text, the others stand to the right."""

    title: str
    intro: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    text: int = 1


def score_sections(side: Side) -> list[Section]:
    """Scores with intervals, pass^k, and what the tasks without full reward failed by."""
    outcomes = side.files.outcomes
    evaluated = outcomes.filter(pl.col("reward").is_not_null())
    if outcomes.is_empty():
        return []
    groups = [(str(name), evaluated.filter(pl.col("domain") == name)) for name in evaluated["domain"].unique().sort()]
    groups += [("all", evaluated)] if len(groups) > 1 else []
    scores = [
        (
            *(name, rows.height, int(rows.select(PASSED.sum()).item()), percent(rows.select(PASSED.mean()).item())),
            *(between(pass_interval(rows), percent), fixed(_mean(rows["reward"]), 3)),
            between(reward_interval(rows), lambda value: fixed(value, 3)),
        )
        for name, rows in groups
    ]
    hats = [
        (name, *(fixed(rate, 3) for _, rate, _ in found)) for name, rows in groups if len(found := pass_hat(rows)) > 1
    ]
    most = max(map(len, hats), default=1)
    return [
        Section(
            "Score",
            "Bootstrap intervals of 95 %: whole tasks are resampled, with all of their trials.",
            ("domain", "evaluated", "passed", "pass rate", "95 % interval", "mean reward", "95 % interval"),
            tuple(scores),
        ),
        Section(
            "pass^k",
            "The chance that k trials of a task all pass: C(c, k) / C(n, k), averaged over tasks, as tau2 has it.",
            ("domain", *(f"pass^{k}" for k in range(1, most))),
            tuple((*row, *[None] * (most - len(row))) for row in hats),
        ),
        Section(
            "Error budget",
            "Every unit once: what it ended with. Infrastructure errors are run again by the next start.",
            ("ended by", "units", "share"),
            tuple(_budget(outcomes)),
        ),
    ]


def latency_sections(events: pl.DataFrame, sla_ms: float) -> list[Section]:
    """All percentiles, how certain they are, and the models by domain."""
    events = add_series(events)
    table = latency_table(events, sla_ms)
    models = table.filter(~pl.col("series").str.starts_with("tool:"))
    intervals = []
    for row in models.iter_rows(named=True):
        values = series_values(events, row["series"]).to_numpy()
        found = [(row["mean"], mean_interval(values))]
        found += [(row[f"p{at}"], percentile_interval(values, at)) for at in (50, 95, 99)]
        intervals.append(
            (row["series"], *(cell for value, range_ in found for cell in (fixed(value), between(range_, fixed))))
        )
    by_domain = latency_table(events.filter(pl.col("type") != "tool_call"), sla_ms, by=("domain",))
    return [
        Section(
            "All percentiles",
            "Milliseconds, exact, by linear interpolation.",
            ("series", *(f"p{share}" for share in PERCENTILES)),
            tuple((row["series"], *(fixed(row[f"p{share}"]) for share in PERCENTILES)) for row in table.to_dicts()),
        ),
        Section(
            "How certain they are",
            "Milliseconds, with bootstrap intervals of 95 %: calls are resampled one by one, as if independent.",
            ("series", "mean", "95 %", "p50", "95 %", "p95", "95 %", "p99", "95 %"),
            tuple(intervals),
        ),
        Section(
            "Latency by domain",
            "Milliseconds.",
            ("series", "domain", "calls", "mean", "p50", "p90", "p95", "p99", "max", f"< {sla_ms / 1000:g} s"),
            tuple(
                (
                    *(row["series"], row["domain"], row["count"]),
                    *(fixed(row[name]) for name in ("mean", "p50", "p90", "p95", "p99", "max")),
                    percent(row["under_sla"]),
                )
                for row in by_domain.to_dicts()
            ),
            text=2,
        ),
    ]


def run_sections(side: Side) -> list[Section]:
    """Throughput, tools, steps, where the time went, experts and cost."""
    events = add_trial(add_series(side.logs.events), side.files.outcomes)
    paths = critical_paths(events)
    return [
        _throughput(side),
        _tools(events),
        _steps(events),
        _wall(paths),
        _stragglers(paths),
        Section(
            "Expert use",
            "Tasks in which the expert was called at least once, and how they ended: association, not cause.",
            ("domain", "expert", "calls", "share of calls", "tasks", "evaluated", "passed", "mean reward"),
            tuple(
                (
                    *(
                        row["domain"],
                        row["expert"],
                        row["calls"],
                        percent(row["share"]),
                        row["tasks"],
                        row["evaluated"],
                    ),
                    *(row["passed"], fixed(row["mean_reward"], 3)),
                )
                for row in expert_choices(events, side.files.outcomes).to_dicts()
            ),
            text=2,
        ),
        _cost(side),
    ]


def origin_sections(side: Side) -> list[Section]:
    """Incidents, configuration and versions."""
    files = side.files
    incidents = files.incidents[-_INCIDENTS:]
    return [
        Section(
            "Incidents",
            f"What failed, and what was asked of the fleet; the last {len(incidents)} of {len(files.incidents)}.",
            ("when", "what", "why"),
            tuple((f"{datetime.fromtimestamp(one.at):%Y-%m-%d %H:%M:%S}", one.what, one.why) for one in incidents),
            text=3,
        ),
        Section(
            "Configuration",
            "As it was submitted: what can change results.",
            ("setting", "value"),
            tuple(settings_that_matter(files.tables)),
            text=2,
        ),
        Section("Versions", "", ("program", "version"), tuple(files.versions.items()), text=2),
    ]


def summary(sections: Iterable[Section]) -> dict[str, list[dict[str, object]]]:
    """The tables for a program, by title, as they are written in the report."""
    return {part.title: [dict(_named(part.head, row)) for row in part.rows] for part in sections if part.rows}


def percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.1f} %"


def fixed(value: float | None, decimals: int = 1) -> str | None:
    # Adding 0 takes the sign from what is rounded to -0.
    return None if value is None else f"{round(value, decimals) + 0:.{decimals}f}"


def between(interval: tuple[float, float] | None, shown: Any) -> str | None:
    return None if interval is None else f"{shown(interval[0])} – {shown(interval[1])}"


def _named(head: Sequence[str], row: Sequence[object]) -> Iterable[tuple[str, object]]:
    """The cells by their heading; an interval's by that of the figure before it as well."""
    before = ""
    for name, cell in zip(head, row, strict=True):
        yield (f"{before} {name}" if name.startswith("95 %") else name), cell
        before = name


def _mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return mean if isinstance(mean, float) else None


def _budget(outcomes: pl.DataFrame) -> Iterable[tuple[object, ...]]:
    passed = PASSED.fill_null(value=False)
    ended = (
        pl.when(passed)
        .then(pl.lit("full reward"))
        .when(pl.col("reward").is_null())
        .then(pl.format("infrastructure: {}", pl.col("error").fill_null("unknown")))
        .otherwise(pl.format("no full reward: {}", pl.col("termination").fill_null("unknown end")))
    )
    counts = outcomes.select(ended.alias("ended"))["ended"].value_counts(sort=True)
    return [(name, count, percent(count / outcomes.height)) for name, count in counts.iter_rows()]


def _throughput(side: Side) -> Section:
    finished = finish_times(side.logs, side.files.outcomes)
    window = active_window(side.files.samples)
    paces = [("whole run", pace(side.logs, finished))]
    paces += [("fleet busy", pace(side.logs, finished, window))] if window else []
    return Section(
        "Throughput",
        "The fleet is busy from the first to the last sample with more than 70 % of a KV cache in use.",
        ("window", "from", "to", "seconds", "steps", "steps/s", "tasks", "tasks/min"),
        tuple(
            (
                *(
                    name,
                    f"{one.begin:%Y-%m-%d %H:%M:%S}",
                    f"{one.end:%Y-%m-%d %H:%M:%S}",
                    fixed(one.seconds),
                    one.steps,
                ),
                *(fixed(one.steps_per_s, 2), one.tasks, fixed(one.tasks_per_min, 2)),
            )
            for name, one in paces
            if one
        ),
    )


def _tools(events: pl.DataFrame) -> Section:
    calls = events.filter(pl.col("type") == "tool_call")
    failed = dict(calls.group_by("series").agg(pl.col("error").sum()).iter_rows())
    rows = (
        (
            *(*row["series"].split(":", 2)[1:], row["count"], failed.get(row["series"])),
            *(fixed(row[name], 2) for name in ("mean", "p50", "p95", "max")),
        )
        for row in latency_table(calls).to_dicts()
    )
    head = ("domain", "tool", "calls", "failed", "mean", "p50", "p95", "max")
    return Section("Local tools", "Milliseconds.", head, tuple(rows), text=2)


def _steps(events: pl.DataFrame) -> Section:
    steps = events.filter(pl.col("type") == "step_complete").with_columns(
        series=pl.format("{} → {}", *(pl.col(role).cast(pl.String).fill_null("?") for role in ("from_role", "to_role")))
    )
    rows = (
        (row["series"], row["count"], *(fixed(row[name]) for name in ("mean", "p50", "p95", "p99", "max")))
        for row in latency_table(steps).sort("series").to_dicts()
    )
    return Section("Steps", "Milliseconds.", ("from → to", "steps", "mean", "p50", "p95", "p99", "max"), tuple(rows))


def _wall(paths: pl.DataFrame) -> Section:
    tables = [wall_shares(paths, by_domain=True)] if paths["domain"].n_unique() > 1 else []
    rows = pl.concat([*tables, wall_shares(paths)]).partition_by("domain", maintain_order=True)
    return Section(
        "Where the time went",
        "Shares of the conversations' summed wall time; waiting is what lies between the calls of a conversation.",
        ("domain", "seconds", *SHARES),
        tuple(
            (part["domain"][0], fixed(float(part["seconds"].sum())), *(percent(shares[name]) for name in SHARES))
            for part in rows
            if (shares := dict(part.select("part", "share").iter_rows()))
        ),
    )


def _stragglers(paths: pl.DataFrame) -> Section:
    found = stragglers(paths)
    shown = found.head(_STRAGGLERS)
    return Section(
        "Stragglers",
        f"Tasks beyond Q3 + 1.5 · IQR of their domain, in seconds; {shown.height} of {found.height}.",
        ("domain", "task", "trial", "wall time", "fence", "steps", "longest part", "its time"),
        tuple(
            (
                *(
                    row["domain"],
                    row["task_id"],
                    row["trial"],
                    fixed(row["wall_s"]),
                    fixed(row["fence_s"]),
                    row["steps"],
                ),
                *(row["longest"], fixed(row[f"{row['longest']}_s"])),
            )
            for row in shown.to_dicts()
        ),
        text=2,
    )


def _cost(side: Side) -> Section:
    costs: Mapping[str, float] = side_costs(side)
    hours, config = side.files.gpu_hours, side.files.config
    rows: list[tuple[object, ...]] = [(f"{series}, US$", fixed(usd, 4)) for series, usd in costs.items()]
    rows += [("all models, US$", fixed(sum(costs.values()), 4))] if costs else []
    tasks = side.files.outcomes.filter(pl.col("reward").is_not_null())
    rows += (
        [("for an evaluated unit, US$", fixed(sum(costs.values()) / tasks.height, 4))] if costs and tasks.height else []
    )
    if hours is not None:
        rows.append(("GPU-hours, at least", fixed(hours, 2)))
        price = config.prices.gpu_hour if config else 0.0
        rows += [(f"GPUs at {price:g} US$ an hour, US$", fixed(hours * price, 2))] if price else []
    return Section(
        "Cost",
        "Models at the configured prices; GPU-hours from the start of each replica's newest attempt.",
        ("", "amount"),
        tuple(rows),
    )
