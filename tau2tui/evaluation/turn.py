"""One message of a conversation, with the model calls behind it: their answers, tokens and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tau2tui.evaluation.answer import Answer, ToolRequest
from tau2tui.evaluation.participants import Participant

MOST_TOOL_CALLS = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One model call of a turn."""

    participant: Participant
    answer: Answer

    def record(self) -> dict[str, Any]:
        """For the results: who answered, and what it took."""
        stand_in = {"stand_in": True} if self.answer.stand_in else {}
        return {
            **stand_in,
            "participant": self.participant.name,
            "model": self.participant.model,
            "replica": self.answer.replica,
            "duration_ms": round(self.answer.duration_ms, 2),
            "prompt_tokens": self.answer.input_tokens,
            "completion_tokens": self.answer.output_tokens,
            "cost": self.participant.cost(self.answer),
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """What someone says or does next, and the calls that it took; the last of them gave the answer."""

    parts: tuple[Part, ...]

    @property
    def tool_calls(self) -> tuple[ToolRequest, ...]:
        """At most six: models that lose themselves call tools by the dozen."""
        return self.parts[-1].answer.tool_calls[:MOST_TOOL_CALLS]

    @property
    def text(self) -> str:
        """For the other side. None beside tool calls: tau2 would count it as said, but nobody hears it."""
        return "" if self.tool_calls else self.parts[-1].answer.text

    @property
    def usage(self) -> dict[str, int] | None:
        """Tokens of all parts together; None if a server did not count them."""
        tokens = [(part.answer.input_tokens, part.answer.output_tokens) for part in self.parts]
        counted = [(read, written) for read, written in tokens if read is not None and written is not None]
        if len(counted) < len(tokens):
            return None
        return {
            "prompt_tokens": sum(read for read, _ in counted),
            "completion_tokens": sum(written for _, written in counted),
        }

    @property
    def cost(self) -> float | None:
        """US dollars of all parts together; None if that of one is not known."""
        costs = [part.participant.cost(part.answer) for part in self.parts]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def record(self) -> dict[str, Any]:
        """For the results: who answered in the end, and each call on the way."""
        return {"answered_by": self.parts[-1].participant.name, "parts": [part.record() for part in self.parts]}
