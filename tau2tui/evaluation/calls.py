"""A model call with everything that may have to happen before there is an answer: replicas, attempts, waiting."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote

from tau2tui.config import EvaluationConfig
from tau2tui.evaluation.answer import Answer
from tau2tui.evaluation.client import ChatClient, ChatMessage, ChatRequest, ToolSchema
from tau2tui.evaluation.conversation import fitted, non_thinking
from tau2tui.evaluation.faults import Abandoned, CallError
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.routing import Endpoint, Router
from tau2tui.evaluation.unitlog import UnitLog

FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 20.0


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
    first_wait_s: float = FIRST_WAIT_S
    """Before the second attempt, if no other replica can take it at once."""


class UnitCaller:
    """The calls of one unit; used by the one thread that runs it."""

    def __init__(self, exchange: Exchange, log: UnitLog) -> None:
        self._exchange = exchange
        self._log = log

    def __call__(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> Answer:
        """Ask until there is an answer. Raises CallError when there will be none, Abandoned when the driver stops."""
        request = self._request(participant, messages, tools)
        self._log.asked(participant, request)
        attempts = self._exchange.evaluation.max_attempts
        deadline = time.monotonic() + self._exchange.evaluation.call_timeout_s
        tried: list[str] = []
        for attempt in range(1, attempts + 1):
            try:
                answer = self._attempt(participant, _varied(request, attempt), deadline, tried)
            except CallError as error:
                if self._exchange.abandoned.is_set():
                    raise Abandoned from None
                replica = tried[-1] if len(tried) == attempt else ""
                wait_s = self._wait_s(participant, attempt, tried)
                last = not error.kind.transient or attempt == attempts or time.monotonic() + wait_s >= deadline
                if last:
                    self._log.gave_up(participant, replica, error, attempt)
                    raise
                self._log.retrying(participant, replica, error, attempt, attempts, wait_s)
                if self._exchange.abandoned.wait(wait_s):
                    raise Abandoned from None
            else:
                self._log.answered(participant, answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, participant: Participant, request: ChatRequest, deadline: float, tried: list[str]) -> Answer:
        """One attempt; the replica that was asked is added to `tried`."""
        self._log.calling(participant)
        if not participant.fleet:
            return self._exchange.outside.complete(self._exchange.evaluation.user.base_url, request, deadline)
        router = self._exchange.router
        conversation = self._log.unit.name
        with router.lease(participant.name, conversation, deadline, tried) as endpoint:
            tried.append(endpoint.replica)
            self._log.calling(participant, endpoint.replica)
            return self._ask(endpoint, request, deadline)

    def _ask(self, endpoint: Endpoint, request: ChatRequest, deadline: float) -> Answer:
        try:
            answer = self._exchange.fleet.complete(endpoint.url, request, deadline)
        except CallError as error:
            if error.kind.of_replica:
                self._exchange.router.failed(endpoint, error.kind)
            else:
                self._exchange.router.answered(endpoint)
            raise
        self._exchange.router.answered(endpoint)
        return replace(answer, replica=endpoint.replica)

    def _wait_s(self, participant: Participant, attempt: int, tried: Sequence[str]) -> float:
        """None at all if another replica can take the call, else twice as long each time, give or take a half."""
        if participant.fleet and self._exchange.router.has_other(participant.name, tried):
            return 0.0
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - only keeps units that failed together from coming back together
        return min(self._exchange.first_wait_s * 2.0 ** (attempt - 1), _LONGEST_WAIT_S) * jitter

    def _request(
        self, participant: Participant, messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]
    ) -> ChatRequest:
        """What this participant gets to see. A model outside the fleet decides itself how it samples and how much."""
        if not participant.fleet:
            return ChatRequest(participant.model, messages, tools)
        evaluation = self._exchange.evaluation
        if not participant.thinking:
            messages = non_thinking(messages, agent=participant.role != "user")
        return ChatRequest(
            model=participant.model,
            messages=fitted(messages, tools, evaluation.context_tokens),
            tools=tools,
            temperature=evaluation.temperature,
            max_tokens=evaluation.max_tokens,
            seed=self._log.unit.seed,
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
