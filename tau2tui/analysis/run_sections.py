"""The parts of a report about how a run went: throughput, tools, steps, where the time went, experts and cost."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tau2tui.analysis.experts import expert_choices
from tau2tui.analysis.measures import add_series, latency_table
from tau2tui.analysis.outcomes import add_trial
from tau2tui.analysis.pace import active_window, finish_times, pace
from tau2tui.analysis.run_files import Side, costs_of
from tau2tui.analysis.sections import Section, fixed, percent
from tau2tui.analysis.wall_time import SHARES, critical_paths, stragglers, wall_shares

_STRAGGLERS = 20


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
    costs: Mapping[str, float] = costs_of(side)
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
