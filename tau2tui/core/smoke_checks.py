"""What the results of a smoke test say of each model: tool calls, tokens, reasoning, context windows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tau2tui.config import Config, EvaluationConfig
from tau2tui.core.model import FULL_REWARD
from tau2tui.core.smoke import Check, CheckResult, experts_of, leg_name

OUTSIDE_USER = "user"
"""The name of a user simulator that is no model of the fleet."""
MALFORMED = "malformed_arguments"
"""The key under which arguments of a tool call stand that were not a JSON object."""

REASONING_MARKS = ("<think>", "</think>", "<|channel|>", "<|start|>", "<|end|>", "<|im_start|>", "assistantfinal")
UNPARSED_MARKS = ("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<function=", "<|python_tag|>", "<|call|>")
_LONGEST_QUOTE = 120
_Unit = Mapping[str, Any]
"""A unit file of the run directory."""


def judge(
    config: Config,
    evaluation: EvaluationConfig,
    units: Mapping[str, Sequence[_Unit]],
    windows: Mapping[str, Mapping[str, int | None]],
) -> tuple[Check, ...]:
    """Every check of every model. `units`: by leg; `windows`: by expert, the context that each replica serves."""
    user = config.user or OUTSIDE_USER
    cast = _cast(config, evaluation)
    everything = [unit for leg in units.values() for unit in leg]
    seen = _Seen.of(everything)
    checks: list[Check] = []
    for name in (config.agent, *experts_of(config), user):
        if name in cast:
            checks += _of_participant(name, seen, everything, talks_only=name == user)
    if evaluation.mode == "experts":
        checks += [_delegated(name, units.get(leg_name(evaluation.mode), ())) for name in experts_of(config)]
    need = evaluation.context_tokens + evaluation.max_tokens
    checks += [
        _window(name, windows.get(name, {}), need) for name in config.experts if name in windows and name in cast
    ]
    checks += [_evaluated(leg, results) for leg, results in units.items()]
    return tuple(checks)


def _cast(config: Config, evaluation: EvaluationConfig) -> set[str]:
    """Who has a part in this mode."""
    user = config.user or OUTSIDE_USER
    if evaluation.mode == "solo":
        return {config.agent, user}
    always = evaluation.mode.removeprefix("always:")
    return {always, user} if always != evaluation.mode else {config.agent, user, *experts_of(config)}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the conversations hold of each participant, by name."""

    parts: dict[str, list[Mapping[str, Any]]]
    texts: dict[str, list[str]]
    calls: dict[str, list[Mapping[str, Any]]]

    @classmethod
    def of(cls, units: Iterable[_Unit]) -> _Seen:
        seen = cls({}, {}, {})
        for message in _messages(units):
            record = message["raw_data"]
            who = str(record["answered_by"])
            for part in record["parts"]:
                seen.parts.setdefault(str(part["participant"]), []).append(part)
            seen.texts.setdefault(who, []).append(str(message.get("content") or ""))
            seen.calls.setdefault(who, []).extend(message.get("tool_calls") or ())
            for before in record["parts"][:-1]:  # whose call of an expert was understood
                if before["participant"] != who:
                    seen.calls.setdefault(str(before["participant"]), []).append({"name": "call_expert"})
        return seen


def _messages(units: Iterable[_Unit]) -> Iterator[Mapping[str, Any]]:
    """What models said; what tau2 put into a conversation itself has no record."""
    for unit in units:
        for message in (unit.get("simulation") or {}).get("messages") or ():
            if (message.get("raw_data") or {}).get("parts"):
                yield message


def _of_participant(name: str, seen: _Seen, units: Sequence[_Unit], *, talks_only: bool) -> Iterator[Check]:
    parts = seen.parts.get(name, [])
    if parts:
        yield Check("answers", name, CheckResult.PASSED, f"{len(parts)} answers")
    else:
        yield Check("answers", name, CheckResult.FAILED, f"no answer; {_errors(units) or 'it was never asked'}")
    if not talks_only:
        yield _tool_call(name, seen)
    yield _tokens(name, parts)
    yield _reasoning(name, seen.texts.get(name, []))


