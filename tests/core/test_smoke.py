"""What the results of a smoke test say: each check with a case that passes, one that fails, one that shows nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.smoke import (
    Check,
    CheckResult,
    SmokeReport,
    fingerprint,
    is_full,
    is_gated,
    report_from,
    report_to,
    smoke_legs,
)
from tau2tui.core.smoke_checks import judge
from tests.sample import small_config

CONFIG = small_config()
EVALUATION = EvaluationConfig()
WINDOWS: dict[str, dict[str, int | None]] = {
    "orchestrator": {"orchestrator-0": 32768},
    "expert-1": {"expert-1-0": 32768},
}


def part(who: str, **tokens: Any) -> dict[str, Any]:
    return {"participant": who, "prompt_tokens": 100, "completion_tokens": 10, **tokens}


def said(who: str, text: str, *before: str, **tokens: Any) -> dict[str, Any]:
    """A text of someone, after parts of others in the same turn."""
    parts = [*map(part, before), part(who, **tokens)]
    return {"role": "assistant", "content": text, "tool_calls": None, "raw_data": {"answered_by": who, "parts": parts}}


def called(who: str, name: str = "get_order", *before: str, arguments: Any = None) -> dict[str, Any]:
    calls = [{"name": name, "arguments": arguments or {"id": 1}}]
    return {**said(who, "", *before), "tool_calls": calls}


def unit(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"reward": 1.0, "error": None, "simulation": {"messages": list(messages)}, **fields}


def lost(kind: str = "server", message: str = "out of order") -> dict[str, Any]:
    return {"reward": None, "error": {"class": kind, "message": message}, "simulation": None}


GREETING = {"role": "assistant", "content": "Hi! <think>", "tool_calls": None, "raw_data": None}
GOOD = unit(GREETING, said("user", "Hello."), called("orchestrator"), called("expert-1", "get_order", "orchestrator"),
            said("expert-1", "Done.", "orchestrator"), said("orchestrator", "Good bye."))  # fmt: skip
ALONE = unit(said("user", "Hello."), called("expert-1"), said("expert-1", "Done."))


def found(check: str, subject: str, **legs: list[dict[str, Any]]) -> Check:
    units = {
        "experts": [GOOD],
        "always-expert-1": [ALONE],
        **{name.replace("_", "-"): leg for name, leg in legs.items()},
    }
    return one(judge(CONFIG, EVALUATION, units, WINDOWS), check, subject)


def one(checks: tuple[Check, ...], check: str, subject: str) -> Check:
    (hit,) = [each for each in checks if (each.check, each.subject) == (check, subject)]
    return hit


def test_a_healthy_fleet_passes_every_check() -> None:
    checks = judge(CONFIG, EVALUATION, {"experts": [GOOD], "always-expert-1": [ALONE]}, WINDOWS)
    assert {check.result for check in checks} == {CheckResult.PASSED}
    assert {(check.check, check.subject) for check in checks} == {
        *((check, who) for check in ("answers", "tokens counted", "no reasoning shown")
          for who in ("orchestrator", "expert-1", "user")),
        *((check, who) for check in ("tool call parsed", "context window") for who in ("orchestrator", "expert-1")),
        ("called by the agent", "expert-1"), ("tasks evaluated", "experts"), ("tasks evaluated", "always-expert-1"),
    }  # fmt: skip


def test_who_never_answers_fails_and_the_error_is_named() -> None:
    check = found("answers", "expert-1", experts=[lost()], always_expert_1=[lost("bad_request", "no such model")])
    assert check.result is CheckResult.FAILED
    assert "bad_request: no such model" in check.evidence
    assert found("answers", "user", experts=[lost()], always_expert_1=[]).result is CheckResult.FAILED


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "get_order"}</tool_call>',
        '{"name": "get_order", "arguments": {}}',
        '{"name": "get_order", "parameters": {}}',
        "[TOOL_CALLS] get_order",
        "<|python_tag|>get_order()",
    ],
)
def test_a_tool_call_that_comes_back_as_text_fails(text: str) -> None:
    check = found("tool call parsed", "expert-1", always_expert_1=[unit(said("expert-1", text))])
    assert check.result is CheckResult.FAILED
    assert "came back as text" in check.evidence


def test_calls_whose_arguments_are_all_broken_fail_and_one_good_call_passes() -> None:
    broken = called("orchestrator", arguments={"malformed_arguments": "{"})
    nothing: list[dict[str, Any]] = []
    check = found("tool call parsed", "orchestrator", experts=[unit(broken)], always_expert_1=nothing)
    assert check.result is CheckResult.FAILED
    check = found("tool call parsed", "orchestrator", experts=[unit(broken, called("orchestrator"))])
    assert (check.result, check.evidence) == (CheckResult.PASSED, "1 of 2: get_order")


def test_the_call_of_an_expert_is_a_tool_call_of_the_agent() -> None:
    check = found("tool call parsed", "orchestrator", experts=[unit(said("expert-1", "Done.", "orchestrator"))])
    assert (check.result, check.evidence) == (CheckResult.PASSED, "1 of 1: call_expert")


def test_who_calls_no_tool_was_not_exercised() -> None:
    check = found("tool call parsed", "orchestrator", experts=[unit(said("orchestrator", "No."))])
    assert check.result is CheckResult.NOT_EXERCISED


@pytest.mark.parametrize("tokens", [{"completion_tokens": 0}, {"prompt_tokens": None}])
def test_answers_without_tokens_fail(tokens: dict[str, Any]) -> None:
    check = found("tokens counted", "orchestrator", experts=[unit(said("orchestrator", "Yes.", **tokens))])
    assert (check.result, check.evidence) == (CheckResult.FAILED, "1 of 1 answers without tokens")
    assert found("tokens counted", "orchestrator", experts=[]).result is CheckResult.NOT_EXERCISED


@pytest.mark.parametrize(
    "text", ["<think>They", "I</think> see", "<|channel|>analysis", "analysisHm.assistantfinalYes."]
)
def test_reasoning_that_the_other_side_would_see_fails(text: str) -> None:
    for who in ("expert-1", "user", "orchestrator"):
        check = found("no reasoning shown", who, experts=[unit(said(who, text))])
        assert (check.result, check.evidence) == (CheckResult.FAILED, text)


def test_who_says_nothing_shows_no_reasoning_and_proves_nothing() -> None:
    check = found("no reasoning shown", "orchestrator", experts=[unit(called("orchestrator"))])
    assert check.result is CheckResult.NOT_EXERCISED


def test_an_expert_that_the_agent_did_not_choose_is_not_exercised_there_even_if_it_works_alone() -> None:
    check = found("called by the agent", "expert-1", experts=[unit(said("orchestrator", "Good bye."))])
    assert check.result is CheckResult.NOT_EXERCISED
    assert found("called by the agent", "expert-1").evidence == "2 times"


@pytest.mark.parametrize(
    ("windows", "result", "evidence"),
    [
        ({"expert-1-0": 31000, "expert-1-1": 40000}, CheckResult.PASSED, "31000 tokens, 31000 are needed"),
        ({"expert-1-0": 40000, "expert-1-1": 30999}, CheckResult.FAILED, "31000 tokens are needed: expert-1-1 30999"),
        ({"expert-1-0": None, "expert-1-1": 40000}, CheckResult.NOT_EXERCISED, "not told by expert-1-0"),
        ({"expert-1-0": None, "expert-1-1": 8000}, CheckResult.FAILED, "31000 tokens are needed: expert-1-1 8000"),
    ],
)
def test_conversation_and_answer_must_fit_into_every_replica(
    windows: dict[str, int | None], result: CheckResult, evidence: str
) -> None:
    checks = judge(CONFIG, EVALUATION, {"experts": [GOOD]}, {"expert-1": windows})
    check = one(checks, "context window", "expert-1")
    assert (check.result, check.evidence) == (result, evidence)


def test_every_task_must_be_evaluated_whatever_its_reward() -> None:
    check = found("tasks evaluated", "experts", experts=[GOOD, {**GOOD, "reward": 0.0}])
    assert (check.result, check.evidence) == (CheckResult.PASSED, "2 of 2, 1 with full reward")
    check = found("tasks evaluated", "experts", experts=[GOOD, lost("timeout", "too late")])
    assert (check.result, check.evidence) == (CheckResult.FAILED, "1 of 2; timeout: too late")
    assert found("tasks evaluated", "experts", experts=[]).result is CheckResult.FAILED


@pytest.mark.parametrize(
    ("mode", "who"), [("solo", {"orchestrator", "user"}), ("always:expert-1", {"expert-1", "user"})]
)
def test_only_who_has_a_part_in_the_mode_is_judged(mode: str, who: set[str]) -> None:
    evaluation = EvaluationConfig.model_validate({"mode": mode})
    checks = judge(CONFIG, evaluation, {mode.replace(":", "-"): [GOOD]}, {})
    assert {check.subject for check in checks if check.check == "answers"} == who
    assert len(smoke_legs(CONFIG, evaluation)) == 1


def test_the_legs_try_every_domain_and_every_expert_alone_and_never_smoke_themselves() -> None:
    evaluation = EvaluationConfig.model_validate({"trials": 4, "smoke_tasks": 3, "tasks": {"retail": ["7"]}})
    configured, alone = smoke_legs(CONFIG, evaluation)
    assert (configured.name, alone.name) == ("experts", "always-expert-1")
    assert configured.evaluation.domains == ("mock", "retail", "telecom", "airline")
    assert (configured.evaluation.num_tasks, configured.evaluation.tasks) == (3, {"retail": ("7",)})
    assert (alone.evaluation.domains, alone.evaluation.mode) == (("mock",), "always:expert-1")
    for leg in (configured, alone):
        assert (leg.evaluation.trials, leg.evaluation.log_level) == (1, "DEBUG")
        assert not is_gated(leg.evaluation)


@pytest.mark.parametrize(
    ("settings", "full"),
    [
        ({}, True),
        ({"domains": ["mock"]}, False),
        ({"num_tasks": 3}, False),
        ({"domains": ["retail"], "tasks": {"retail": ["1"]}}, False),
        ({"domains": ["retail", "airline"], "tasks": {"retail": ["1"]}}, True),
    ],
)
def test_the_gate_stands_before_whole_domains_unless_it_is_set_otherwise(settings: dict[str, Any], full: bool) -> None:
    def gated(smoke: str) -> bool:
        return is_gated(EvaluationConfig.model_validate({**settings, "smoke": smoke}))

    assert is_full(EvaluationConfig.model_validate(settings)) is full
    assert (gated("full"), gated("always"), gated("never")) == (full, True, False)


def test_the_fingerprint_changes_with_what_matters_and_with_nothing_else() -> None:
    def mark(config: Config = CONFIG, **settings: Any) -> str:
        return fingerprint(config, EvaluationConfig.model_validate(settings))

    same = mark(trials=3, seed=1, max_concurrency=64, smoke="always", domains=["airline", "retail", "telecom"])
    assert same == mark() == mark(domains=["telecom", "retail", "airline"])
    experts = {name: {**e.model_dump(), "tool_call_parser": "openai"} for name, e in CONFIG.experts.items()}
    others = [
        mark(mode="solo"),
        mark(context_tokens=9000),
        mark(domains=["retail"]),
        mark(small_config(experts=experts)),
    ]
    assert len({mark(), *others}) == 5


def test_a_report_is_passed_only_if_it_came_to_its_end_and_nothing_failed() -> None:
    good = Check("answers", "expert-1", CheckResult.PASSED, "3")
    unseen = Check("called by the agent", "expert-1", CheckResult.NOT_EXERCISED, "")
    bad = Check("answers", "expert-2", CheckResult.FAILED, "none")
    for state, checks, passed in [
        ("finished", (good, unseen), True), ("finished", (good, bad), False), ("finished", (), False),
        ("running", (good,), False), ("failed", (good,), False),
    ]:  # fmt: skip
        report = SmokeReport("f", "r", state, 1.0, 2.0, "", checks)
        assert report.passed is passed
        assert report_from(report_to(report)) == report
        assert report_to(report)["passed"] is passed
