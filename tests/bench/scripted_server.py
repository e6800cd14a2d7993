"""A server that plays agent and user of real tasks after a fixed time, for any harness: it needs no headers of ours.

Which task a call belongs to is read from the conversation: the user's from its scenario, the agent's from the user's
first words, which name it. `python -m tests.bench.scripted_server PORT FILE` with the script in FILE.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tau2tui.rehearsal.server import Turn, play_expert, play_user

_SCENARIO = re.compile(r"<scenario>\s*(.*?)\s*</scenario>", re.DOTALL)
_UNIT = re.compile(r"\[\[unit (\S+?)\]\]")


class Player:
    """Gives the next turn of a conversation."""

    def __init__(self, script: dict[str, Any]) -> None:
        """`script`: `tasks` as the rehearsal has them, and `scenarios`: the text of each → "domain/task_id"."""
        self._tasks = script["tasks"]
        self._scenarios = script["scenarios"]

    def turn(self, request: dict[str, Any]) -> Turn:
        messages, tools = request["messages"], request.get("tools") or []
        if scenario := _SCENARIO.search(str(messages[0].get("content"))):
            unit = self._scenarios[scenario[1]]
            turn = play_user(messages, tools, unit)
            first = all(message["role"] != "assistant" for message in messages)
            return turn._replace(text=f"{turn.text} [[unit {quote(unit)}]]") if first else turn
        said = (message for message in messages if message["role"] == "user")
        named = _UNIT.search(str(next(said)["content"]))
        assert named, "the first message of the user names no unit"
        return play_expert(messages, tools, self._tasks[unquote(named[1])])


def completion(turn: Turn, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a stream, or the one object that is not one."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.tool:
        function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
        message["tool_calls"] = [{"index": 0, "id": uuid.uuid4().hex, "type": "function", "function": function}]
    head = {"id": uuid.uuid4().hex, "created": 0, "model": request["model"]}
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
    finish = "tool_calls" if turn.tool else "stop"
    if not request.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        yield {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return
    head["object"] = "chat.completion.chunk"
    yield {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    yield {**head, "choices": [], "usage": usage}


class Server:
    """HTTP/1.1 with kept-alive connections, in one thread."""

    def __init__(self, player: Player, latency_s: float, record: Path | None) -> None:
        """`record`: a file that gets the body of every request, one a line."""
        self._player = player
        self._latency_s = latency_s
        self._record = record.open("ab") if record else None

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=512)
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                if self._record and body:
                    self._record.write(body.replace(b"\n", b" ") + b"\n")
                    self._record.flush()
                writer.write(await self._answer(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: bytes) -> bytes:
        if not body:
            return _response(b"{}", b"application/json")
        request = json.loads(body)
        chunks = [json.dumps(chunk).encode() for chunk in completion(self._player.turn(request), request)]
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if not request.get("stream"):
            return _response(chunks[0], b"application/json")
        return _response(b"".join(b"data: %s\n\n" % data for data in (*chunks, b"[DONE]")), b"text/event-stream")


def _response(body: bytes, content_type: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (content_type, len(body), body)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("script", type=Path)
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    player = Player(json.loads(arguments.script.read_text()))
    asyncio.run(Server(player, arguments.latency_s, arguments.record).serve(arguments.port))


if __name__ == "__main__":
    main()
