"""How much of the prompts vLLM's prefix cache knows when a conversation stays with its replica, and when it does not.

The real vLLM; the same conversations, once through the Router as the evaluation uses it and once with a
replica chosen at random for each turn. The shares are vLLM's own counters, in tokens.
"""

from __future__ import annotations

import random
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from tau2tui.core.model import Replica
from tau2tui.evaluation.client import ChatClient, ChatMessage, ChatRequest
from tau2tui.evaluation.routing import FleetReader, Router
from tests.command_line import CommandLine
from tests.processes import free_port
from tests.vllm.serving import MODEL, fleet_config, make_model

HEAD = """\
| replicas | conversations × turns | choice | prompt tokens | of them cached | share |
|--:|--:|--|--:|--:|--:|"""
EXPERT, AT_ONCE = "agent", 4
WORDS_A_TURN = 30
_COUNTER = re.compile(r"^vllm:prefix_cache_(queries|hits)_total\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens of prompts, and how many of them were in the cache of the replica that got them."""

    queries: float
    hits: float


def measure(directory: Path, replicas: int, conversations: int, turns: int) -> str:
    """Two rows of results: sticky and random."""
    make_model(directory / "model")
    port = free_port()
    expert = {"role": "agent", "gpus": list(range(replicas)), "replicas": replicas, "port": port}
    config = directory / "config.toml"
    config.write_text(tomlkit.dumps(fleet_config(directory, {EXPERT: expert})))
    tau2tui = CommandLine(config, directory)
    tau2tui.run("launch", "--skip-doctor")
    try:
        (run,) = directory.glob("runs/2*")
        fleet = FleetReader(run, Router({}), threading.Event()).read()
        rows = []
        for name, routed in (("sticky", True), ("random", False)):
            share = converse(fleet, name, conversations, turns, routed=routed)
            rows.append(
                f"| {replicas} | {conversations} × {turns} | {name} | {share.queries:.0f} | {share.hits:.0f} "
                f"| **{share.hits / share.queries:.1%}** |"
            )
        return "\n".join(rows)
    finally:
        tau2tui.run("stop", "--yes", status=None)


def converse(fleet: tuple[Replica, ...], salt: str, conversations: int, turns: int, *, routed: bool) -> Share:
    """Have all conversations, a few at once; `salt` begins each prompt, so that no two rounds share any."""
    router = Router({EXPERT: AT_ONCE})
    router.update(fleet)
    urls = [f"http://{replica.address}:{replica.port}/v1" for replica in fleet]
    chance = random.Random(0)

    @contextmanager
    def sticky(conversation: str) -> Iterator[str]:
        with router.lease(EXPERT, conversation, time.monotonic() + 60) as endpoint:
            yield endpoint.url

    @contextmanager
    def at_random(conversation: str) -> Iterator[str]:
        yield chance.choice(urls)

    choose = sticky if routed else at_random
    before = counters(urls)
    with ChatClient("none", stream=True, abandoned=threading.Event()) as client, ThreadPoolExecutor(AT_ONCE) as pool:

        def talk(number: int) -> None:
            words = random.Random(number)
            messages: list[ChatMessage] = [{"role": "system", "content": f"{salt} {number}. {speech(words)}"}]
            for _ in range(turns):
                messages.append({"role": "user", "content": speech(words)})
                request = ChatRequest(MODEL, tuple(messages), temperature=0, max_tokens=8)
                with choose(str(number)) as url:
                    answer = client.complete(url, request, time.monotonic() + 120)
                messages.append({"role": "assistant", "content": answer.text})

        for done in [pool.submit(talk, number) for number in range(conversations)]:
            done.result()
    after = counters(urls)
    return Share(after.queries - before.queries, after.hits - before.hits)


def speech(words: random.Random) -> str:
    """Something that nobody said before."""
    return " ".join(f"{words.randrange(1000):03d}" for _ in range(WORDS_A_TURN))


def counters(urls: list[str]) -> Share:
    """vLLM's counters, over all replicas. Raises URLError."""
    found = {"queries": 0.0, "hits": 0.0}
    for url in urls:
        with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics") as response:
            for name, value in _COUNTER.findall(response.read().decode()):
                found[name] += float(value)
    return Share(found["queries"], found["hits"])
