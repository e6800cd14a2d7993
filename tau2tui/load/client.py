"""One streamed completion on the event loop, with the time of each of its chunks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx2
from openai import APIError, AsyncAPIResponse, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from tau2tui.core.error_class import ErrorClass
from tau2tui.evaluation.connection import CONNECT_S, IDLE_S, EventData, without_key
from tau2tui.evaluation.faults import CallError, classify, completion_part, describe

TEXT = ("content", "reasoning", "reasoning_content", "tool_calls")
"""Of a delta: what tokens come in."""


@dataclass(slots=True)
class Chunks:
    """A completion while it comes in; times on the monotonic clock."""

    first_at: float | None = None
    """The first chunk that bears a choice."""
    last_at: float | None = None
    token_at: float | None = None
    gaps_ms: list[float] = field(default_factory=list)
    """Between the chunks that bear tokens."""
    finished: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)

    def add(self, chunk: Mapping[str, Any], at: float) -> None:
        """Take in a chunk. Raises AttributeError, TypeError, KeyError if it is none."""
        self.usage = chunk.get("usage") or self.usage
        for choice in (chunk.get("choices") or ())[:1]:
            delta = choice.get("delta") or {}
            role_alone = self.token_at is None and not any(delta.get(name) for name in TEXT)
            self.finished = bool(choice.get("finish_reason")) or self.finished
            if self.token_at is not None:
                self.gaps_ms.append(1000 * (at - self.token_at))
            if not role_alone:
                self.token_at = at
            self.first_at = at if self.first_at is None else self.first_at
            self.last_at = at

    def tokens(self, key: str) -> int | None:
        """A figure of the usage; None if the server does not say."""
        value = self.usage.get(key)
        return value if isinstance(value, int) else None


class LoadClient:
    """Any number of requests at once to servers that take the same key; connections are kept alive."""

    def __init__(self, api_key: str, *, timeout_s: float, ignore_eos: bool = True) -> None:
        """`timeout_s`: for a request as a whole; `ignore_eos`: vLLM's way to get answers of a certain length."""
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._ignore_eos = ignore_eos
        self._clients: dict[str, AsyncOpenAI] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.close()

    async def models(self, url: str) -> tuple[str, ...]:
        """The names that a server serves. Raises CallError."""
        try:
            page = await self._client(url).models.list(timeout=min(self._timeout_s, 30.0))
            return tuple(model.id for model in page.data)
        except (APIError, httpx2.RequestError, TypeError, AttributeError) as error:
            raise CallError(classify(error), without_key(describe(error), self._api_key)) from None

    async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
        """Have one prompt answered. Raises CallError."""
        chunks = Chunks()
        try:
            async with asyncio.timeout(self._timeout_s):
                completions = self._client(url).chat.completions.with_streaming_response
                async with completions.create(
                    model=model,
                    messages=[{"role": "user", "content": text}],
                    max_tokens=output_tokens,
                    temperature=0.0,
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_body={"ignore_eos": True} if self._ignore_eos else None,
                ) as response:
                    async for data, at in _events(response):
                        chunks.add(completion_part(data), at)
        except TimeoutError:
            raise CallError(ErrorClass.TIMEOUT, f"no whole answer within {self._timeout_s:.0f} s") from None
        except (APIError, httpx2.RequestError) as error:
            raise CallError(classify(error), without_key(describe(error), self._api_key)) from None
        except CallError as error:
            raise CallError(error.kind, without_key(error.message, self._api_key)) from None
        except (AttributeError, TypeError, KeyError):
            raise CallError(ErrorClass.SERVER, "not a completion") from None
        if not chunks.finished:
            raise CallError(ErrorClass.CONNECTION, "the stream broke off before the end of the answer")
        return chunks

    def _client(self, url: str) -> AsyncOpenAI:
        if url not in self._clients:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S)
            timeout = Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
            http_client = DefaultAsyncHttpxClient(limits=limits, timeout=timeout)
            self._clients[url] = AsyncOpenAI(
                base_url=url, api_key=self._api_key, max_retries=0, timeout=timeout, http_client=http_client
            )
        return self._clients[url]


async def _events(response: AsyncAPIResponse[Any]) -> AsyncIterator[tuple[bytes, float]]:
    """The data of server-sent events and when their last byte came; read to the end, so that the connection lives."""
    events = EventData()
    async for block in response.iter_bytes():
        at = time.monotonic()
        for data in events.of(block):
            yield data, at
