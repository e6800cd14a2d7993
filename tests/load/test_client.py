"""The client against practice servers: real processes, real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.evaluation.faults import CallError
from tau2tui.load.client import Chunks, LoadClient
from tau2tui.load.generator import Endpoint
from tau2tui.load.measuring import Target, Work, closed_loop, measure
from tests.load.server_figures import Buckets, disagreements, in_every_measure, scrape
from tests.processes import free_port
from tests.rehearsal.conftest import MODEL, Servers

HISTOGRAMS = ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_time_per_output_token_seconds")


@asynccontextmanager
async def a_client(timeout_s: float = 60.0, key: str = "secret-key") -> AsyncIterator[LoadClient]:
    async with LoadClient(key, timeout_s=timeout_s) as client:
        yield client


def choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def test_a_stream_is_timed_by_its_chunks_and_the_role_alone_is_no_token() -> None:
    chunks = Chunks()
    chunks.add(choice({"role": "assistant", "content": ""}), 1.0)
    chunks.add(choice({"content": "a"}), 1.001)
    chunks.add(choice({"reasoning": "b"}), 1.201)
    chunks.add(choice({}, "stop"), 1.301)
    chunks.add({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}, 9.0)
    assert (chunks.first_at, chunks.last_at, chunks.finished) == (1.0, 1.301, True)
    assert chunks.gaps_ms == pytest.approx([200.0, 100.0])
    assert (chunks.tokens("prompt_tokens"), chunks.tokens("completion_tokens")) == (7, 3)


def test_a_server_that_counts_nothing_has_no_token_figures() -> None:
    chunks = Chunks()
    chunks.add({**choice({"content": "a"}, "stop"), "usage": None}, 1.0)
    assert chunks.tokens("completion_tokens") is None


class Watching(LoadClient):
    """The real client, which looks at the server's histograms between the warm-up and the rest."""

    def __init__(self, url: str, warm_up: int) -> None:
        super().__init__("k", timeout_s=60)
        self.url, self.left, self.before = url, warm_up, dict[str, Buckets]()

    async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
        if self.left == 0:
            self.before = scrape(self.url, *HISTOGRAMS)
        self.left -= 1
        return await super().ask(url, model, text, output_tokens)


@pytest.mark.slow
async def test_figures_are_those_of_the_servers_own_histograms_within_their_buckets(servers: Servers) -> None:
    running = servers.start_ready("--speed", "40", "--max-num-seqs", "3", "--latency-of", "expert-3")
    target = Target("x", MODEL, (Endpoint("x", f"{running.url}/v1"),))
    work = closed_loop(6, 60, 60.0, 64, 40, 6, 1)
    assert await in_every_measure(lambda: differing(running.url, target, work)) == {}


@asynccontextmanager
async def slowest_way(url: str) -> AsyncIterator[list[float]]:
    """How long requests that are no work take meanwhile, ms: so much a busy machine adds between server and client."""
    ways_ms = [0.0]

    async def go() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                started = time.monotonic()
                await client.get(f"{url}/health")
                ways_ms.append(1000 * (time.monotonic() - started))
                await asyncio.sleep(0.01)

    going = asyncio.create_task(go())
    try:
        yield ways_ms
    finally:
        going.cancel()


async def differing(url: str, target: Target, work: Work) -> dict[str, str]:
    """One measure: what is counted is the same on both sides; which times differ is the answer."""
    async with Watching(url, work.warm_up) as watching, slowest_way(url) as ways_ms:
        outcome = await measure(watching, target, work, asyncio.Event(), lambda ended, in_flight: None)
    summary, before = outcome.summary, watching.before
    deadline = time.monotonic() + 30
    after = scrape(url, *HISTOGRAMS)
    while after[HISTOGRAMS[1]].since(before[HISTOGRAMS[1]]).count < 60 and time.monotonic() < deadline:
        after = scrape(url, *HISTOGRAMS)  # the last one is counted after its last chunk was sent
    assert (outcome.warm_up, summary.completed, summary.failed) == (6, 60, 0)
    assert summary.output_tokens == 60 * 40
    assert summary.peak_concurrency == 6
    assert summary.itl.count == 60 * 8, "the practice server sends eight chunks and an end"
    figures = zip(HISTOGRAMS, (summary.ttft, summary.e2e, summary.tpot), (30.0, 30.0, 3.0), strict=True)
    way_ms = max(ways_ms)
    return {
        f"{name} {what}": how
        for name, ours, slack_ms in figures
        for what, how in disagreements(ours, after[name].since(before[name]), slack_ms + way_ms).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", ErrorClass.SERVER),
        ("429", ErrorClass.RATE_LIMIT),
        ("harmony", ErrorClass.HARMONY),
        ("cut", ErrorClass.CONNECTION),
        ("hang", ErrorClass.TIMEOUT),
    ],
)
async def test_what_goes_wrong_has_the_class_of_the_evaluation(servers: Servers, fault: str, kind: ErrorClass) -> None:
    running = servers.start_ready()
    running.ask_fault(fault)
    async with a_client(timeout_s=0.5 if fault == "hang" else 30.0) as client:
        with pytest.raises(CallError) as failed:
            await client.ask(f"{running.url}/v1", MODEL, "hello", 4)
    assert failed.value.kind is kind


@pytest.mark.slow
async def test_a_refused_key_is_told_without_the_key_and_the_served_models_with_the_right_one(servers: Servers) -> None:
    running = servers.start_ready(environment={"VLLM_API_KEY": "the-right-one"})
    async with a_client(key="wrong-key-77") as client:
        with pytest.raises(CallError) as refused:
            await client.models(f"{running.url}/v1")
    assert refused.value.kind is ErrorClass.AUTH and "wrong-key-77" not in str(refused.value)
    async with a_client(key="the-right-one") as client:
        assert await client.models(f"{running.url}/v1") == (MODEL,)


async def test_nobody_at_the_port_is_an_error_of_the_connection() -> None:
    async with a_client() as client:
        with pytest.raises(CallError) as dead:
            await client.ask(f"http://127.0.0.1:{free_port()}/v1", MODEL, "hello", 4)
    assert dead.value.kind is ErrorClass.CONNECTION
