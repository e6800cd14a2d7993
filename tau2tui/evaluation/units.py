"""What is to be run: every task of every domain, as often as there are trials."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tau2tui.config import EvaluationConfig
from tau2tui.core.layout import EVAL_UNITS
from tau2tui.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of work. Task ids are unique in their domain only."""

    domain: str
    task_id: str
    trial: int
    seed: int

    @property
    def name(self) -> str:
        """For people, and as the key of its conversations."""
        return f"{self.domain}/{self.task_id}#{self.trial}"

    @property
    def file(self) -> str:
        """Where its result stands, relative to the run directory; the longest id of tau2 makes a name of 248 bytes."""
        return f"{EVAL_UNITS}/{self.domain}/{quote(self.task_id, safe='')}.{self.trial}.json"


def trial_seeds(seed: int, trials: int) -> list[int]:
    """The seed of each trial, as tau2 draws them: `random.seed(seed)`, then `randint(0, 1000000)` for each."""
    generator = random.Random(seed)  # noqa: S311 - has to give the numbers that tau2 gives
    return [generator.randint(0, 1_000_000) for _ in range(trials)]


def chosen_tasks(domain: str, task_ids: Sequence[str], evaluation: EvaluationConfig) -> list[str]:
    """The tasks of a domain that this evaluation asks for, in tau2's order.

    `task_ids`: all that the domain has. Raises ConfigError for an id that is not among them.
    """
    wanted = next((ids for name, ids in evaluation.tasks.items() if name == domain), None)
    if wanted is not None:
        if unknown := sorted(set(wanted) - set(task_ids)):
            raise ConfigError(
                f"evaluation.tasks.{domain}: the domain has no task {unknown[0]!r}",
                f"its {len(task_ids)} tasks begin with {', '.join(task_ids[:3])}",
            )
        task_ids = [task_id for task_id in task_ids if task_id in wanted]
    return list(task_ids[: evaluation.num_tasks])


def all_units(tasks: Mapping[str, Iterable[str]], evaluation: EvaluationConfig) -> list[Unit]:
    """Every unit, the first trial of all domains before the second. `tasks`: ids by domain."""
    return [
        Unit(domain, task_id, trial, seed)
        for trial, seed in enumerate(trial_seeds(evaluation.seed, evaluation.trials))
        for domain, task_ids in tasks.items()
        for task_id in task_ids
    ]
