"""Endpoints that behave, and that misbehave in each way that a cluster knows, as asyncio servers of one process.

python -m tests.endpoints KIND[:COUNT]…     serve them until stdin ends; prints one JSON object: kind → its ports
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.core.metrics.texts import text

MODEL = "org/Expert"
MODELS = json.dumps({"data": [{"id": MODEL, "max_model_len": 4096, "root": "/models/expert"}]})
CALL = json.dumps({"choices": [{"message": {"tool_calls": [{"function": {"name": "report_ready"}}]}}]})
Answers = Mapping[str, tuple[int, str]]
GOOD: Answers = {
    "/health": (200, ""),
    "/v1/models": (200, MODELS),
    "/version": (200, '{"version": "0.32.0"}'),
    "/metrics": (200, text("vllm-0.32.0-recorded")),
    "/v1/chat/completions": (200, CALL),
}
EVERYWHERE = ("500", "503", "redirect", "empty")
KINDS: Mapping[str, Answers] = {
    "good": GOOD,
    "500": dict.fromkeys(GOOD, (500, "Internal Server Error")),
    "503": dict.fromkeys(GOOD, (503, "")),
    "redirect": dict.fromkeys(GOOD, (307, "")),
    "empty": dict.fromkeys(GOOD, (200, "")),
    "no-metrics": {**GOOD, "/metrics": (404, '{"detail":"Not Found"}')},
    "another": {**GOOD, "/v1/models": (200, '{"data": [{"id": "org/Another"}]}')},
    "text": {**GOOD, "/v1/chat/completions": (200, '{"choices": [{"message": {"content": "ok"}}]}')},
}
"""What is answered where; the other kinds are no answers but behaviour: slow, silent, garbage, closing, key, turns,
black-hole (no connection is ever taken), refused (nobody listens)."""
SLOW_S = 0.3


@dataclass
class Endpoint:
    """One of them."""

    kind: str
    key: str = "sesame"
    asked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The Authorization headers that came."""

    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def end(self) -> None:
        """No connection stays open."""
        serving = tuple(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn of the loop

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays open."""
        if self.kind == "silent":
            await reader.read()
            return False
        if self.kind == "closing":
            return False
        first = await reader.readexactly(1)
        if first == b"\x16":  # a TLS handshake, which a server without TLS takes for a bad request
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nInvalid HTTP request received.")
            writer.close()
            await writer.wait_closed()
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        path = head.split(" ")[1]
        self.asked.append(path)
        self.keys.append(headers.get("authorization", ""))
        if self.kind == "garbage":
            writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            return False
        if self.kind == "slow":
            await asyncio.sleep(SLOW_S)
        status, body = KINDS.get(self.kind, GOOD).get(path, (404, '{"detail":"Not Found"}'))
        if self.kind == "key" and path.startswith("/v1/") and headers.get("authorization") != f"bearer {self.key}":
            status, body = 401, '{"error":"Unauthorized"}'
        if self.kind == "turns" and path == "/v1/models" and self.asked.count(path) % 2:
            body = '{"data": [{"id": "org/Another"}]}'
        more = "Location: https://elsewhere.example/login\r\n" if status == 307 else ""
        payload = body.encode()
        writer.write(f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        await writer.drain()
        if headers.get("connection") == "close":
            writer.close()
            await writer.wait_closed()
            return False
        return True


async def start(stack: AsyncExitStack, kind: str, certificate: Path | None = None) -> tuple[Endpoint, int]:
    """Start one on a free port; it ends with the stack."""
    endpoint = Endpoint(kind)
    if kind == "refused":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return endpoint, int(free.getsockname()[1])
    if kind == "black-hole":
        return endpoint, _black_hole(stack)
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=tls, backlog=64)
    stack.push_async_callback(endpoint.end)
    stack.callback(server.close)
    return endpoint, int(server.sockets[0].getsockname()[1])


def _black_hole(stack: AsyncExitStack) -> int:
    """A port whose queue of connections is full: the kernel drops what comes, as a firewall does."""
    hole = stack.enter_context(socket.socket())
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    port = int(hole.getsockname()[1])
    for _ in range(3):
        caller = stack.enter_context(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(("127.0.0.1", port))
    return port


async def main(wanted: list[str]) -> None:
    async with AsyncExitStack() as stack:
        ports: dict[str, list[int]] = {}
        for each in wanted:
            kind, _, count = each.partition(":")
            for _ in range(int(count or 1)):
                ports.setdefault(kind, []).append((await start(stack, kind))[1])
        print(json.dumps(ports), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
