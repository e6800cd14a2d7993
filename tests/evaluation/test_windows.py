"""What a server says of the length of its conversations."""

from __future__ import annotations

from tau2tui.evaluation.routing import Endpoint
from tau2tui.evaluation.windows import Windows
from tests.evaluation.chat_server import Reply, chat_server, text_stream
from tests.processes import free_port


def test_a_server_is_asked_once_in_its_life() -> None:
    windows = Windows("EMPTY")
    with chat_server(Reply(window=4096)) as server:
        first = Endpoint("expert-1-0", server.url, (1, 5.0))
        assert windows.of(first) == 4096
        server.replies[0] = Reply(window=8192)
        assert windows.of(first) == 4096
        assert windows.of(Endpoint("expert-1-0", server.url, (2, 9.0))) == 8192


def test_a_server_that_does_not_say_is_not_asked_again() -> None:
    windows = Windows("EMPTY")
    with chat_server(text_stream("Hi.")) as server:
        endpoint = Endpoint("expert-1-0", server.url)
        assert windows.of(endpoint) is None
        server.replies[0] = Reply(window=4096)
        assert windows.of(endpoint) is None


def test_one_that_cannot_be_reached_is_asked_again_by_the_next_call() -> None:
    windows = Windows("EMPTY")
    assert windows.of(Endpoint("expert-1-0", f"http://127.0.0.1:{free_port()}/v1")) is None
    with chat_server(Reply(window=4096)) as server:
        assert windows.of(Endpoint("expert-1-0", server.url)) == 4096
