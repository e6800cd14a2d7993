"""One attempt at one chat completion: what came back, how long it took, or what kind of error it was.

The `openai` package does the HTTP. Streams are read line by line to their very end, because its own `Stream` closes the
response at `[DONE]`, which costs the kept-alive connection every time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx2
from openai import APIError, APIResponse, DefaultHttpxClient, OpenAI, Timeout

from tau2tui.core.error_class import ErrorClass
from tau2tui.evaluation.answer import Answer, tool_request, visible_text
from tau2tui.evaluation.connection import CONNECT_S, IDLE_S, EventData, without_key
from tau2tui.evaluation.faults import Abandoned, CallError, classify, completion_part, describe, wait_asked_for_s

ChatMessage = dict[str, Any]
"""A message in the form of the chat completions API."""
ToolSchema = dict[str, Any]
"""An entry of the API's `tools`."""

_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=200, keepalive_expiry=IDLE_S)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked of a model, wherever it runs."""

    model: str
    messages: Sequence[ChatMessage]
    tools: Sequence[ToolSchema] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    thinking: bool | None = None
    """Told to the server's chat template, if it is not None."""

    def arguments(self, stream: bool) -> dict[str, Any]:
        """The arguments of the completion call; what is not set is left to the server."""
        chosen = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        arguments: dict[str, Any] = {"model": self.model, "messages": list(self.messages), "stream": stream}
        arguments |= {key: value for key, value in chosen.items() if value is not None}
        if self.tools:
            arguments["tools"] = list(self.tools)
        if stream:
            arguments["stream_options"] = {"include_usage": True}
        if self.thinking is not None:
            arguments["extra_body"] = {"chat_template_kwargs": {"enable_thinking": self.thinking}}
        if self.headers:
            arguments["extra_headers"] = dict(self.headers)
        return arguments


class ChatClient:
    """Calls of any number of threads to any number of servers that take the same key; connections are kept alive."""

    def __init__(self, api_key: str, *, stream: bool, abandoned: threading.Event) -> None:
        self._api_key = api_key
        self._stream = stream
        self._abandoned = abandoned
        self._lock = threading.Lock()
        self._clients: dict[str, OpenAI] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for client in self._clients.values():
            client.close()

    def complete(self, url: str, request: ChatRequest, deadline: float) -> Answer:
        """Ask the server at `url` once. `deadline` is on the monotonic clock.

        Raises CallError, or Abandoned when the driver stops meanwhile.
        """
        started = time.monotonic()
        timeout = _timeout(deadline - started, self._stream)
        parts = _Parts()
        try:
            completions = self._client(url).chat.completions.with_streaming_response
            with completions.create(**request.arguments(self._stream), timeout=timeout) as response:
                for data in _events(response) if self._stream else [response.read()]:
                    if self._abandoned.is_set():
                        raise Abandoned
                    if time.monotonic() > deadline:
                        raise CallError(ErrorClass.TIMEOUT, "the answer did not end in time")
                    parts.add(completion_part(data))
            return parts.answer(started, self._stream)
        except (APIError, httpx2.RequestError) as error:
            wait_s = wait_asked_for_s(error, time.time())
            raise CallError(
                classify(error), without_key(describe(error), self._api_key), retry_after_s=wait_s
            ) from None
        except CallError as error:
            raise CallError(error.kind, without_key(error.message, self._api_key), answer=error.answer) from None

    def _client(self, url: str) -> OpenAI:
        with self._lock:
            if url not in self._clients:
                self._clients[url] = OpenAI(
                    base_url=url, api_key=self._api_key, max_retries=0, http_client=DefaultHttpxClient(limits=_LIMITS)
                )
            return self._clients[url]


def _timeout(left_s: float, stream: bool) -> Timeout:
    """Limits for one attempt; a stream may be silent for half of what is left, so that a hung replica leaves some."""
    left_s = max(left_s, 0.001)
    return Timeout(left_s, connect=min(CONNECT_S, left_s), read=left_s / 2 if stream else left_s)


def _events(response: APIResponse[Any]) -> Iterator[bytes]:
    """The data of server-sent events, to the end of the stream."""
    events = EventData()
    for block in response.iter_bytes():
        yield from events.of(block)


@dataclass(slots=True)
class _Parts:
    """A completion while it comes in, whole or in deltas."""

    text: str = ""
    reasoning: int = 0
    """Characters of it. It is counted, to say why an answer is empty, and never shown: it is not meant for anyone."""
    names: dict[int, str] = field(default_factory=dict)
    arguments: dict[int, str] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    first_at: float | None = None

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in a chunk of a stream, or the whole object that is not one. Raises CallError if it is neither."""
        try:
            self._add(chunk)
        except (AttributeError, TypeError):
            raise CallError(ErrorClass.SERVER, f"not a completion: {str(chunk)[:80]}") from None

    def _add(self, chunk: Mapping[str, Any]) -> None:
        self.usage = chunk.get("usage") or self.usage
        for choice in (chunk.get("choices") or ())[:1]:
            # vLLM's first chunk bears only the role, and is sent with the first token.
            self.first_at = self.first_at or time.monotonic()
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            delta = choice.get("delta") or choice.get("message") or {}
            self.text += delta.get("content") or ""
            self.reasoning += len(delta.get("reasoning") or delta.get("reasoning_content") or "")
            for position, call in enumerate(delta.get("tool_calls") or ()):
                self._add_call(call.get("index", position) or 0, call.get("function") or {})

    def _add_call(self, index: int, function: Mapping[str, Any]) -> None:
        self.names[index] = self.names.get(index) or str(function.get("name") or "")
        self.arguments[index] = self.arguments.get(index, "") + (function.get("arguments") or "")

    def answer(self, started: float, stream: bool) -> Answer:
        """What it amounts to. Raises CallError if it breaks off, or says nothing."""
        ended = time.monotonic()
        if stream and not self.finish_reason:
            raise CallError(ErrorClass.CONNECTION, "the stream broke off before the end of the answer")
        prefill_ms = 1000 * (self.first_at - started) if stream and self.first_at is not None else None
        duration_ms = 1000 * (ended - started)
        answer = Answer(
            text=visible_text(self.text),
            tool_calls=tuple(tool_request(self.names[i], self.arguments[i]) for i in sorted(self.names)),
            duration_ms=duration_ms,
            prefill_ms=prefill_ms,
            decode_ms=None if prefill_ms is None else duration_ms - prefill_ms,
            input_tokens=_count(self.usage, "prompt_tokens"),
            output_tokens=_count(self.usage, "completion_tokens"),
        )
        if answer.empty:
            beside = f", {self.reasoning} characters of reasoning" if self.reasoning else ""
            said = f"neither text nor tool calls{beside} (finish_reason {self.finish_reason!r})"
            raise CallError(ErrorClass.EMPTY, said, answer=answer)
        return answer


def _count(usage: Mapping[str, Any], key: str) -> int | None:
    value = usage.get(key)
    return value if isinstance(value, int) else None
