"""How each unit (task × trial) ended and what tau2 gave it: from unit files, from results files, or from the logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tau2tui.analysis.statistics import clustered_mean_interval, pass_hat_k
from tau2tui.analysis.stretches import lines_with, text_stretches
from tau2tui.core.layout import EVAL_UNITS, RESULTS
from tau2tui.core.model import FULL_REWARD

OUTCOMES = pl.Schema(
    {
        "domain": pl.String(),
        "task_id": pl.String(),
        "trial": pl.Int64(),
        "reward": pl.Float64(),
        "error": pl.String(),
        "termination": pl.String(),
        "started_at": pl.Datetime("ms"),
        "finished_at": pl.Datetime("ms"),
        "cost_usd": pl.Float64(),
    }
)
"""One row for each unit. `reward` is null for one that was not evaluated, `error` is then the class of its error; times
are local ones of the machine that ran it, as in the logs; null: not known."""
KEY = ("domain", "task_id", "trial")
PASSED = pl.col("reward") >= FULL_REWARD
"""Full reward, as tau2's `is_successful` has it."""

_FINISHED = re.compile(
    r"FINISHED SIMULATION: Domain: (?P<domain>.+?), Task: (?P<task_id>.*), Agent: .*?Reward: (?P<reward>[\d.]+)"
)
_MARKER = re.compile(
    r"\[TAU2_TASK_COMPLETE\] domain=(?P<domain>\S+) trial=(?P<trial>\d+) task_id=(?P<task_id>.*) status="
)


def read_outcomes(run: Path, outputs: str = "outputs", logs: Sequence[Path] = ()) -> pl.DataFrame:
    """The OUTCOMES of a run directory: its unit files, else its results files, else what its logs say.

    A file that cannot be read, or has another shape, is passed over: it is no result.
    """
    rows = [row for path in sorted((run / EVAL_UNITS).glob("*/*.json")) if (row := _unit(path))]
    if not rows:
        rows = [
            row for path in sorted((run / outputs).glob(f"*/{RESULTS}")) for row in _results(path, path.parent.name)
        ]
    return _frame(rows) if rows else logged_outcomes(logs)


def results_outcomes(files: Mapping[str, Path]) -> pl.DataFrame:
    """The OUTCOMES of results files of tau2, each under the name of its domain."""
    return _frame([row for domain, path in files.items() for row in _results(path, domain)])


def logged_outcomes(logs: Sequence[Path]) -> pl.DataFrame:
    """OUTCOMES by the lines that tau2 writes when a simulation is finished.

    They name no trial: it is that of the next completion marker of the task in the same file, else 0.
    """
    rows = [row for path in logs for row in _logged(path)]
    return _frame(rows)


