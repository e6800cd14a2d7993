from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.load.arrivals import Arrival, one_by_one
from tau2tui.core.load.measured import summarize
from tau2tui.evaluation.faults import CallError
from tau2tui.load.client import Chunks
from tau2tui.load.generator import HOPELESS, Bounds, Endpoint, Load

ONE = (Endpoint("a", "http://a/v1"),)
TWO = (*ONE, Endpoint("b", "http://b/v1"))


@dataclass
class FakeServers:
    """Answer when they are let, and remember what they were asked."""

    lasts_s: float = 0.0
    fails: int = 0
    """The first so many requests fail."""
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)
    peak: int = 0
    held: asyncio.Event | None = None

    async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
        self.asked.append((url, text, output_tokens))
        number = len(self.asked)
        self.in_flight[url] += 1
        self.peak = max(self.peak, self.in_flight.total())
        began = asyncio.get_running_loop().time()
        try:
            await (self.held.wait() if self.held and number > 3 else asyncio.sleep(self.lasts_s))
        finally:
            self.in_flight[url] -= 1
        if number <= self.fails:
            raise CallError(ErrorClass.CONNECTION, "refused")
        usage = {"prompt_tokens": len(text.split()), "completion_tokens": output_tokens}
        ended = asyncio.get_running_loop().time()
        return Chunks(began, ended, ended, [], finished=True, usage=usage)


def load(servers: FakeServers, bounds: Bounds, endpoints: tuple[Endpoint, ...] = ONE) -> Load:
    return Load(servers, endpoints, "m", bounds)


async def test_a_closed_loop_keeps_its_concurrency_and_ends_at_the_last_request() -> None:
    servers = FakeServers(lasts_s=0.002)
    samples = await load(servers, Bounds(30, 60.0, 4)).run(one_by_one(20, 5))
    assert len(samples) == len(servers.asked) == 30
    assert servers.peak == 4
    assert len({text for _, text, _ in servers.asked}) == 30, "each prompt is another one"


async def test_nothing_is_sent_after_the_time_is_over() -> None:
    servers = FakeServers(lasts_s=0.02)
    samples = await load(servers, Bounds(10_000, 0.1, 2)).run(one_by_one(20, 5))
    assert 2 <= len(samples) < 100


async def test_requests_are_shared_out_among_the_replicas() -> None:
    servers = FakeServers(lasts_s=0.001)
    samples = await load(servers, Bounds(41, 60.0, 4), TWO).run(one_by_one(20, 5))
    assert sorted(sum(pair) for pair in summarize(samples).endpoints.values()) == [20, 21]


async def test_a_replica_that_is_slow_is_sent_less() -> None:
    @dataclass
    class OneIsSlow(FakeServers):
        async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
            self.lasts_s = 0.03 if url == "http://b/v1" else 0.001
            return await FakeServers.ask(self, url, model, text, output_tokens)

    samples = await load(OneIsSlow(), Bounds(40, 60.0, 4), TWO).run(one_by_one(20, 5))
    shares = summarize(samples).endpoints
    assert shares["a"][0] > 2 * shares["b"][0]


async def test_an_open_loop_sends_at_its_times_and_never_more_at_once_than_it_may() -> None:
    servers = FakeServers(lasts_s=0.02)
    arrivals = [Arrival(number, 0.001 * number, 20, 5) for number in range(12)]
    samples = await load(servers, Bounds(100, 60.0, 3)).run(arrivals)
    assert len(samples) == 12 and servers.peak == 3
    assert max(sample.late_s for sample in samples) > 0.01, "those that had to wait for a place were late"
    assert all(sample.started_s >= 0.001 * n for n, sample in enumerate(sorted(samples, key=lambda s: s.started_s)))


async def test_an_open_loop_leaves_out_what_comes_after_its_bounds() -> None:
    servers = FakeServers()
    arrivals = [Arrival(0, 0.0, 20, 5), Arrival(1, 0.01, 20, 5), Arrival(2, 3600.0, 20, 5)]
    assert len(await load(servers, Bounds(100, 1.0, 3)).run(arrivals)) == 2
    assert len(await load(servers, Bounds(1, 1.0, 3)).run(arrivals)) == 1


async def test_a_stop_gives_up_what_is_in_flight_and_keeps_what_has_ended() -> None:
    servers = FakeServers(held=asyncio.Event())
    running = load(servers, Bounds(100, 60.0, 2))
    task = asyncio.create_task(running.run(one_by_one(20, 5)))
    while servers.in_flight.total() < 2 or len(servers.asked) < 5:
        await asyncio.sleep(0.001)
    running.stop.set()
    samples = await task
    assert (len(samples), running.unfinished) == (3, 2)
    assert servers.in_flight.total() == 0


async def test_a_stop_of_an_open_loop_does_not_wait_for_its_next_request() -> None:
    running = load(FakeServers(), Bounds(100, 3600.0, 2))
    task = asyncio.create_task(running.run([Arrival(0, 0.0, 20, 5), Arrival(1, 3000.0, 20, 5)]))
    await asyncio.sleep(0.01)
    running.stop.set()
    assert len(await asyncio.wait_for(task, 30)) == 1


async def test_failures_are_kept_with_their_class_and_a_target_that_never_answers_is_given_up() -> None:
    servers = FakeServers(fails=10_000)
    running = load(servers, Bounds(10_000, 60.0, 2))
    samples = await running.run(one_by_one(20, 5))
    assert running.hopeless and HOPELESS <= len(samples) <= HOPELESS + 2
    assert {sample.error for sample in samples} == {ErrorClass.CONNECTION}


async def test_failures_after_an_answer_end_nothing() -> None:
    servers = FakeServers(fails=HOPELESS - 1)
    samples = await load(servers, Bounds(60, 60.0, 1)).run(one_by_one(20, 5))
    assert len(samples) == 60 and sum(sample.error is None for sample in samples) == 60 - (HOPELESS - 1)


async def test_the_warm_up_is_measured_by_itself_with_other_prompts() -> None:
    servers = FakeServers()
    running = load(servers, Bounds(5, 60.0, 2))
    assert len(await running.warm_up(3, 20, 5)) == 3
    assert len(await running.run(one_by_one(20, 5))) == 5
    assert len({text for _, text, _ in servers.asked}) == 8


async def test_nothing_to_send_is_no_sample() -> None:
    assert await load(FakeServers(), Bounds(5, 60.0, 2)).run(()) == ()
    assert await load(FakeServers(), Bounds(5, 60.0, 2)).warm_up(0, 1, 1) == ()


async def test_a_bug_is_not_taken_for_a_failed_request() -> None:
    class Broken(FakeServers):
        async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await load(Broken(), Bounds(5, 60.0, 2)).run(one_by_one(20, 5))
    with pytest.raises(ExceptionGroup):
        await load(Broken(), Bounds(5, 60.0, 2)).run(islice([Arrival(0, 0.0, 1, 1)], 1))
