"""One attempt at a completion, against a real server that answers well, badly or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.evaluation.answer import Answer, ToolRequest
from tau2tui.evaluation.client import ChatClient, ChatRequest
from tau2tui.evaluation.faults import Abandoned, CallError
from tests.evaluation.chat_server import END, NO_MONEY, USAGE, Reply, chat_server, delta, failure, text_stream, whole

KEY = "sk-a-key-that-nobody-may-see"
REQUEST = ChatRequest("org/Model", [{"role": "user", "content": "Hi"}])


@pytest.fixture
def client() -> Iterator[ChatClient]:
    with ChatClient(KEY, stream=True, abandoned=threading.Event()) as client:
        yield client


def ask(client: ChatClient, reply: Reply, request: ChatRequest = REQUEST, within_s: float = 20) -> Answer:
    with chat_server(reply) as server:
        return client.complete(server.url, request, time.monotonic() + within_s)


def error_of(client: ChatClient, reply: Reply, within_s: float = 20) -> CallError:
    with pytest.raises(CallError) as caught:
        ask(client, reply, within_s=within_s)
    return caught.value


def test_a_stream_becomes_an_answer_with_its_phases_and_tokens(client: ChatClient) -> None:
    answer = ask(client, text_stream("<think>hm</think>", "<mess", "age>Good", " day.</message>"))
    assert answer.text == "Good day."
    assert (answer.input_tokens, answer.output_tokens) == (11, 7)
    assert answer.prefill_ms is not None
    assert answer.decode_ms is not None
    assert 0 < answer.prefill_ms <= answer.duration_ms
    assert answer.prefill_ms + answer.decode_ms == pytest.approx(answer.duration_ms)


def test_tool_calls_are_put_together_from_their_parts(client: ChatClient) -> None:
    def part(index: int, name: str | None, arguments: str) -> dict[str, object]:
        return delta(tool_calls=[{"index": index, "function": {"name": name, "arguments": arguments}}])

    chunks = (
        delta(role="assistant", content=""),
        part(0, "get_order", ""), part(0, None, '{"order'), part(0, None, '_id": 1}'),
        part(1, "get_user", '{"id": "a"}'),
        END, USAGE, "[DONE]",
    )  # fmt: skip
    answer = ask(client, Reply(events=chunks))
    assert answer.tool_calls == (ToolRequest("get_order", {"order_id": 1}), ToolRequest("get_user", {"id": "a"}))
    assert answer.text == ""


def test_an_answer_that_is_not_streamed_has_no_phases() -> None:
    with ChatClient(KEY, stream=False, abandoned=threading.Event()) as client:
        answer = ask(client, whole("Good day.", ("now", "")))
    assert (answer.text, answer.tool_calls) == ("Good day.", (ToolRequest("now", {}),))
    assert (answer.prefill_ms, answer.decode_ms) == (None, None)
    assert (answer.input_tokens, answer.output_tokens) == (11, 7)


def test_tokens_that_the_server_did_not_count_are_unknown(client: ChatClient) -> None:
    answer = ask(client, Reply(events=(delta(content="Hi."), END, "[DONE]")))
    assert (answer.input_tokens, answer.output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "bad body", ErrorClass.BAD_REQUEST),
        (400, "This model's maximum context length is 100 tokens.", ErrorClass.CONTEXT_LENGTH),
        (400, "openai_harmony.HarmonyError: unexpected tokens", ErrorClass.HARMONY),
        (401, "Unauthorized", ErrorClass.AUTH),
        (403, "no", ErrorClass.AUTH),
        (404, "The model `nope` does not exist.", ErrorClass.BAD_REQUEST),
        (408, "slow", ErrorClass.TIMEOUT),
        (429, "slow down", ErrorClass.RATE_LIMIT),
        (429, "You exceeded your current quota, please check your plan", ErrorClass.BUDGET),
        (500, "unexpected tokens remaining in message header: Some(x)", ErrorClass.HARMONY),
        (500, "Internal Server Error", ErrorClass.SERVER),
        (503, "The engine is currently busy", ErrorClass.SERVER),
    ],
)
def test_errors_have_classes(client: ChatClient, status: int, message: str, kind: ErrorClass) -> None:
    assert error_of(client, failure(status, message)).kind is kind


def test_an_error_may_be_no_more_than_a_word(client: ChatClient) -> None:
    assert error_of(client, Reply({"error": "Unauthorized"}, status=401)).kind is ErrorClass.AUTH


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "EngineCore encountered an issue.", "code": 500}, ErrorClass.SERVER),
        ({"message": "unexpected tokens remaining in message header: x", "code": 500}, ErrorClass.HARMONY),
        ({"message": "too long", "code": 400}, ErrorClass.BAD_REQUEST),
        ({"message": "strange", "code": None}, ErrorClass.SERVER),
        ("Unauthorized", ErrorClass.SERVER),
    ],
)
def test_an_error_inside_a_stream_is_an_error(client: ChatClient, error: object, kind: ErrorClass) -> None:
    caught = error_of(client, Reply(events=(delta(content="I will"), {"error": error}, "[DONE]")))
    assert caught.kind is kind


def test_a_stream_that_breaks_off_is_no_answer(client: ChatClient) -> None:
    assert error_of(client, Reply(events=(delta(content="I will"),), cut=True)).kind is ErrorClass.CONNECTION
    assert error_of(client, Reply(events=(delta(content="I will"), "[DONE]"))).kind is ErrorClass.CONNECTION


@pytest.mark.parametrize("event", ["<html>", "[1, 2]"])
def test_what_is_no_completion_is_the_servers_fault(client: ChatClient, event: str) -> None:
    assert error_of(client, Reply(events=(event,))).kind is ErrorClass.SERVER


@pytest.mark.parametrize(
    "parts", [(), ("<think>only a thought</think>",), ("<think>cut off",), ("<message></message>",)]
)
def test_neither_text_nor_calls_is_empty(client: ChatClient, parts: tuple[str, ...]) -> None:
    assert error_of(client, text_stream(*parts)).kind is ErrorClass.EMPTY


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reasoning_is_never_taken_for_the_answer(client: ChatClient, key: str) -> None:
    """gpt-oss in vLLM: newer versions name the field `reasoning`, older ones `reasoning_content`."""
    thought = (delta(role="assistant"), delta(**{key: "They want"}), delta(**{key: " a refund."}))
    caught = error_of(client, Reply(events=(*thought, END, USAGE, "[DONE]")))
    assert caught.kind is ErrorClass.EMPTY
    assert "19 characters of reasoning (finish_reason 'stop')" in caught.message
    assert caught.answer is not None
    assert (caught.answer.text, caught.answer.output_tokens) == ("", 7)
    assert ask(client, Reply(events=(*thought, delta(content="Of course."), END, "[DONE]"))).text == "Of course."


def test_reasoning_of_an_answer_that_is_not_streamed_is_not_shown_either() -> None:
    message: dict[str, object] = {
        "role": "assistant",
        "content": None,
        "reasoning": "They want a refund.",
        "tool_calls": [],
    }
    reply = Reply({"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": USAGE["usage"]})
    with ChatClient(KEY, stream=False, abandoned=threading.Event()) as client:
        caught = error_of(client, reply)
    assert caught.kind is ErrorClass.EMPTY
    assert "'length'" in caught.message and "refund" not in caught.message


@pytest.mark.parametrize(
    ("headers", "low_s", "high_s"),
    [
        ({}, 0, 0),
        ({"Retry-After": "3"}, 3, 3),
        ({"Retry-After": "3", "Retry-After-Ms": "250"}, 0.25, 0.25),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After": "soon"}, 0, 0),
        ({"Retry-After": formatdate(time.time() + 3600, usegmt=True)}, 3000, 3600),
        ({"Retry-After": formatdate(time.time() - 3600, usegmt=True)}, 0, 0),
    ],
)
def test_a_refusal_may_say_when_to_come_back(
    client: ChatClient, headers: dict[str, str], low_s: float, high_s: float
) -> None:
    reply = Reply({"error": {"message": "slow down"}}, status=429, headers=headers)
    assert low_s <= error_of(client, reply).retry_after_s <= high_s


def test_an_account_without_money_is_told_from_a_limit_that_passes(client: ChatClient) -> None:
    assert error_of(client, Reply(NO_MONEY, status=429)).kind is ErrorClass.BUDGET
    assert not ErrorClass.BUDGET.transient


def test_nobody_listening_is_a_connection_error(client: ChatClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(CallError) as caught:
            client.complete(f"http://127.0.0.1:{unused.getsockname()[1]}/v1", REQUEST, time.monotonic() + 5)
    assert caught.value.kind is ErrorClass.CONNECTION
    assert "refused" in caught.value.message


def test_silence_is_a_timeout(client: ChatClient) -> None:
    assert error_of(client, Reply(silent=True), within_s=0.2).kind is ErrorClass.TIMEOUT


def test_the_key_is_sent_and_never_told(client: ChatClient) -> None:
    with chat_server(failure(401, f"Incorrect API key provided: {KEY}")) as server, pytest.raises(CallError) as caught:
        client.complete(server.url, REQUEST, time.monotonic() + 20)
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(caught.value)
    assert "Incorrect API key" in str(caught.value)


def test_only_what_is_set_is_sent(client: ChatClient) -> None:
    tools = ({"type": "function", "function": {"name": "now", "parameters": {}}},)
    full = ChatRequest("org/Model", REQUEST.messages, tools, 1.0, 800, 7, {"X-Tau2tui-Role": "agent"})
    with chat_server(text_stream("Hi.")) as server:
        for request in (REQUEST, full):
            client.complete(server.url, request, time.monotonic() + 20)
    plain, with_all = server.asked
    assert plain.body == {
        "model": "org/Model",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert {key: with_all.body[key] for key in ("temperature", "max_tokens", "seed")} == {
        "temperature": 1.0, "max_tokens": 800, "seed": 7,
    }  # fmt: skip
    assert with_all.body["tools"] == list(tools)
    assert with_all.headers["x-tau2tui-role"] == "agent"


def test_connections_are_kept_alive(client: ChatClient) -> None:
    with chat_server(text_stream("Hi.")) as server:
        for _ in range(5):
            client.complete(server.url, REQUEST, time.monotonic() + 20)
    assert len(server.connections) == 1


def test_one_attempt_is_one_request(client: ChatClient) -> None:
    with chat_server(failure(500)) as server, pytest.raises(CallError):
        client.complete(server.url, REQUEST, time.monotonic() + 20)
    assert len(server.asked) == 1


def test_a_stop_lets_go_of_an_answer_that_comes_in() -> None:
    abandoned = threading.Event()
    abandoned.set()
    with ChatClient(KEY, stream=True, abandoned=abandoned) as client, pytest.raises(Abandoned):
        ask(client, text_stream("Hi."))


def test_separators_of_unicode_end_no_line_of_a_stream(client: ChatClient) -> None:
    text = "one\u2028two\x85three\x0cfour"
    raw = json.dumps(delta(content=text), ensure_ascii=False)
    assert ask(client, Reply(events=(raw, END, "[DONE]"))).text == text


@pytest.mark.parametrize("chunk", [{"choices": [3]}, {"choices": 3}, {"choices": [{"delta": {"content": 5}}]}])
def test_chunks_of_an_odd_shape_are_the_servers_fault(client: ChatClient, chunk: object) -> None:
    assert error_of(client, Reply(events=(chunk, END, "[DONE]"))).kind is ErrorClass.SERVER
