"""Sends a load and gathers what came back: never more requests, at a time or in all, than it was told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from tau2tui.core.load.arrivals import Arrival
from tau2tui.core.load.measured import Sample
from tau2tui.core.load.prompts import prompt
from tau2tui.evaluation.faults import CallError
from tau2tui.load.client import Chunks

HOPELESS = 20
"""So many failures, or twice as many as may be in flight, without one answer, and nothing more is sent."""
WARM_UP = -1_000_000
"""Numbers of the warm-up's prompts: none of them is that of a measured request."""


class Asks(Protocol):
    """What sends a request: LoadClient, or a server in memory."""

    async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. `name` is that of the replica, or the URL."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a load ends, whatever happens."""

    requests: int
    seconds: float
    """Nothing is sent after so many; what is in flight then is waited for."""
    in_flight: int


@dataclass(slots=True)
class Load:
    """One load on one model; `run` measures it."""

    client: Asks
    endpoints: Sequence[Endpoint]
    model: str
    bounds: Bounds
    seed: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to end early: what is in flight is given up and not measured."""
    unfinished: int = 0
    """Requests that were given up by a stop."""
    hopeless: bool = False
    """It was ended because nothing was answered."""
    progress: Callable[[int, int], None] = lambda ended, in_flight: None
    _in_flight: Counter[str] = field(default_factory=Counter)
    _sent: Counter[str] = field(default_factory=Counter)
    _samples: list[Sample] = field(default_factory=list)
    _answered: int = 0
    _began: float = 0.0

    async def warm_up(self, requests: int, input_tokens: int, output_tokens: int) -> tuple[Sample, ...]:
        """Send so many at once and wait for them: connections, caches and compiled graphs are there afterwards."""
        self._begin()
        arrivals = [Arrival(WARM_UP - n, None, input_tokens, output_tokens) for n in range(requests)]
        await self._all_of([self._one(arrival) for arrival in arrivals])
        return tuple(self._samples)

    async def run(self, arrivals: Iterable[Arrival]) -> tuple[Sample, ...]:
        """Send requests as they are due, within the bounds, and return those that ended, in the order of their ends."""
        self._begin()
        due = self._due(arrivals)
        first = next(due, None)
        if first is None:
            return ()
        queue = chain((first,), due)
        if first.at_s is None:
            places = min(self.bounds.in_flight, self.bounds.requests)
            await self._all_of([self._loop(queue) for _ in range(places)])
        else:
            await self._all_of([self._open(queue)])
        return tuple(self._samples)

    def _begin(self) -> None:
        self._samples, self._answered, self._began = [], 0, time.monotonic()

    def _due(self, arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
        """Those that the bounds leave."""
        for count, arrival in enumerate(arrivals):
            if count >= self.bounds.requests or (arrival.at_s or 0.0) > self.bounds.seconds:
                return
            yield arrival

    @property
    def _over(self) -> bool:
        passed_s = time.monotonic() - self._began
        return self.stop.is_set() or self.hopeless or passed_s > self.bounds.seconds

    async def _all_of(self, work: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Until all of it has ended, or the stop."""
        if not work:
            return
        tasks = [asyncio.create_task(each) for each in work]
        stopped = asyncio.create_task(self.stop.wait())
        everything = asyncio.create_task(asyncio.wait(tasks))
        try:
            await asyncio.wait([everything, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (everything, stopped, *tasks):
                task.cancel()
            ended = await asyncio.gather(*tasks, everything, stopped, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _loop(self, queue: Iterator[Arrival]) -> None:
        """One place of a closed loop."""
        while not self._over:
            arrival = next(queue, None)
            if arrival is None:
                return
            await self._one(arrival)

    async def _open(self, queue: Iterator[Arrival]) -> None:
        """Send each at its time, or as soon as there is a place."""
        places = asyncio.Semaphore(self.bounds.in_flight)

        async def one(arrival: Arrival) -> None:
            try:
                await self._one(arrival)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for arrival in queue:
                await asyncio.sleep(max(0.0, self._began + (arrival.at_s or 0.0) - time.monotonic()))
                await places.acquire()
                if self._over:
                    places.release()
                    break
                group.create_task(one(arrival))

    async def _one(self, arrival: Arrival) -> None:
        """Send one and keep what came of it."""
        endpoint = self._choose()
        text = prompt(self.seed, arrival.number, arrival.input_tokens)
        self._in_flight[endpoint.name] += 1
        self._sent[endpoint.name] += 1
        started = time.monotonic()
        late_s = 0.0 if arrival.at_s is None else max(0.0, started - self._began - arrival.at_s)
        begun_s = started - self._began
        try:
            chunks = await self.client.ask(endpoint.url, self.model, text, arrival.output_tokens)
        except CallError as error:
            ended_s = time.monotonic() - self._began
            failure = Sample(endpoint.name, begun_s, ended_s, late_s, error=error.kind, message=error.message)
            self._samples.append(failure)
            limit = max(HOPELESS, 2 * self.bounds.in_flight)
            self.hopeless = self.hopeless or (not self._answered and len(self._samples) >= limit)
        except asyncio.CancelledError:
            self.unfinished += 1
            raise
        else:
            self._answered += 1
            self._samples.append(_sample(chunks, endpoint.name, started, self._began, late_s))
        finally:
            self._in_flight[endpoint.name] -= 1
            self.progress(len(self._samples), self._in_flight.total())

    def _choose(self) -> Endpoint:
        """The replica with the fewest requests in flight, among equals the one that was sent fewest so far."""
        return min(self.endpoints, key=lambda one: (self._in_flight[one.name], self._sent[one.name]))


def _sample(chunks: Chunks, endpoint: str, started: float, began: float, late_s: float) -> Sample:
    assert chunks.first_at is not None and chunks.last_at is not None, "a finished answer has a chunk"
    return Sample(
        endpoint,
        started - began,
        chunks.last_at - began,
        late_s,
        ttft_ms=1000 * (chunks.first_at - started),
        itl_ms=tuple(chunks.gaps_ms),
        input_tokens=chunks.tokens("prompt_tokens"),
        output_tokens=chunks.tokens("completion_tokens"),
    )
