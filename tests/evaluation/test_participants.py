"""Who plays whom."""

from __future__ import annotations

from typing import Any

import pytest

from tau2tui.config import EvaluationConfig
from tau2tui.errors import ConfigError
from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.participants import Cast, Participant, api_keys, cast_of
from tests.sample import small_config

EXPERTS: dict[str, Any] = {
    "nemotron": {"model": "org/Agent", "role": "agent", "node": 1, "gpus": [0], "port": 1900},
    "expert-1": {"model": "org/A", "node": 1, "gpus": [1], "port": 1901, "strengths": "maths", "price_in": 2.0},
    "expert-2": {"model": "org/B", "node": 1, "gpus": [2], "port": 1902, "thinking": False},
}
PLAYER = {"model": "org/User", "role": "user", "node": 1, "gpus": [3], "port": 1903}


def cast(experts: dict[str, Any] = EXPERTS, **evaluation: Any) -> Cast:
    return cast_of(small_config(experts=experts), EvaluationConfig.model_validate(evaluation))


def test_the_agent_may_call_every_expert() -> None:
    who = cast()
    assert (who.agent.name, who.agent.series) == ("nemotron", "orchestrator")
    assert [(expert.name, expert.series) for expert in who.experts] == [
        ("expert-1", "expert-1"), ("expert-2", "expert-2"),
    ]  # fmt: skip
    assert (who.experts[0].strengths, who.experts[0].price_in) == ("maths", 2.0)
    assert not who.experts[1].thinking
    assert who.always is None


def test_a_user_outside_the_fleet_has_its_own_prices() -> None:
    user = cast(user={"model": "gpt-5", "price_in": 1.25, "price_out": 10.0}).user
    assert (user.model, user.fleet, user.series) == ("gpt-5", False, "user")
    assert user.cost(Answer("x", input_tokens=1_000_000, output_tokens=100_000)) == pytest.approx(2.25)


def test_a_user_of_the_fleet_is_served_by_it() -> None:
    user = cast({**EXPERTS, "player": PLAYER}).user
    assert (user.name, user.model, user.fleet, user.series) == ("player", "org/User", True, "user")


def test_alone_the_agent_has_nobody_to_call() -> None:
    who = cast(mode="solo")
    assert (who.experts, who.always) == ((), None)


def test_one_expert_may_answer_always() -> None:
    who = cast(mode="always:expert-2")
    assert who.always is not None
    assert (who.experts, who.always.name) == ((), "expert-2")


@pytest.mark.parametrize("name", ["expert-9", "nemotron"])
def test_who_answers_always_must_be_an_expert(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}', which is no expert"):
        cast(mode=f"always:{name}")


def test_a_cost_needs_counted_tokens() -> None:
    assert Participant("a", "expert", "m", price_in=1).cost(Answer("x", input_tokens=5)) is None


def test_the_outside_model_needs_its_key_and_the_fleet_may_have_one() -> None:
    evaluation = EvaluationConfig.model_validate({"user": {"model": "gpt-5", "api_key_env": "MY_KEY"}})
    assert api_keys(cast(), evaluation, {"MY_KEY": "sk-1"}) == ("EMPTY", "sk-1")
    assert api_keys(cast(), evaluation, {"MY_KEY": "sk-1", "VLLM_API_KEY": "sk-2"}) == ("sk-2", "sk-1")
    for missing in ({}, {"MY_KEY": ""}):
        with pytest.raises(ConfigError, match="MY_KEY is not set: the user simulator gpt-5 needs its key"):
            api_keys(cast(), evaluation, missing)


def test_a_user_of_the_fleet_needs_no_key() -> None:
    evaluation = EvaluationConfig()
    assert api_keys(cast({**EXPERTS, "player": PLAYER}), evaluation, {}) == ("EMPTY", "EMPTY")
