"""Two runs of the same tasks: which is better, which is faster, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from tau2tui.analysis.errors.budget import side_budget
from tau2tui.analysis.errors.tables import by_class, totals
from tau2tui.analysis.measures import add_series, latency_table, series_values
from tau2tui.analysis.outcomes import KEY, PASSED
from tau2tui.analysis.pace import active_window, finish_times, pace
from tau2tui.analysis.provenance import Provenance, provenance
from tau2tui.analysis.run_files import Side, costs_of
from tau2tui.analysis.statistics import Interval, clustered_mean_interval, mcnemar_exact, mean_shift, percentile_shift
from tau2tui.core.model import FULL_REWARD

SHIFTED = (50, 90, 99)
"""The percentiles whose shift is shown, beside the mean's."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A unit that passed in one run only."""

    domain: str
    task_id: str
    trial: int
    reward_a: float
    reward_b: float


@dataclass(frozen=True, slots=True)
class ScoreDifference:
    """Paired outcomes of one domain, or of all: units that both runs evaluated. Rates are 0–1, differences B − A."""

    domain: str
    pairs: int
    passed_a: int
    passed_b: int
    gained: int
    """Passed in B only."""
    lost: int
    """Passed in A only."""
    p_value: float
    """McNemar's exact test."""
    interval: Interval | None
    """Of the difference of the pass rates: bootstrap, 95 %, tasks resampled with all their trials."""
    reward_difference: float
    reward_interval: Interval | None

    @property
    def difference(self) -> float:
        return (self.passed_b - self.passed_a) / self.pairs


