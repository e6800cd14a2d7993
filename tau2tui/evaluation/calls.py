"""A model call with everything that may have to happen before there is an answer: replicas, attempts, waiting."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import quote

from tau2tui.config import EvaluationConfig
from tau2tui.core.error_class import ErrorClass
from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.client import ChatClient, ChatMessage, ChatRequest, ToolSchema
from tau2tui.evaluation.conversation import fitted, non_thinking
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.latency import Latencies
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.routing import Endpoint, Router
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.windows import Windows

FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 20.0
NEUTRAL = "Wait a minute, I will take it very soon"
"""What the program of the seed's notes says when a model says nothing."""


class Caller(Protocol):
    """Asks a participant for the next message of a conversation; `tools` are what it may call."""

    def __call__(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the calls of all units share."""

    evaluation: EvaluationConfig
    router: Router
    fleet: ChatClient
    outside: ChatClient
    rehearsal: bool
    """The fleet is the practice fleet, whose servers must be told whom they play."""
    abandoned: threading.Event
    windows: Windows | None = None
    """How long a conversation each server takes; None: as configured."""
    latencies: Latencies = field(default_factory=Latencies)
    first_wait_s: float = FIRST_WAIT_S
    """Before the second attempt, if no other replica can take it at once."""


class UnitCaller:
    """The calls of one unit; used by the one thread that runs it."""

    def __init__(self, exchange: Exchange, log: UnitLog, abandoned: threading.Event | None = None) -> None:
        """`abandoned`: set when this unit is given up; by default only when everything is."""
        self._exchange = exchange
        self._log = log
        self._abandoned = abandoned or exchange.abandoned
        self._replica = ""
        """Who was asked in this attempt."""
        self._slipped: set[str] = set()
        """Replicas that were asked again after a harmony error, in this call."""

    def __call__(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> Answer:
        """Ask until there is an answer. Raises CallError when there will be none, Abandoned when it is given up."""
        request = self._request(participant, messages, tools)
        self._log.asked(participant, request)
        attempts = self._exchange.evaluation.max_attempts
        deadline = time.monotonic() + self._exchange.evaluation.call_timeout_s
        tried: list[str] = []
        self._slipped.clear()
        for attempt in range(1, attempts + 1):
            self._replica = ""
            try:
                answer = self._attempt(participant, _varied(request, attempt), deadline, tried)
            except CallError as error:
                if self._given_up:
                    raise Abandoned from None
                self._note(error, tried)
                wait_s = self._wait_s(participant, attempt, tried, error)
                last = not error.kind.transient or attempt == attempts or time.monotonic() + wait_s >= deadline
                if last and error.answer and participant.role != "user":
                    return self._stand_in(participant, error, error.answer, attempt)
                if last:
                    self._log.gave_up(participant, self._replica, error, attempt)
                    raise
                self._log.retrying(participant, self._replica, error, attempt, attempts, wait_s)
                if self._abandoned.wait(wait_s) or self._given_up:
                    raise Abandoned from None
            else:
                self._answered(participant, answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _answered(self, participant: Participant, answer: Answer) -> None:
        self._log.answered(participant, answer)
        if participant.role == "expert":
            self._exchange.latencies.add(participant.name, answer.duration_ms)

    def _stand_in(self, participant: Participant, error: CallError, empty: Answer, attempts: int) -> Answer:
        """A neutral text for an agent or expert that says nothing however often it is asked.

        This is the model's own failure, and has to stay one: an error would have the unit run again until it looks
        better. The user simulator's silence must not be counted against the agent, and ends the unit.
        """
        self._log.stood_in(participant, self._replica, error, attempts)
        answer = replace(empty, text=NEUTRAL, replica=self._replica, stand_in=True)
        self._answered(participant, answer)
        return answer

    def _note(self, error: CallError, tried: list[str]) -> None:
        """After a harmony error the same replica is asked once more: the model slipped, and its cache is warm."""
        if error.kind is ErrorClass.HARMONY and tried.count(self._replica) == 1 and self._replica not in self._slipped:
            tried.remove(self._replica)
            self._slipped.add(self._replica)

    def _attempt(self, participant: Participant, request: ChatRequest, deadline: float, tried: list[str]) -> Answer:
        """One attempt; the replica that was asked is added to `tried`."""
        self._log.calling(participant)
        if not participant.fleet:
            return self._exchange.outside.complete(self._exchange.evaluation.user.base_url, request, deadline)
        router = self._exchange.router
        conversation = self._log.unit.name
        with router.lease(participant.name, conversation, deadline, tried) as endpoint:
            if self._given_up:
                raise Abandoned
            self._replica = endpoint.replica
            tried.append(endpoint.replica)
            self._log.calling(participant, endpoint.replica)
            return self._ask(endpoint, request, deadline)

    @property
    def _given_up(self) -> bool:
        return self._abandoned.is_set() or self._exchange.abandoned.is_set()

    def _ask(self, endpoint: Endpoint, request: ChatRequest, deadline: float) -> Answer:
        router = self._exchange.router
        try:
            answer = self._exchange.fleet.complete(endpoint.url, self._within(endpoint, request), deadline)
        except CallError as error:
            if error.kind.of_replica:
                router.failed(endpoint, error.kind)
            else:
                router.answered(endpoint)
            raise
        router.answered(endpoint)
        return replace(answer, replica=endpoint.replica)

    def _within(self, endpoint: Endpoint, request: ChatRequest) -> ChatRequest:
        """The request cut to what this server takes, if that is less than what is configured."""
        evaluation = self._exchange.evaluation
        window = self._exchange.windows.of(endpoint) if self._exchange.windows else None
        if window is None or window >= evaluation.context_tokens + evaluation.max_tokens:
            return request
        budget = min(evaluation.context_tokens, max(window - evaluation.max_tokens, window // 2))
        return replace(
            request,
            messages=fitted(request.messages, request.tools, budget),
            max_tokens=min(evaluation.max_tokens, window - budget),
        )

    def _wait_s(self, participant: Participant, attempt: int, tried: Sequence[str], error: CallError) -> float:
        """None at all if another replica can take the call; else what the server asks for, and twice as long each time.

        Give or take a half, so that units that failed together do not come back together.
        """
        if participant.fleet and self._exchange.router.has_other(participant.name, tried):
            return 0.0
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret depends on it
        own_s = min(self._exchange.first_wait_s * 2.0 ** (attempt - 1), _LONGEST_WAIT_S) * jitter
        return max(own_s, error.retry_after_s)

    def _request(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> ChatRequest:
        """What this participant gets to see. A model outside the fleet decides itself how it samples and how much."""
        if not participant.fleet:
            return ChatRequest(participant.model, messages, tools)
        evaluation = self._exchange.evaluation
        if not participant.thinking:
            suffix = participant.thinking_switch == "suffix"
            messages = non_thinking(messages, agent=participant.role != "user", suffix=suffix)
        return ChatRequest(
            model=participant.model,
            messages=fitted(messages, tools, evaluation.context_tokens),
            tools=tools,
            temperature=evaluation.temperature,
            max_tokens=evaluation.max_tokens,
            seed=self._log.unit.seed,
            thinking=False if not participant.thinking and participant.thinking_switch == "template" else None,
            headers=self._rehearsal_headers(participant) if self._exchange.rehearsal else {},
        )

    def _rehearsal_headers(self, participant: Participant) -> dict[str, str]:
        unit = self._log.unit
        return {
            "X-Tau2tui-Unit": quote(f"{unit.domain}/{unit.task_id}", safe="/"),
            "X-Tau2tui-Role": participant.role,
        }


def _varied(request: ChatRequest, attempt: int) -> ChatRequest:
    """The request with a seed of its own for each attempt: the same seed would draw the same bad answer again."""
    return request if request.seed is None else replace(request, seed=request.seed + attempt - 1)
