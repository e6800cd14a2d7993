"""What one unit does, as it does it: told once here, written to the logs and counted in the state."""

from __future__ import annotations

import json
from dataclasses import asdict

from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.client import ChatRequest
from tau2tui.evaluation.faults import CallError
from tau2tui.evaluation.journal import PROFILE, USER_JUDGE, Journal, Value
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.units import Unit

_EVENT = {"agent": (PROFILE, "llm_call"), "expert": (PROFILE, "expert_call"), "user": (USER_JUDGE, "user_sim")}


class UnitLog:
    """The log of one unit; it is used by the one thread that runs the unit."""

    def __init__(self, unit: Unit, journal: Journal, tally: Tally) -> None:
        self.unit = unit
        self.step = 0
        """tau2's number of the step that is going on."""
        self._journal = journal
        self._tally = tally

    def calling(self, participant: Participant, replica: str = "") -> None:
        """A model is asked, or, without a replica, one is waited for."""
        self._tally.doing(self.unit, participant.series, replica)

    def asked(self, participant: Participant, request: ChatRequest) -> None:
        """What is asked, word for word; at level DEBUG only."""
        if self._journal.debugging:
            body = json.dumps(request.arguments(stream=False), ensure_ascii=False)
            self._journal.debug(self.unit.domain, self.unit.task_id, f"request to {participant.series}: {body}")

    def answered(self, participant: Participant, answer: Answer) -> None:
        """A model answered. The orchestrator's time is its own: that of an expert it called is another event."""
        tokens = (answer.input_tokens or 0) + (answer.output_tokens or 0)
        self._tally.called(participant.series, participant.cost(answer) or 0.0, tokens)
        if self._journal.debugging:
            said = json.dumps(asdict(answer), ensure_ascii=False)
            self._journal.debug(self.unit.domain, self.unit.task_id, f"answer of {participant.series}: {said}")
        values: dict[str, Value] = {
            "step": self.step,
            "model": participant.model,
            "call_type": "vllm" if participant.fleet else "openai",
            "duration_ms": answer.duration_ms,
        }
        if participant.role != "user":
            values |= {
                "prefill_ms": answer.prefill_ms,
                "decode_ms": answer.decode_ms,
                "input_tokens": answer.input_tokens,
                "output_tokens": answer.output_tokens,
            }
        if participant.role == "agent":
            values["has_tool_calls"] = bool(answer.tool_calls)
        if participant.role == "expert":
            values["expert"] = participant.name
        values["replica"] = answer.replica or None
        level, kind = _EVENT[participant.role]
        self._event(level, kind, values)

    def retrying(
        self, participant: Participant, replica: str, error: CallError, attempt: int, attempts: int, wait_s: float
    ) -> None:
        """Attempt number `attempt` failed, and there will be another."""
        self._tally.failed(error.kind, replica, retried=True, role=participant.role)
        self._say(
            # The words in brackets are those that the recipes of the seed's notes count retries by.
            f"{self._where(participant, replica)}: {error}. Retry {attempt}/{attempts - 1} in {round(wait_s)}s... "
            "[Retrying in 5 seconds]"
        )

    def stood_in(self, participant: Participant, replica: str, error: CallError, attempts: int) -> None:
        """A model said nothing in any attempt: a neutral text stands for it, and the conversation goes on."""
        self._tally.failed(error.kind, replica, retried=False, role=participant.role)
        self._say(
            f"{self._where(participant, replica)}: {error}. Nothing in {attempts} attempts: a neutral text stands in"
        )

    def gave_up(self, participant: Participant, replica: str, error: CallError, attempts: int) -> None:
        """The last of `attempts` attempts failed, or one that no repetition would help."""
        self._tally.failed(error.kind, replica, retried=False, role=participant.role)
        where = self._where(participant, replica)
        self._say(f"{where}: LLM call failed permanently after {attempts} attempts: {error}")

    def evaluating(self) -> None:
        """The conversation is over, and waits for nobody any more."""
        self._tally.doing(self.unit, "evaluator")

    def tool_running(self) -> None:
        """The environment is asked."""
        self._tally.doing(self.unit, "tool")

    def tool_ran(self, function: str, duration_ms: float, *, error: bool) -> None:
        """A tool of the environment returned."""
        self._event(
            PROFILE,
            "tool_call",
            {
                "function": function,
                "call_type": "local_function",
                "step": self.step,
                "duration_ms": duration_ms,
                "error": True if error else None,
            },
        )

    def stepped(self, from_role: str, to_role: str, duration_ms: float) -> None:
        """A step ended that took the message from one role to the other."""
        values: dict[str, Value] = {
            "step": self.step,
            "total_duration_ms": duration_ms,
            "from_role": from_role,
            "to_role": to_role,
        }
        self._event(PROFILE, "step_complete", values)
        self.step += 1
        self._tally.stepped(self.unit, self.step)

    def _event(self, level: str, kind: str, values: dict[str, Value]) -> None:
        self._journal.event(level, kind, self.unit.domain, self.unit.task_id, values)

    def _say(self, message: str) -> None:
        self._journal.say(f"{self.unit.name} {message}", self.unit.domain)

    def _where(self, participant: Participant, replica: str) -> str:
        return f"{participant.series} at {replica}" if replica else participant.series
