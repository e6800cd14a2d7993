"""What counts towards a budget, and when it is spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tau2tui.config import BudgetConfig
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.evaluation.budget import Budget, budget_of, kept_costs
from tau2tui.evaluation.participants import Cast, Participant
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.units import Unit

AGENT = Participant("nemotron", "agent", "org/Agent")
EXPERT = Participant("expert-1", "expert", "org/Expert")
OUTSIDE = Participant("user", "user", "gpt", fleet=False)
CAST = Cast(AGENT, (EXPERT,), OUTSIDE)
SPENT = EvalProgress(
    EvalState.RUNNING, 1.0, 1.0,
    cost_usd={"user": 3.0, "orchestrator": 90.0}, tokens={"user": 500, "orchestrator": 9000}, budget_counts=("user",),
)  # fmt: skip


def test_by_default_only_models_outside_the_fleet_count() -> None:
    assert budget_of(BudgetConfig(usd=5), CAST) == Budget(5.0, None, ("user",))
    assert budget_of(BudgetConfig(counts="all"), CAST).counts == ("orchestrator", "user", "expert-1")
    inside = Cast(AGENT, (), replace(OUTSIDE, fleet=True))
    assert budget_of(BudgetConfig(usd=5), inside).counts == ()


@pytest.mark.parametrize(
    ("usd", "tokens", "why"),
    [
        (None, None, ""),
        (3.01, 501, ""),
        (3.0, None, "the budget of $3.00 is spent ($3.00)"),
        (None, 400, "the budget of 400 tokens is spent (500)"),
    ],
)
def test_a_budget_is_spent_when_what_counts_reaches_a_limit(usd: float | None, tokens: int | None, why: str) -> None:
    assert Budget(usd, tokens, ("user",)).exceeded(SPENT) == why


def test_kept_results_say_what_they_cost_by_series() -> None:
    def part(participant: str, cost: float | None, read: int | None, written: int | None) -> dict[str, Any]:
        return {"participant": participant, "cost": cost, "prompt_tokens": read, "completion_tokens": written}

    messages = [
        {"role": "assistant", "raw_data": None},
        {"role": "assistant", "raw_data": {"parts": [part("nemotron", 0.5, 10, 1), part("expert-1", 0.25, 20, 2)]}},
        {"role": "user", "raw_data": {"parts": [part("user", None, None, None)]}},
        {"role": "user", "raw_data": {"parts": [part("user", 1.0, 30, 3)]}},
    ]
    outcome = Outcome(Unit("mock", "1", 0, 7), 0.0, 1.0, {"messages": messages})
    costs, tokens = kept_costs([outcome, Outcome(outcome.unit, 0.0, 1.0)], CAST)
    assert costs == {"orchestrator": 0.5, "expert-1": 0.25, "user": 1.0}
    assert tokens == {"orchestrator": 11, "expert-1": 22, "user": 33}
