"""The parts of a report about scores: how sure they are, and what the units ended with."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from tau2tui.analysis.outcomes import PASSED, pass_hat, pass_interval, reward_interval
from tau2tui.analysis.sections import Section, between, fixed, percent


def score_sections(outcomes: pl.DataFrame) -> list[Section]:
    """Scores with intervals, pass^k, and what the tasks without full reward failed by."""
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


def _mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return mean if isinstance(mean, float) else None
