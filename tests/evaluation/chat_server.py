"""A real HTTP server that gives the answers it was handed, faults included, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    body: Any = None
    """An object that is sent as JSON."""
    status: int = 200
    events: tuple[Any, ...] = ()
    """Chunks of a stream instead, text as it is and everything else as JSON."""
    cut: bool = False
    """Close the connection after the last chunk, without an end."""
    stalls: bool = False
    """Say nothing more after the last chunk, until the server is closed."""
    headers: Mapping[str, str] = field(default_factory=dict)
    window: int | None = None
    """What /v1/models says of the context length; None: there is no such path."""
    silent: bool = False
    """Answer nothing, until the server is closed."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class ChatServer:
    """The server's side of a test; the last reply is given again and again."""

    replies: list[Reply]
    url: str = ""
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    closing: threading.Event = field(default_factory=threading.Event)

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def chat_server(*replies: Reply) -> Iterator[ChatServer]:
    """A server on a free port that gives these replies in turn."""
    state = ChatServer(list(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(Asked(body, {name.lower(): value for name, value in self.headers.items()}))
            state.connections.add(self.client_address)
            reply = state.next_reply()
            if reply.silent:
                state.closing.wait()
                self.close_connection = True
            elif reply.events:
                self._stream(reply)
            else:
                self._json(reply)

        def do_GET(self) -> None:
            window = state.replies[0].window
            cards = {"data": [{"id": "m", "max_model_len": window}]}
            self._json(Reply(cards) if self.path == "/v1/models" and window else Reply("?", status=404))

        def _json(self, reply: Reply) -> None:
            data = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in reply.events:
                data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if reply.stalls:
                self.wfile.flush()
                state.closing.wait()
            if reply.cut or reply.stalls:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.port = server.server_port
        state.url = f"http://127.0.0.1:{state.port}/v1"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield state
        finally:
            state.closing.set()
            server.shutdown()


def delta(**fields: Any) -> dict[str, Any]:
    """A chunk of a stream that bears a part of a message."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


NO_MONEY = {
    "error": {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }
}
"""OpenAI's answer, with status 429, to an account without money."""


def text_stream(*parts: str) -> Reply:
    """A text that comes in parts, as vLLM sends it."""
    chunks = [delta(role="assistant", content=""), *(delta(content=part) for part in parts)]
    return Reply(events=(*chunks, END, USAGE, "[DONE]"))


def whole(text: str | None, *calls: tuple[str, str]) -> Reply:
    """An answer that is not streamed; calls are (name, arguments)."""
    tool_calls = [{"id": "x", "type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls or None}
    return Reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE["usage"]})


def failure(status: int, message: str = "out of order") -> Reply:
    """An error as vLLM reports it."""
    return Reply({"error": {"message": message, "type": "Error", "param": None, "code": status}}, status=status)
