"""A sweep over hundreds of endpoints, some of them broken, against asking one after the other."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tau2tui.core.endpoint import Probed
from tau2tui.remote.sweep import Sweep
from tau2tui.remote.vllm import Vllm, http_client

HEAD = """\
| endpoints | broken | one after the other s | first s | good after s | next s | good after s | whole s | good after s |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""
BROKEN = ("refused", "black-hole", "500", "slow", "garbage", "silent")
PROCESSES = 2
Swept = tuple[float, float]
"""Seconds of a sweep: to its end, and until all good ones had been told."""
ROUNDS = 5


@contextmanager
def served(count: int, broken: int) -> Iterator[dict[str, list[str]]]:
    """So many endpoints in a few processes; kind → URLs."""
    of_kind = Counter(BROKEN[number % len(BROKEN)] for number in range(broken))
    urls: dict[str, list[str]] = {}
    processes = []
    try:
        for part in range(PROCESSES):
            wanted = {kind: n // PROCESSES + (part < n % PROCESSES) for kind, n in of_kind.items()}
            good = count // PROCESSES - sum(wanted.values())
            arguments = [f"{kind}:{n}" for kind, n in {"good": good, **wanted}.items() if n]
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.endpoints", *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            processes.append(process)
            assert process.stdout is not None
            for kind, ports in json.loads(process.stdout.readline()).items():
                urls.setdefault(kind, []).extend(f"http://127.0.0.1:{port}" for port in ports)
        yield urls
    finally:
        for process in processes:
            process.kill()
            process.communicate()


async def one_by_one(urls: list[str], timeout_s: float) -> float:
    """Seconds for what a loop takes: each endpoint after the one before it."""
    async with http_client(tls=False) as client:
        began = time.perf_counter()
        for url in urls:
            await Vllm(client, url, timeout_s).health()
        return time.perf_counter() - began


async def sweeps(kinds: dict[str, list[str]], timeout_s: float, at_once: int) -> tuple[Swept, Swept, Swept]:
    """The first sweep, the median of those after it, and whole looks: each to its end, and until all good ones were
    told.
    """
    # The broken ones stand between the good ones, as they do on a cluster.
    every = [url for urls in kinds.values() for url in urls]
    every = [url for step in range(17) for url in every[step::17]]
    good = set(kinds["good"]) | set(kinds.get("slow", ()))
    async with http_client(tls=False) as client:
        sweep = Sweep(client, timeout_s, at_once)

        async def once(*, whole: bool = False) -> Swept:
            began, good_s, found = time.perf_counter(), 0.0, dict[str, Probed]()
            async for each in sweep.once(every, whole=whole):
                found[each.url] = each
                if each.ready:
                    good_s = time.perf_counter() - began
            assert set(found) == set(every) and {url for url, each in found.items() if each.ready} == good
            return time.perf_counter() - began, good_s

        first = await once()
        later = [await once() for _ in range(ROUNDS)]
        median = statistics.median(each[0] for each in later), statistics.median(each[1] for each in later)
        return first, median, await once(whole=True)


def measure(count: int, broken: int, timeout_s: float, at_once: int) -> str:
    """A row of results; every endpoint was told as what it is."""
    with served(count, broken) as kinds:
        every = [url for urls in kinds.values() for url in urls]
        loop_s = asyncio.run(one_by_one(every, timeout_s))
        first, later, whole = asyncio.run(sweeps(kinds, timeout_s, at_once))
    return (
        f"| {len(every)} | {broken} | {loop_s:.1f} | {first[0]:.2f} ({loop_s / first[0]:.0f}×) | **{first[1]:.2f}** | "
        f"{later[0]:.2f} | **{later[1]:.2f}** | {whole[0]:.1f} | **{whole[1]:.1f}** |"
    )
