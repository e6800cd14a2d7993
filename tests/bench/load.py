"""What the load generator itself costs: a server that answers at once, our load on it, and bare streamed requests.

The server is a process of its own: `python -m tests.bench.load PORT` answers every POST with a stream of eight chunks.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from tau2tui.core.load.measured import Summary
from tau2tui.load.client import LoadClient
from tau2tui.load.generator import Endpoint
from tau2tui.load.measuring import Target, closed_loop, measure
from tests.processes import free_port, wait_for

HEAD = """\
| at once | requests | bare requests/s | ours | ratio | CPU ms for one: bare, ours | TTFT p50, p99 ms | TPOT p50 ms |
|--:|--:|--:|--:|--:|--:|--:|--:|"""
CHUNKS = 8


def _body() -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}]
    events += [{"choices": [{"index": 0, "delta": {"content": "and "}, "finish_reason": None}]} for _ in range(CHUNKS)]
    events += [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
        {"choices": [], "usage": {"prompt_tokens": 512, "completion_tokens": CHUNKS, "total_tokens": 512 + CHUNKS}},  # type: ignore[dict-item]
    ]
    texts = [*(json.dumps(event) for event in events), "[DONE]"]
    parts = [f"data: {text}\n\n".encode() for text in texts]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = head + _body()
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            lines = request.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            writer.write(whole)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(port: int) -> None:
    """Answer until the end of the process."""
    server = await asyncio.start_server(_answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def rows(at_once: list[int], requests: int) -> Iterator[str]:
    """One row for each concurrency; bare requests and ours by turns, the better of two rounds of each."""
    with _server() as url:
        for concurrency in at_once:
            bare = [_timed(_bare(url, concurrency, requests)) for _ in range(2)]
            ours = [_timed(_ours(url, concurrency, requests)) for _ in range(2)]
            bare_s, bare_cpu_s, _ = min(bare, key=lambda one: one[0])
            ours_s, ours_cpu_s, summary = min(ours, key=lambda one: one[0])
            assert summary is not None and (summary.completed, summary.failed) == (requests, 0)
            cpu = f"{1000 * bare_cpu_s / requests:.2f}, {1000 * ours_cpu_s / requests:.2f}"
            yield (
                f"| {concurrency} | {requests} | {requests / bare_s:.0f} | {requests / ours_s:.0f} | "
                f"**{bare_s / ours_s:.2f}×** | {cpu} | "
                f"{summary.ttft.percentiles[50]:.1f}, {summary.ttft.percentiles[99]:.1f} | "
                f"{summary.tpot.percentiles[50]:.2f} |"
            )


def _timed(work: Coroutine[Any, Any, Summary | None]) -> tuple[float, float, Summary | None]:
    """Wall seconds, CPU seconds, and what was measured."""
    cpu, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    summary = asyncio.run(work)
    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return (summary.duration_s if summary else took_s), cpu_s, summary


async def _ours(url: str, concurrency: int, requests: int) -> Summary:
    target = Target("x", "m", (Endpoint("x", url),))
    async with LoadClient("k", timeout_s=60) as client:
        work = closed_loop(concurrency, requests, 600.0, 512, CHUNKS, 0, 0)
        return (await measure(client, target, work, asyncio.Event(), lambda ended, in_flight: None)).summary


async def _bare(url: str, concurrency: int, requests: int) -> None:
    """The same bytes by the HTTP client below the openai package, read to their end and not looked at."""
    text = "word " * 504
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": CHUNKS, "stream": True}
    left = iter(range(requests))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)

    async def loop(client: httpx2.AsyncClient) -> None:
        for _ in left:
            async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
                async for _ in response.aiter_bytes():
                    pass

    async with httpx2.AsyncClient(limits=limits, timeout=60) as client:
        await asyncio.gather(*(loop(client) for _ in range(concurrency)))


@contextmanager
def _server() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.load", str(port)])
    try:
        wait_for(lambda: _listens(port), "the server")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        httpx2.post(f"http://127.0.0.1:{port}/", content=b"", timeout=5)
    except httpx2.HTTPError:
        return False
    return True


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
