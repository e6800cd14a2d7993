"""What the models may cost, and what they have cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tau2tui.config import BudgetConfig
from tau2tui.core.model import EvalProgress
from tau2tui.evaluation.participants import Cast
from tau2tui.evaluation.results import Outcome


@dataclass(slots=True)
class Budget:
    """The limits, which may be changed while it goes on."""

    usd: float | None
    tokens: int | None
    counts: tuple[str, ...]
    """The series that count."""

    @property
    def unlimited(self) -> bool:
        return self.usd is None and self.tokens is None

    def exceeded(self, progress: EvalProgress) -> str:
        """Which limit is reached, in words; empty if none is."""
        if self.usd is not None and progress.spent_usd >= self.usd:
            return f"the budget of ${self.usd:.2f} is spent (${progress.spent_usd:.2f})"
        if self.tokens is not None and progress.spent_tokens >= self.tokens:
            return f"the budget of {self.tokens} tokens is spent ({progress.spent_tokens})"
        return ""


def budget_of(config: BudgetConfig, cast: Cast) -> Budget:
    """The budget that is configured for these participants."""
    everyone = (cast.agent, cast.user, *cast.experts, *((cast.always,) if cast.always else ()))
    counted = (participant.series for participant in everyone if config.counts == "all" or not participant.fleet)
    return Budget(config.usd, config.tokens, tuple(dict.fromkeys(counted)))


def kept_costs(outcomes: Iterable[Outcome], cast: Cast) -> tuple[dict[str, float], dict[str, int]]:
    """US dollars and tokens by series that kept results took: the least that was spent, if no state says more."""
    series = {p.name: p.series for p in (cast.agent, cast.user, *cast.experts, cast.always) if p is not None}
    tokens: Counter[str] = Counter()
    costs: dict[str, float] = {}
    for part in (part for outcome in outcomes for part in _parts(outcome.simulation or {})):
        name = series.get(str(part.get("participant")), str(part.get("participant")))
        costs[name] = costs.get(name, 0.0) + float(part.get("cost") or 0.0)
        tokens[name] += int(part.get("prompt_tokens") or 0) + int(part.get("completion_tokens") or 0)
    return costs, dict(tokens)


def _parts(simulation: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The records of the model calls of a simulation."""
    for message in simulation.get("messages") or ():
        yield from (message.get("raw_data") or {}).get("parts") or ()