@dataclass(frozen=True, slots=True)
class Shift:
    """A figure in both runs and B − A, with the bootstrap interval (95 %) where there are calls to resample."""

    name: str
    a: float | None
    b: float | None
    interval: Interval | None = None

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def certain(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was compared."""

    a: str
    b: str
    provenance: Provenance
    scores: tuple[ScoreDifference, ...]
    """By domain, and all together at the end if there are several."""
    flips: tuple[Flip, ...]
    only_a: int
    """Units that only A evaluated: in no pair."""
    only_b: int
    latencies: Mapping[str, tuple[Shift, ...]]
    """By series, milliseconds: mean and percentiles."""
    throughput: tuple[Shift, ...]
    errors: tuple[Shift, ...]
    """Errors by class for each orchestrator call; may exceed 1."""
    costs: tuple[Shift, ...]

    def to_json(self) -> dict[str, Any]:
        """The same with the differences written out."""
        data = asdict(self)
        data["provenance"]["verdict"] = self.provenance.verdict
        for entry, score in zip(data["scores"], self.scores, strict=True):
            entry["difference"] = score.difference
        rows = [(data[name], getattr(self, name)) for name in ("throughput", "errors", "costs")]
        rows += [(data["latencies"][series], shifts) for series, shifts in self.latencies.items()]
        for entries, shifts in rows:
            for entry, shift in zip(entries, shifts, strict=True):
                entry |= {"difference": shift.difference, "certain": shift.certain}
        return data


def compare(a: Side, b: Side) -> Comparison:
    """Compare two runs, each with the prices that it was configured with."""
    pairs = _pairs(a.files.outcomes, b.files.outcomes)
    evaluated = [side.files.outcomes.filter(pl.col("reward").is_not_null()).height for side in (a, b)]
    domains = pairs["domain"].unique().sort().to_list()
    scores = [_score(domain, pairs.filter(pl.col("domain") == domain)) for domain in domains]
    if len(scores) > 1:
        scores.append(_score("all", pairs))
    flipped = pairs.filter(pl.col("passed_a") != pl.col("passed_b"))
    return Comparison(
        a=a.files.name,
        b=b.files.name,
        provenance=provenance(a.files.tables, b.files.tables, (a.files.versions, b.files.versions)),
        scores=tuple(scores),
        flips=tuple(Flip(*row) for row in flipped.select(*KEY, "reward", "reward_b").iter_rows()),
        only_a=evaluated[0] - pairs.height,
        only_b=evaluated[1] - pairs.height,
        latencies=_latencies(a.logs.events, b.logs.events),
        throughput=_throughput(a, b),
        errors=_errors(a, b),
        costs=_costs(a, b),
    )


def _pairs(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """The units that both runs evaluated: KEY, reward and reward_b, passed_a and passed_b."""
    evaluated = [frame.filter(pl.col("reward").is_not_null()).select(*KEY, "reward") for frame in (a, b)]
    pairs = evaluated[0].join(evaluated[1], on=list(KEY), suffix="_b").sort(KEY)
    return pairs.with_columns(passed_a=PASSED, passed_b=pl.col("reward_b") >= FULL_REWARD)


def _score(domain: str, pairs: pl.DataFrame) -> ScoreDifference:
    gained = pairs.filter(~pl.col("passed_a") & pl.col("passed_b")).height
    lost = pairs.filter(pl.col("passed_a") & ~pl.col("passed_b")).height
    change, reward = (
        pl.col("passed_b").cast(pl.Int8) - pl.col("passed_a").cast(pl.Int8),
        pl.col("reward_b") - pl.col("reward"),
    )
    tasks = (
        pairs.group_by("domain", "task_id")
        .agg(change.sum().alias("change"), reward.sum().alias("reward"), pl.len().alias("n"))
        .sort("domain", "task_id")
    )
    counts = tasks["n"].to_list()
    return ScoreDifference(
        domain=domain,
        pairs=pairs.height,
        passed_a=int(pairs["passed_a"].sum()),
        passed_b=int(pairs["passed_b"].sum()),
        gained=gained,
        lost=lost,
        p_value=mcnemar_exact(gained, lost),
        interval=clustered_mean_interval(tasks["change"].to_list(), counts),
        reward_difference=float(tasks["reward"].sum()) / pairs.height,
        reward_interval=clustered_mean_interval(tasks["reward"].to_list(), counts),
    )


def _latencies(a: pl.DataFrame, b: pl.DataFrame) -> dict[str, tuple[Shift, ...]]:
    """The series that both have; without the tools, whose milliseconds are this machine's."""
    a, b = add_series(a), add_series(b)
    tables = [{row["series"]: row for row in latency_table(events).to_dicts()} for events in (a, b)]
    found = {}
    for series in (name for name in tables[0] if name in tables[1] and not name.startswith("tool:")):
        before, after = (series_values(events, series).to_numpy() for events in (a, b))
        rows = [table[series] for table in tables]
        shifts = [Shift("mean", rows[0]["mean"], rows[1]["mean"], mean_shift(before, after))]
        shifts += [
            Shift(f"p{at}", rows[0][f"p{at}"], rows[1][f"p{at}"], percentile_shift(before, after, at)) for at in SHIFTED
        ]
        found[series] = (Shift("calls", rows[0]["count"], rows[1]["count"]), *shifts)
    return found


def _throughput(a: Side, b: Side) -> tuple[Shift, ...]:
    """Over the whole runs, and over the windows in which the fleets were busy, if both have one."""
    whole, active = [], []
    for side in (a, b):
        finished = finish_times(side.logs, side.files.outcomes)
        window = active_window(side.files.samples)
        whole.append(pace(side.logs, finished))
        active.append(pace(side.logs, finished, window) if window else None)
    names = (("steps/s", "steps_per_s"), ("tasks/min", "tasks_per_min"), ("seconds", "seconds"))
    found = [Shift(shown, *(getattr(one, name, None) for one in whole)) for shown, name in names]
    if all(active):
        found += [Shift(f"{shown}, active", *(getattr(one, name, None) for one in active)) for shown, name in names]
    return tuple(found)


def _errors(a: Side, b: Side) -> tuple[Shift, ...]:
    """By class, the most frequent first, then all of them; where no call is known there is no rate."""
    budgets = [side_budget(side) for side in (a, b)]
    rates = [dict(by_class(budget).select("class", "per_call").iter_rows()) for budget in budgets]
    none = [0.0 if budget.agent_calls else None for budget in budgets]
    classes = dict.fromkeys([*rates[0], *rates[1]])
    found = [Shift(name, *(rate.get(name, zero) for rate, zero in zip(rates, none, strict=True))) for name in classes]
    return (*found, Shift("all", *(totals(budget)["per_call"].item() for budget in budgets))) if found else ()


def _costs(a: Side, b: Side) -> tuple[Shift, ...]:
    """US dollars by series, as the driver counted them, else by the tokens in the logs; and the GPU-hours."""
    costs = [costs_of(side) for side in (a, b)]
    names = dict.fromkeys([*costs[0], *costs[1]])
    money = [Shift(f"{name}, US$", costs[0].get(name), costs[1].get(name)) for name in names]
    return (*money, Shift("GPU-hours", a.files.gpu_hours, b.files.gpu_hours))
