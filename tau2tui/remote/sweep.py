"""Many servers asked at once, so that none holds up another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import httpx2

from tau2tui.core.breaker import Breaker
from tau2tui.core.endpoint import Probed
from tau2tui.remote.vllm import TIMEOUT_S, Vllm

AT_ONCE = 64
"""Endpoints that a sweep asks at a time."""
SILENT_AT_ONCE = 64
"""Those that it waits for besides, because they have not answered at once. No more: it may be we who are slow."""
PROMPT_S = 0.25
"""An endpoint that takes longer for its answer gives its place to the next one."""


@dataclass
class Sweep:
    """Asks many endpoints at once, again and again: a few at a time, each within its own time-out.

    Who does not answer promptly gives its place to the next one and is waited for aside, with a bound of its own: so
    silent ones hold up nobody, however many there are. One that fails three times in a row, or cannot be reached, is
    left out for ever longer, from a second to half a minute, and told with what it said last: so it costs nothing.
    """

    client: httpx2.AsyncClient
    timeout_s: float = TIMEOUT_S
    at_once: int = AT_ONCE
    clock: Callable[[], float] = time.monotonic
    breakers: dict[str, Breaker] = field(default_factory=dict)
    last: dict[str, Probed] = field(default_factory=dict)

    async def once(
        self, urls: Iterable[str], *, whole: bool = False, completion: bool = False
    ) -> AsyncIterator[Probed]:
        """What each endpoint said, as it comes: its health, or with `whole` everything up to its metrics."""
        prompt, aside = asyncio.Semaphore(self.at_once), asyncio.Semaphore(SILENT_AT_ONCE)

        async def ask(url: str) -> Probed:
            breaker = self.breakers.setdefault(url, Breaker())
            if not breaker.lets_through(self.clock()):
                before = self.last[url]
                left_s = max((breaker.open_until or 0.0) - self.clock(), 0.0)
                return replace(before, notes=(f"not asked again for {left_s:.0f} s",))
            await prompt.acquire()
            async with _place(prompt, aside, self.timeout_s) as answered:
                breaker.begin()
                server = Vllm(self.client, url, self.timeout_s)
                found = await server.health()
                answered.set()
                if whole:
                    found = await server.look_on(found, completion=completion)
            if found.ready:
                breaker.succeeded()
            else:
                breaker.failed(self.clock(), at_once=not found.answered)
            self.last[url] = found
            return found

        tasks = [asyncio.create_task(ask(url)) for url in urls]
        try:
            for finished in asyncio.as_completed(tasks):
                yield await finished
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _place(
    prompt: asyncio.Semaphore, aside: asyncio.Semaphore, patience_s: float
) -> AsyncIterator[asyncio.Event]:
    """A place among the prompt ones, which was taken; after a while one aside, as soon as one is free there.

    Whoever has answered once, which is to be told, keeps it for `patience_s`: then it is our own machine that is slow.
    """
    held, answered = prompt, asyncio.Event()

    async def move() -> None:
        nonlocal held
        with suppress(TimeoutError):
            async with asyncio.timeout(PROMPT_S):
                await answered.wait()
            await asyncio.sleep(patience_s)
        await aside.acquire()
        held = aside
        prompt.release()

    moving = asyncio.create_task(move())
    try:
        yield answered
    finally:
        moving.cancel()
        held.release()