def add_trial(events: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The events with a column `trial`, which profile lines do not carry.

    Where a task has one trial only it is that; else the one that began last before the event. Null where neither is
    known. Two trials of one task that ran at the same time cannot be told apart by this.
    """
    if "trial" in events.columns:
        return events
    keys = ["domain", "task_id"]
    only = outcomes.group_by(keys).agg(
        pl.col("trial").first().alias("only"), pl.col("trial").n_unique().alias("trials")
    )
    # Of the joins only the new column is taken: no other is copied.
    named = events.select("at", pl.col(keys).cast(pl.String)).with_row_index("row")
    rows = named.join(only, on=keys, how="left").sort("at", nulls_last=True)
    begun = outcomes.filter(pl.col("started_at").is_not_null()).select(
        *keys, "started_at", pl.col("trial").alias("begun")
    )
    rows = rows.join_asof(
        begun.sort("started_at"), left_on="at", right_on="started_at", by=keys, check_sortedness=False
    ).sort("row")
    trial = pl.when(pl.col("trials") == 1).then("only").otherwise("begun")
    return events.with_columns(rows.select(trial.alias("trial"))["trial"])


def pass_hat(outcomes: pl.DataFrame) -> tuple[tuple[int, float, int], ...]:
    """tau2's pass^k for k = 1 … the fewest trials of any task: (k, the mean of C(c, k) / C(n, k) over tasks, tasks)."""
    tasks = _by_task(outcomes)
    fewest = tasks["n"].min()
    if not isinstance(fewest, int):
        return ()
    counts = list(tasks.select("passed", "n").iter_rows())
    return tuple(
        (k, sum(pass_hat_k(passed, n, k) for passed, n in counts) / len(counts), len(counts))
        for k in range(1, fewest + 1)
    )


def pass_interval(outcomes: pl.DataFrame) -> tuple[float, float] | None:
    """The bootstrap interval (95 %) of the pass rate, tasks resampled with all of their trials."""
    tasks = _by_task(outcomes)
    return clustered_mean_interval(tasks["passed"].to_list(), tasks["n"].to_list())


def reward_interval(outcomes: pl.DataFrame) -> tuple[float, float] | None:
    """The same of the mean reward."""
    tasks = _by_task(outcomes)
    return clustered_mean_interval(tasks["reward"].to_list(), tasks["n"].to_list())


def _by_task(outcomes: pl.DataFrame) -> pl.DataFrame:
    evaluated = outcomes.filter(pl.col("reward").is_not_null())
    return (
        evaluated.group_by("domain", "task_id")
        .agg(PASSED.sum().cast(pl.Int64).alias("passed"), pl.len().cast(pl.Int64).alias("n"), pl.col("reward").sum())
        .sort("domain", "task_id")
    )


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Each unit once: the evaluated one, else the newest."""
    frame = pl.DataFrame(rows, schema=OUTCOMES)
    return (
        frame.sort(pl.col("reward").is_null(), maintain_order=True)
        .unique(KEY, keep="first", maintain_order=True)
        .sort(KEY)
    )


def _unit(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_bytes())
        error = data.get("error") or {}
        return {
            **_simulation(data.get("simulation") or {}),
            "domain": str(data["domain"]),
            "task_id": str(data["task_id"]),
            "trial": int(data["trial"]),
            "error": str(error["class"]) if error else None,
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _results(path: Path, domain: str) -> Iterator[dict[str, Any]]:
    try:
        simulations = json.loads(path.read_bytes())["simulations"]
        for simulation in simulations:
            task_id, trial = str(simulation["task_id"]), int(simulation.get("trial") or 0)
            yield {**_simulation(simulation), "domain": domain, "task_id": task_id, "trial": trial}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def _simulation(simulation: Mapping[str, Any]) -> dict[str, Any]:
    """What tau2's SimulationRun says, as far as it says it."""
    reward = (simulation.get("reward_info") or {}).get("reward")
    costs = [simulation.get(f"{side}_cost") for side in ("agent", "user")]
    known = [float(cost) for cost in costs if isinstance(cost, (int, float))]
    return {
        "reward": float(reward) if isinstance(reward, (int, float)) else None,
        "error": None,
        "termination": str(simulation["termination_reason"]) if simulation.get("termination_reason") else None,
        "started_at": _local_time(simulation.get("start_time")),
        "finished_at": _local_time(simulation.get("end_time")),
        "cost_usd": sum(known) if known else None,
    }


def _local_time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _logged(path: Path) -> Iterator[dict[str, Any]]:
    waiting: dict[tuple[str, str], float] = {}
    for stretch in text_stretches(path):
        for raw in lines_with((b"FINISHED SIMULATION", b"[TAU2_TASK_COMPLETE]"), stretch):
            line = raw.decode(errors="replace")
            if found := _FINISHED.search(line):
                waiting[found["domain"], found["task_id"]] = float(found["reward"].rstrip("."))
            elif (found := _MARKER.search(line)) and (found["domain"], found["task_id"]) in waiting:
                reward = waiting.pop((found["domain"], found["task_id"]))
                yield _row(found["domain"], found["task_id"], int(found["trial"][:18]), reward)
    for (domain, task_id), reward in waiting.items():
        yield _row(domain, task_id, 0, reward)


def _row(domain: str, task_id: str, trial: int, reward: float) -> dict[str, Any]:
    return {**dict.fromkeys(OUTCOMES), "domain": domain, "task_id": task_id, "trial": trial, "reward": reward}