def _tool_call(name: str, seen: _Seen) -> Check:
    """A call that came back parsed, and none that came back as text."""
    texts, calls = seen.texts.get(name, []), seen.calls.get(name, [])
    for text in texts:
        if any(mark in text for mark in UNPARSED_MARKS) or _is_call(text):
            return Check("tool call parsed", name, CheckResult.FAILED, f"a call came back as text: {_quote(text)}")
    broken = [call for call in calls if MALFORMED in (call.get("arguments") or {})]
    if broken and len(broken) == len(calls):
        return Check("tool call parsed", name, CheckResult.FAILED, f"none of {len(calls)} calls had arguments in JSON")
    if not calls:
        return Check("tool call parsed", name, CheckResult.NOT_EXERCISED, "it called no tool")
    named = ", ".join(dict.fromkeys(str(call.get("name")) for call in calls))
    return Check("tool call parsed", name, CheckResult.PASSED, f"{len(calls) - len(broken)} of {len(calls)}: {named}")


def _is_call(text: str) -> bool:
    """A text that is nothing but a tool call in JSON."""
    try:
        data = json.loads(text)
    except ValueError:
        return False
    return isinstance(data, dict) and "name" in data and ("arguments" in data or "parameters" in data)


def _tokens(name: str, parts: Sequence[Mapping[str, Any]]) -> Check:
    if not parts:
        return Check("tokens counted", name, CheckResult.NOT_EXERCISED, "no answer")
    without = [part for part in parts if not part.get("prompt_tokens") or not part.get("completion_tokens")]
    if without:
        return Check(
            "tokens counted", name, CheckResult.FAILED, f"{len(without)} of {len(parts)} answers without tokens"
        )
    read, written = (sum(part[key] for part in parts) for key in ("prompt_tokens", "completion_tokens"))
    return Check("tokens counted", name, CheckResult.PASSED, f"{read} in, {written} out")


def _reasoning(name: str, texts: Sequence[str]) -> Check:
    said = [text for text in texts if text]
    for text in said:
        if any(mark in text for mark in REASONING_MARKS):
            return Check("no reasoning shown", name, CheckResult.FAILED, _quote(text))
    if not said:
        return Check("no reasoning shown", name, CheckResult.NOT_EXERCISED, "it said nothing")
    return Check("no reasoning shown", name, CheckResult.PASSED, f"{len(said)} texts")


def _delegated(name: str, units: Sequence[_Unit]) -> Check:
    """Whether the orchestrator itself chose this expert; whether the expert works at all is seen where it is alone."""
    parts = _Seen.of(units).parts.get(name, [])
    if parts:
        return Check("called by the agent", name, CheckResult.PASSED, f"{len(parts)} times")
    return Check("called by the agent", name, CheckResult.NOT_EXERCISED, "the agent chose others")


def _window(name: str, windows: Mapping[str, int | None], need: int) -> Check:
    """Whether a conversation cut to its budget, and the answer to it, fit into what the servers take."""
    short = [f"{replica} {window}" for replica, window in windows.items() if window is not None and window < need]
    if short:
        return Check("context window", name, CheckResult.FAILED, f"{need} tokens are needed: {', '.join(short)}")
    known = {window for window in windows.values() if window is not None}
    if len(known) == 0 or None in windows.values():
        silent = [replica for replica, window in windows.items() if window is None]
        said = f"not told by {', '.join(silent)}" if silent else "no replica is ready"
        return Check("context window", name, CheckResult.NOT_EXERCISED, said)
    return Check("context window", name, CheckResult.PASSED, f"{min(known)} tokens, {need} are needed")


def _evaluated(leg: str, units: Sequence[_Unit]) -> Check:
    good = sum(unit.get("reward") is not None for unit in units)
    if not units or good < len(units):
        said = _errors(units) or "no task came to its end"
        return Check("tasks evaluated", leg, CheckResult.FAILED, f"{good} of {len(units)}; {said}")
    full = sum(unit["reward"] >= FULL_REWARD for unit in units)
    return Check("tasks evaluated", leg, CheckResult.PASSED, f"{good} of {len(units)}, {full} with full reward")


def _errors(units: Iterable[_Unit]) -> str:
    """The first error of each class, in words."""
    errors = [unit["error"] for unit in units if unit.get("error")]
    first = {str(error["class"]): _quote(str(error["message"])) for error in reversed(errors)}
    return "; ".join(f"{kind}: {message}" for kind, message in first.items())


def _quote(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
