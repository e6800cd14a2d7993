"""A practice server as a real process, seen by the clients that will meet it."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tau2tui.rehearsal import server
from tests.rehearsal.conftest import MODEL, PATIENCE_S, RunningServer, Servers

pytestmark = pytest.mark.slow

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
RETAIL_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("find_user_id_by_name_zip", "get_order_details", "get_product_details")
]
OPENING: list[Any] = [{"role": "user", "content": "Hello"}]


@contextmanager
def openai_client(running: RunningServer, api_key: str = "EMPTY") -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=api_key, max_retries=0, timeout=PATIENCE_S) as client:
        yield client


def metric(running: RunningServer, name: str) -> float:
    text = httpx.get(f"{running.url}/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


def wait_until(running: RunningServer, name: str, value: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while metric(running, name) != value:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_healthy(running: RunningServer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(httpx.ReadTimeout):
            httpx.get(f"{running.url}/health", timeout=0.5)
            return
    raise AssertionError("still hanging")


# starting and stopping


def test_the_file_is_valid_for_python_3_8_and_needs_no_package(tmp_path: Path) -> None:
    tree = ast.parse(Path(server.__file__).read_text(), feature_version=(3, 8))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    compiled = [sys.executable, "-m", "py_compile", str(tmp_path / "server.py")]
    (tmp_path / "server.py").write_text(Path(server.__file__).read_text())
    assert subprocess.run(compiled, check=False).returncode == 0


def test_it_refuses_connections_until_it_is_ready_and_logs_like_vllm(servers: Servers) -> None:
    running = servers.start(
        "--start-s", "1.5", "--tool-call-parser", "hermes", "--speculative-config", '{"method": "x"}'
    )
    deadline = time.monotonic() + PATIENCE_S
    while "Loading safetensors checkpoint shards:  50% Completed | 2/4" not in running.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health")
    running.wait_until_ready()
    log = running.log.read_text()
    order = [
        "non-default args",
        "Starting to load model " + MODEL,
        "100% Completed | 4/4",
        "torch.compile took",
        "Capturing CUDA graphs",
        "init engine",
        "Starting vLLM server on http://127.0.0.1",
        "Application startup complete.",
    ]
    positions = [log.index(milestone) for milestone in order]
    assert positions == sorted(positions)


def test_an_eager_server_neither_compiles_nor_captures(servers: Servers) -> None:
    log = servers.start_ready("--enforce-eager").log.read_text()
    assert "torch.compile" not in log
    assert "Capturing CUDA graphs" not in log


def test_a_second_server_on_a_port_fails_as_vllm_does(servers: Servers) -> None:
    first = servers.start_ready()
    second = servers.start(port=first.port)
    assert second.process.wait(PATIENCE_S) == 1
    assert "OSError: [Errno 98] Address already in use" in second.log.read_text()
    assert httpx.get(f"{first.url}/health").status_code == 200


def test_term_ends_it_with_status_0_and_frees_the_port(servers: Servers) -> None:
    running = servers.start_ready()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE_S) == 0
    log = running.log.read_text()
    assert "[shutdown] API server: shutdown triggered" in log
    assert "Traceback" not in log
    servers.start(port=running.port).wait_until_ready()


def test_a_stream_cut_by_the_end_of_the_server_says_so_before_it_ends(servers: Servers) -> None:
    running = servers.start_ready("--speed", "0.01")  # a probe then takes 23 seconds
    body = {"model": MODEL, "messages": OPENING, "stream": True}
    with httpx.stream("POST", f"{running.url}/v1/chat/completions", json=body, timeout=PATIENCE_S) as response:
        wait_until(running, "vllm:num_requests_running", 1)
        running.process.send_signal(signal.SIGTERM)
        lines = [line for line in response.iter_lines() if line]
    assert "EngineCore encountered an issue" in lines[-2]
    assert lines[-1] == "data: [DONE]"
    assert running.process.wait(PATIENCE_S) == 0


def test_a_start_up_that_is_asked_to_fail_ends_with_an_error_and_status_1(servers: Servers) -> None:
    running = servers.start("--fault", "exit")
    assert running.process.wait(PATIENCE_S) == 1
    assert "OutOfMemoryError" in running.log.read_text()


# endpoints


def test_the_small_endpoints_answer_as_vllm_does(servers: Servers) -> None:
    running = servers.start_ready("--served-model-name", "tiny", "--max-model-len", "2048")
    with httpx.Client(base_url=running.url) as client:
        health = client.get("/health")
        assert (health.status_code, health.content) == (200, b"")
        assert client.get("/ping").status_code == 200
        assert client.get("/version").json() == {"version": "0.32.0"}
        assert client.get("/load").json() == {"server_load": 0}
        card = client.get("/v1/models").json()["data"][0]
        assert (card["id"], card["root"], card["max_model_len"]) == ("tiny", MODEL, 2048)
        assert client.post("/tokenize", json={"model": "tiny", "prompt": "x" * 40}).json()["count"] == 10
        assert client.get("/nope").json() == {"detail": "Not Found"}
        assert client.get("/v1/chat/completions").status_code == 405


def test_requests_that_are_wrong_get_the_error_bodies_of_vllm(servers: Servers) -> None:
    running = servers.start_ready("--max-model-len", "2048")
    unknown = running.chat(model="nope")
    assert unknown.status_code == 404
    assert unknown.json()["error"] == {
        "message": f"The model `nope` does not exist. Valid aliases: {MODEL}.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }
    for body in (b"{not json", b"[]", b'{"messages": "hello"}', b'{"messages": [], "tools": [{}]}'):
        bad = httpx.post(f"{running.url}/v1/chat/completions", content=body)
        assert (bad.status_code, bad.json()["error"]["type"]) == (400, "Bad Request")
    long = running.chat(messages=[{"role": "user", "content": "x" * 10_000}])
    assert (long.status_code, long.json()["error"]["param"]) == (400, "input_tokens")
    assert "maximum context length" in long.json()["error"]["message"]


def test_with_a_key_only_v1_and_the_faults_are_closed(servers: Servers) -> None:
    running = servers.start_ready(environment={"VLLM_API_KEY": "secret-of-the-test"})
    with httpx.Client(base_url=running.url) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 200
        for authorization in ({}, {"Authorization": "Bearer wrong"}):
            refused = client.get("/v1/models", headers=authorization)
            assert (refused.status_code, refused.content) == (401, b'{"error":"Unauthorized"}')
            assert client.post("/rehearsal/fault", json={"fault": "exit"}, headers=authorization).status_code == 401
    with openai_client(running, "secret-of-the-test") as client:
        assert [model.id for model in client.models.list()] == [MODEL]
    assert "secret-of-the-test" not in running.log.read_text()


def test_the_access_log_leaves_out_what_monitors_ask_for(servers: Servers) -> None:
    running = servers.start_ready()
    metric(running, "vllm:num_requests_running")
    running.chat()
    log = running.log.read_text()
    assert '"POST /v1/chat/completions HTTP/1.1" 200 OK' in log
    assert "/health" not in log
    assert "GET /metrics" not in log


def test_metrics_count_what_was_served(servers: Servers) -> None:
    running = servers.start_ready()
    usage = running.chat().json()["usage"]
    assert metric(running, "vllm:prompt_tokens_total") == usage["prompt_tokens"]
    assert metric(running, "vllm:generation_tokens_total") == usage["completion_tokens"]
    assert metric(running, "vllm:e2e_request_latency_seconds_count") == 1
    assert metric(running, "http_requests_total") >= 2


def test_requests_beyond_the_batch_wait_for_a_place_and_end_with_the_server(servers: Servers) -> None:
    running = servers.start_ready("--max-num-seqs", "1", "--speed", "0.01")  # a probe then takes 23 seconds
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(running.chat) for _ in range(2)]
        wait_until(running, "vllm:num_requests_waiting", 1)
        assert metric(running, "vllm:num_requests_running") == 1
        running.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [500, 500]


# completions


def test_a_probe_with_one_tool_comes_back_as_a_parsed_tool_call(servers: Servers) -> None:
    message = servers.start_ready().chat(tools=[WEATHER]).json()["choices"][0]["message"]
    function = message["tool_calls"][0]["function"]
    assert function["name"] == "get_weather"
    assert json.loads(function["arguments"]) == {"city": "example"}


def test_a_streamed_tool_call_comes_name_first_then_its_arguments_in_pieces(
    servers: Servers, script_file: Path
) -> None:
    running = servers.start_ready("--script", str(script_file), "--role", "agent")
    headers = {"X-Tau2tui-Unit": quote("retail/0", safe="/"), "X-Tau2tui-Role": "expert"}
    with openai_client(running) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=OPENING,
            tools=RETAIL_TOOLS,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
        chunks = list(stream)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    functions = [call.function for delta in deltas for call in delta.tool_calls or [] if call.function]
    assert functions[0].name == "find_user_id_by_name_zip"
    assert all(function.name is None for function in functions[1:])
    assert len(functions) >= 3
    arguments = json.loads("".join(function.arguments or "" for function in functions))
    assert arguments == {"first_name": "Yusuf", "last_name": "Rossi", "zip": "19122"}
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "tool_calls"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_streamed_text_is_the_text_that_is_not_streamed(servers: Servers, script_file: Path) -> None:
    running = servers.start_ready("--script", str(script_file), "--role", "user")
    headers = {"X-Tau2tui-Unit": quote("telecom/[service_issue]break_apn_settings|überall", safe="/")}
    with openai_client(running) as client:
        whole = client.chat.completions.create(model=MODEL, messages=OPENING, extra_headers=headers)
        stream = client.chat.completions.create(model=MODEL, messages=OPENING, extra_headers=headers, stream=True)
        pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 3


def test_one_connection_serves_many_requests(servers: Servers) -> None:
    running = servers.start_ready()
    body = {"model": MODEL, "messages": OPENING}
    with httpx.Client(base_url=running.url) as client:
        for _ in range(5):
            assert client.post("/v1/chat/completions", json=body).status_code == 200
        client.post("/nope", json=body)
    log = running.log.read_text()
    assert len({line.split(" - ")[0] for line in log.splitlines() if line.startswith("INFO:     127.0.0.1")}) == 1


def test_many_clients_at_once_are_all_answered(servers: Servers) -> None:
    running = servers.start_ready()
    body = {"model": MODEL, "messages": OPENING}
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/chat/completions", json=body), range(48)))
    assert [answer.status_code for answer in answers] == [200] * 48
    assert metric(running, "vllm:num_requests_running") == 0


# faults


def test_an_asked_exit_looks_like_a_crash(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("exit", status=137)
    assert running.process.wait(PATIENCE_S) == 137
    assert "EngineDeadError" in running.log.read_text()


def test_a_hanging_server_accepts_and_answers_nothing_until_it_is_cleared(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("hang")
    for path in ("/health", "/v1/models"):
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(running.url + path, timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        running.chat(timeout_s=0.3)
    running.ask_fault("none")
    assert running.chat().status_code == 200


def test_a_request_that_hangs_is_dropped_when_the_server_ends(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("hang", count=1)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(running.chat)
        wait_until_healthy(running)  # the one hang that was asked for is taken
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_S) == 0
        assert isinstance(hanging.exception(PATIENCE_S), httpx.RemoteProtocolError)


def test_a_counted_fault_passes_by_itself(servers: Servers) -> None:
    running = servers.start_ready("--fault", "500:2")
    statuses = [running.chat().status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


def test_a_fault_at_a_rate_meets_that_share_of_the_tasks_requests_and_no_probe(servers: Servers) -> None:
    running = servers.start_ready("--fault", "500@0.5")
    assert {running.chat().status_code for _ in range(20)} == {200}
    statuses = [running.chat(unit="mock/x").status_code for _ in range(60)]
    assert 10 < statuses.count(500) < 50  # misses with a probability of one in ten million
    assert statuses.count(200) == 60 - statuses.count(500)
    running.ask_fault("none")
    assert {running.chat(unit="mock/x").status_code for _ in range(20)} == {200}


def test_mixed_faults_are_those_that_another_attempt_mends(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("mixed")
    seen = set()
    for _ in range(200):
        try:
            answer = running.chat()
            seen.add(
                str(answer.status_code) if answer.is_error else repr(answer.json()["choices"][0]["message"]["content"])
            )
        except httpx.RemoteProtocolError:
            seen.add("cut")
    assert seen == {"500", "429", "cut", "None"}


def test_a_refusal_for_load_says_when_to_come_back_and_a_cut_stream_has_no_end(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("429")
    assert running.chat().headers["Retry-After"] == "1"
    running.ask_fault("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        running.chat(stream=True)
    running.ask_fault("empty")
    assert running.chat().json()["choices"][0]["message"] == {"role": "assistant", "content": None, "tool_calls": []}


def test_an_internal_error_has_the_body_of_vllm(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("500")
    with openai_client(running) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=OPENING)


def test_a_harmony_error_arrives_inside_a_stream_that_began_well(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("harmony")
    with openai_client(running) as client:
        with pytest.raises(openai.APIError, match="unexpected tokens remaining in message header"):
            list(client.chat.completions.create(model=MODEL, messages=OPENING, stream=True))
        with pytest.raises(openai.InternalServerError, match="unexpected tokens remaining in message header"):
            client.chat.completions.create(model=MODEL, messages=OPENING)


def test_a_slow_server_takes_twenty_times_as_long(servers: Servers) -> None:
    running = servers.start_ready("--speed", "10")  # a probe takes 23 ms, and slowed down 470 ms
    running.chat()
    usual_s = metric(running, "vllm:e2e_request_latency_seconds_sum")
    running.ask_fault("slow", count=1)
    running.chat()
    slow_s = metric(running, "vllm:e2e_request_latency_seconds_sum") - usual_s
    assert slow_s >= 0.46


def test_a_server_with_the_wrong_identity_shows_another_model_and_denies_its_own(servers: Servers) -> None:
    running = servers.start_ready()
    running.ask_fault("wrong-id")
    assert httpx.get(f"{running.url}/v1/models").json()["data"][0]["id"] == server.ANOTHER_MODEL
    assert running.chat().status_code == 404
    running.ask_fault("none")
    assert running.chat().status_code == 200


@pytest.mark.parametrize(
    "request_body",
    [{}, {"fault": "fire"}, {"fault": "500", "count": 0}, {"fault": "500", "rate": 2}, [], {"fault": []}],
)
def test_a_fault_that_does_not_exist_is_refused(servers: Servers, request_body: Any) -> None:
    running = servers.start_ready()
    assert httpx.post(f"{running.url}/rehearsal/fault", json=request_body).status_code == 400
    assert running.chat().status_code == 200
