"""What a real vLLM counts, against what was really sent; and what a restart and an API key make of it.

One server for all tests, with a KV cache that is too small for what it is asked: so requests wait and are preempted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tau2tui.chat_templates import template_text
from tau2tui.core.metrics.names import Quantity
from tau2tui.core.metrics.scrape import Scrape, parse
from tau2tui.core.metrics.window import Window, between
from tau2tui.node import agent
from tests.command_line import CommandLine
from tests.processes import free_port, wait_for
from tests.vllm.serving import MODEL, PROGRAM, environment

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.xdist_group("vllm")]

KEY = "open-sesame"
PATIENCE_S = 300.0
AT_ONCE, TOKENS = 10, 600
_TRIES = 8
ADMITTED, DRAFTED = 3, 3
"""Requests that the restarted server takes at once, and tokens that it drafts at a time."""


@dataclass
class Server:
    """One real vLLM that wants an API key."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        template = self.directory / "hermes.jinja"
        template.write_text(template_text("hermes"))
        self.process = subprocess.Popen(
            [PROGRAM, "serve", self.directory / "model", "--served-model-name", MODEL, "--host", "127.0.0.1",
             "--port", str(self.port), "--max-model-len", "2048", "--enforce-eager", "--max-num-seqs", "6",
             "--kv-cache-memory-bytes", "1200000", "--distributed-executor-backend", "uni",
             "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--chat-template", template, *more],
            env={**os.environ, **environment(self.directory), "VLLM_API_KEY": KEY},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_for(self._healthy, "the server", PATIENCE_S)

    def _healthy(self) -> bool:
        assert self.process is not None and self.process.poll() is None
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()

    def text(self) -> str:
        """Its /metrics, asked without the key."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def ask(self, number: int) -> dict[str, Any]:
        """One request for exactly TOKENS tokens; returns its usage."""
        messages = [{"role": "user", "content": f"Count {number} " + "word " * 40}]
        return self.complete(messages=messages, max_tokens=TOKENS, min_tokens=TOKENS, ignore_eos=True)

    def ask_at_once(self) -> tuple[list[dict[str, Any]], list[Scrape]]:
        """AT_ONCE requests: their usage, and scrapes meanwhile."""
        during: list[Scrape] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [pool.submit(self.ask, number) for number in range(AT_ONCE)]
            while not all(each.done() for each in asked):
                during.append(parse(self.text(), 1.0 + len(during)))
            return [each.result() for each in asked], during

    def complete(self, **fields: Any) -> dict[str, Any]:
        """One request; returns its usage. Raises urllib.error.HTTPError."""
        body = {"model": MODEL, **fields}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            usage: dict[str, Any] = json.loads(answer.read())["usage"]
            return usage


@pytest.fixture(scope="module")
def server(vllm_directory: Path) -> Iterator[Server]:
    server = Server(vllm_directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def served(server: Server) -> tuple[list[dict[str, Any]], Scrape, Scrape, list[Scrape]]:
    """Ten requests at once: their usage, a scrape before and one after, and some meanwhile."""
    before = parse(server.text(), 0.0)
    usage, during = server.ask_at_once()
    return usage, before, parse(server.text(), 100.0), during


def window(served: tuple[list[dict[str, Any]], Scrape, Scrape, list[Scrape]]) -> Window:
    found = between(served[1], served[2])
    assert found is not None and not found.restarted
    return found


def test_tokens_requests_and_responses_are_those_that_were_sent(served: Any) -> None:
    usage, found = served[0], window(served)
    assert found.increase(Quantity.GENERATION_TOKENS) == sum(each["completion_tokens"] for each in usage) == 6000
    assert found.finish_reasons is not None and found.finish_reasons["length"] == AT_ONCE
    assert sum(found.finish_reasons.values()) == AT_ONCE and found.rate(Quantity.FINISHED) == AT_ONCE / 100
    assert found.http_statuses == {"2xx": AT_ONCE} and found.failed_share == 0
    # What is preempted is computed again, and counted again.
    asked = sum(each["prompt_tokens"] for each in usage)
    assert (found.increase(Quantity.PROMPT_TOKENS) or 0) >= asked


def test_each_histogram_has_each_request(served: Any) -> None:
    found = window(served)
    for quantity in (Quantity.TTFT, Quantity.TPOT, Quantity.E2E, Quantity.QUEUE, Quantity.PREFILL, Quantity.DECODE):
        assert found.histograms[quantity].count == AT_ONCE, quantity
    # A step may bring several tokens of one request, or a preemption lie between two.
    assert 0 < found.histograms[Quantity.ITL].count <= AT_ONCE * (TOKENS - 1)
    e2e, queue = found.histograms[Quantity.E2E], found.histograms[Quantity.QUEUE]
    assert queue.sum < e2e.sum
    p50, p99 = e2e.quantile(0.5), e2e.quantile(0.99)
    assert p50 is not None and p99 is not None and p50.value <= p99.value


def test_waiting_preemption_and_a_full_cache_are_seen(server: Server, served: Any) -> None:
    during: list[Scrape] = served[3]
    for _ in range(_TRIES):  # how many scrapes fall into the second that the requests take is chance
        waiting = max(scrape.total(Quantity.WAITING) or 0 for scrape in during)
        if waiting >= AT_ONCE - 6 and max(scrape.most(Quantity.KV_CACHE) or 0 for scrape in during) > 0.8:
            break
        during += server.ask_at_once()[1]
    assert max(scrape.total(Quantity.WAITING) or 0 for scrape in during) >= AT_ONCE - 6
    assert max(scrape.total(Quantity.RUNNING) or 0 for scrape in during) <= 6
    assert max(scrape.most(Quantity.KV_CACHE) or 0 for scrape in during) > 0.8
    for scrape in during:
        reasons = scrape.by(Quantity.WAITING_BY_REASON, "reason")
        assert reasons is not None and sum(reasons.values()) == scrape.total(Quantity.WAITING)
    assert (window(served).increase(Quantity.PREEMPTIONS) or 0) > 0


def test_a_prompt_that_was_there_before_is_found_in_the_prefix_cache(server: Server, served: Any) -> None:
    server.ask(77)
    before = parse(server.text(), 0.0)
    server.ask(77)
    found = between(before, parse(server.text(), 10.0))
    assert found is not None and found.prefix_hit_share is not None and found.prefix_hit_share > 0.5


def test_what_it_does_not_do_is_not_reported(served: Any) -> None:
    found = window(served)
    assert (found.acceptance, found.accepted_length) == (None, None)


def test_the_agents_meter_says_the_same(server: Server) -> None:
    meter = agent.Meter({})
    meter.take(0.0, agent.read_metrics(server.text()))
    server.ask(5)
    meter.take(10.0, agent.read_metrics(server.text()))
    load = meter.load()
    assert load["generation_tokens_s"] == TOKENS / 10 and load["requests_s"] == 0.1 and meter.unwell() == ""
    assert load["e2e_p50_s"] > 0 and load["itl_usual_s"] > 0 and load["failed_share"] == 0


def test_the_word_shows_the_levels_with_the_key_and_without_it_401_and_open_metrics(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    without = json.loads(tau2tui.run("endpoint", server.url, "--seconds", "0.5", "--json", status=4).stdout)
    assert without["level"] == "health" and "401" in without["why"] and without["version"] == "0.32.0"
    assert without["no_metrics"] is None and without["now"]["generation_tokens"] is not None
    monkeypatch.setenv("EXPERT_KEY", KEY)
    told = tau2tui.run("endpoint", server.url, "--api-key-env", "EXPERT_KEY", "--probe", "--seconds", "0.5", "--json")
    report = json.loads(told.stdout)
    assert (report["level"], report["models"][0]["id"]) == ("completion", MODEL)
    assert report["models"][0]["max_model_len"] == 2048 and KEY not in told.stdout + told.stderr


@pytest.fixture(scope="module")
def restarted(server: Server) -> Scrape:
    """The same server anew, which now takes few requests at once and lets its model draft for itself; and what it had
    counted before.
    """
    before = parse(server.text(), 0.0)
    server.stop()
    drafting = {"method": "draft_model", "model": str(server.directory / "model"), "num_speculative_tokens": DRAFTED}
    server.start(
        "--max-num-queued-reqs", str(ADMITTED), "--speculative-config", json.dumps(drafting),
        "--kv-cache-memory-bytes", "2600000",
    )  # fmt: skip
    return before


def test_after_a_restart_counters_are_counted_from_their_beginning(server: Server, restarted: Scrape) -> None:
    server.ask(1)
    found = between(restarted, parse(server.text(), 60.0))
    assert found is not None and found.restarted
    assert found.increase(Quantity.GENERATION_TOKENS) == TOKENS and found.increase(Quantity.FINISHED) == 1


@pytest.mark.usefixtures("restarted")
def test_what_the_queue_refuses_is_counted_and_answered_with_503(server: Server) -> None:
    def status(number: int) -> int:
        asked = [{"role": "user", "content": f"Count {number}"}]
        try:
            server.complete(messages=asked, max_tokens=100, min_tokens=100, ignore_eos=True)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        return 200

    before = parse(server.text(), 0.0)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = Counter(pool.map(status, range(AT_ONCE)))
    after = parse(server.text(), 60.0)
    found = between(before, after)
    assert found is not None and told[200] >= ADMITTED and told[503] > 0 and told.total() == AT_ONCE
    assert found.increase(Quantity.REJECTED) == told[503] and found.increase(Quantity.FINISHED) == told[200]
    assert after.by(Quantity.REJECTED, "reason") == {"max_num_queued_reqs": told[503], "max_num_queued_tokens": 0}
    assert found.failed_share == told[503] / AT_ONCE


@pytest.mark.usefixtures("restarted")
def test_drafts_and_what_is_accepted_of_them_are_those_of_the_server(server: Server) -> None:
    before = server.text()
    asked = [{"role": "user", "content": "Call report_ready with ready=true."}]
    usage = server.complete(messages=asked, max_tokens=400, temperature=0, tools=[agent.PROBE_TOOL])
    after = server.text()
    found = between(parse(before, 0.0), parse(after, 10.0))
    drafts, drafted, accepted = (
        total(after, f"vllm:spec_decode_num_{name}_total") - total(before, f"vllm:spec_decode_num_{name}_total")
        for name in ("drafts", "draft_tokens", "accepted_tokens")
    )
    assert found is not None and drafts > 0
    assert found.acceptance == accepted / drafted and found.accepted_length == 1 + accepted / drafts
    # It drafts with its own weights, and both take the likeliest token.
    assert found.acceptance > 0.5 and 1 < found.accepted_length <= 1 + DRAFTED
    assert drafts + accepted + 1 >= usage["completion_tokens"]


def total(text: str, name: str) -> float:
    """A counter as it stands in a text, over all engines."""
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{"))
