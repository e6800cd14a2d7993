"""What the node agent makes of /metrics, held against the package's reader, which has prometheus-client's parser."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.core.metrics.names import GAUGES, HISTOGRAMS, Quantity
from tau2tui.core.metrics.scrape import parse
from tau2tui.core.metrics.window import between, following
from tau2tui.node import agent
from tests.core.metrics.texts import ALL, text

READ = {Quantity(name) for name in agent.METRICS.values()}


def seen(**values: float) -> agent.Series:
    """A scrape of one engine."""
    return {key: {"": value} for key, value in values.items()}


def meter(*scrapes: tuple[float, agent.Series], **limits: Any) -> agent.Meter:
    made = agent.Meter(limits)
    for at, series in scrapes:
        made.take(at, series)
    return made


@pytest.mark.parametrize("name", ALL)
def test_the_agents_reader_finds_what_the_parser_finds(name: str) -> None:
    whole = text(name.removesuffix(".txt"))
    read, scrape = agent.read_metrics(whole), parse(whole, 0.0)
    for quantity in READ - set(HISTOGRAMS):
        values = scrape.values.get(quantity) or {}
        assert sorted(read.get(quantity, {}).values()) == sorted(values.values())
    for quantity in READ & set(HISTOGRAMS):
        histogram = scrape.histogram(quantity)
        if histogram is None:
            assert f"{quantity}_bucket" not in read
            continue
        buckets = {float(le): n for le, n in agent.by_label(read[f"{quantity}_bucket"], "le").items()}
        assert buckets == dict(zip(histogram.bounds, histogram.counts, strict=True))
        assert sum(read[f"{quantity}_sum"].values()) == pytest.approx(histogram.sum)
        for q in (0.5, 0.99):
            found = histogram.quantile(q)
            assert agent.quantile(agent.by_label(read[f"{quantity}_bucket"], "le"), q) == pytest.approx(
                found.value if found else None
            )


def test_gauges_are_gauges_in_both() -> None:
    assert set(agent.GAUGES) == {quantity.value for quantity in GAUGES if quantity in READ}


def test_odd_values_and_labels_are_survived_alike() -> None:
    odd = (
        'vllm:num_requests_running{model_name="a} \\"b\\" x",engine="0"} 3\n'
        "vllm:num_requests_waiting NaN\nvllm:kv_cache_usage_perc +Inf\nvllm:prompt_tokens_total what\r\n"
        "vllm:generation_tokens_total 7 1700000000\r\n"
    )
    read = agent.read_metrics(odd)
    assert {key: list(series.values()) for key, series in read.items()} == {
        "running": [3.0],
        "generation_tokens": [7.0],
    }
    assert parse(odd, 0.0).total(Quantity.RUNNING) == 3.0


def test_the_load_of_ten_recorded_requests_is_what_was_sent() -> None:
    idle, during, after = (text(f"vllm-0.32.0-busy-{when}") for when in ("idle", "during", "after"))
    made = meter((0.0, agent.read_metrics(idle)), (4.0, agent.read_metrics(during)))
    load = made.load()
    assert load["running"] + load["waiting"] == 10 and load["kv_cache"] > 0.9
    assert load["waiting_by_reason"]["capacity"] == load["waiting"]
    made.take(44.0, agent.read_metrics(after))
    load = made.load()
    assert load["generation_tokens_s"] == 10 * 600 / 44 and load["requests_s"] == 10 / 44
    assert load["prompt_tokens_s"] >= 10 * 135 / 44, "what was preempted is read again"
    assert load["preemptions_per_min"] > 0 and load["failed_share"] == 0
    whole = between(parse(idle, 0.0), parse(after, 44.0))
    assert whole is not None
    scrape = parse(after, 44.0)
    for name in ("preemptions", "prefix_queries", "prefix_hits"):
        assert load[f"{name}_total"] == scrape.total(Quantity(name)) is not None
    for key in ("ttft", "e2e", "queue", "itl"):
        quantity = Quantity(key)
        for q in (50, 99):
            found = whole.histograms[quantity].quantile(q / 100)
            assert found is not None and load[f"{key}_p{q}_s"] == pytest.approx(found.value)


def test_a_restart_is_counted_from_its_beginning() -> None:
    made = meter((0.0, agent.read_metrics(text("vllm-0.32.0-busy-after"))))
    made.take(40.0, agent.read_metrics(text("vllm-0.32.0-busy-restarted")))
    load = made.load()
    assert load["restarted_at"] == 40.0 and load["generation_tokens_s"] == 600 / 40 and load["requests_s"] == 1 / 40


def test_rates_are_over_the_last_minute() -> None:
    made = meter(*((10.0 * n, seen(generation_tokens=100.0 * n if n < 20 else 100.0 * 19)) for n in range(22)))
    assert made.load()["window_s"] == 60.0
    assert made.load()["generation_tokens_s"] == pytest.approx(400 / 60)


def test_a_server_that_runs_requests_without_a_token_for_a_minute_is_stuck() -> None:
    stuck = seen(running=2, waiting=0, generation_tokens=50, prompt_tokens=9, finished=1)
    made = meter((0.0, {**stuck, **seen(generation_tokens=40)}), (10.0, stuck), (60.0, stuck))
    assert made.unwell() == ""
    made.take(70.0, stuck)
    assert made.unwell() == "stuck: 2 requests run and no token came for 60 s"
    made.take(80.0, {**stuck, **seen(generation_tokens=51)})
    assert made.unwell() == ""


def test_a_server_that_lets_requests_wait_and_runs_none_is_wedged() -> None:
    wedged = seen(running=0, waiting=3, generation_tokens=50, prompt_tokens=9, finished=1)
    made = meter((0.0, wedged), (30.0, wedged), wedged_s=20.0)
    assert made.unwell() == "wedged: 3 requests wait and none has run for 30 s"
    made.take(40.0, {**wedged, **seen(waiting=1)})
    assert made.unwell() == "", "it becomes fewer"


def test_a_server_that_answers_with_500_is_failing_and_one_404_is_nothing() -> None:
    def http(good: float, bad: float, unknown: float) -> agent.Series:
        api = 'handler="/v1/chat/completions",method="POST",status='
        more = {'handler="none",status="5xx"': unknown, 'handler="/v1/models",status="2xx"': 10 * good}
        return {"http": {f'{api}"2xx"': good, f'{api}"5xx"': bad, **more}}

    assert meter((0.0, http(100, 0, 0)), (10.0, http(104, 4, 99))).unwell() == "", "fewer than five"
    assert meter((0.0, http(100, 0, 0)), (10.0, http(110, 9, 99))).unwell() == "", "fewer than half"
    failing = meter((0.0, http(100, 0, 0)), (10.0, http(104, 5, 99)))
    assert failing.unwell() == "failing: 5 of 9 requests of the last minute were answered with 5xx"


def test_without_metrics_nothing_is_said() -> None:
    made = meter((0.0, {}), (100.0, {}))
    assert made.unwell() == "" and set(made.load().values()) <= {None, 100.0}
    assert made.row(1) == {"t": 100, "v": [1, None, None, None, 100, *[None] * 8]}


def test_a_row_tells_what_happened_since_the_row_before() -> None:
    made = meter(
        (100.04, agent.read_metrics(text("vllm-0.32.0-busy-idle"))),
        (104.0, agent.read_metrics(text("vllm-0.32.0-busy-during"))),
        (144.0, agent.read_metrics(text("vllm-0.32.0-busy-after"))),
    )
    first = made.row(2)
    assert first["b"]["E"][:3] == [0.3, 0.5, 0.8] and len(first["b"]["T"]) > 15
    row = made.row(2)
    assert "b" not in row, "the bounds are told now and then"
    assert all("b" not in made.row(2) for _ in range(498)) and "b" in made.row(2)
    figures = dict(zip(agent.ROW, row["v"], strict=True))
    assert row["t"] == 144 and figures["attempt"] == 2 and figures["seconds"] == 40
    assert figures["finished"] == 10 and sum(row["E"][1::2]) == 10 and figures["running"] == 0
    assert row["Q"][1] == 10
    assert len(json.dumps(row, separators=(",", ":"))) < 250


def test_quantiles_beyond_the_last_bound_are_at_least_that() -> None:
    assert agent.quantile({"1.0": 0.0, "+Inf": 4.0}, 0.5) == 1.0
    assert agent.quantile({"+Inf": 0.0}, 0.5) is None and agent.quantile({}, 0.5) is None
    assert math.isfinite(agent.quantile({"+Inf": 4.0}, 0.5) or 0.0)


def test_a_server_that_drips_its_answer_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(agent.ProbeFailed, match="/metrics: the answer did not end in time"):
            agent.fetch("127.0.0.1", listener.getsockname()[1], "/metrics", timeout_s=0.5)
        thread.join(30)
        assert not thread.is_alive()


def test_a_huge_text_is_read_up_to_its_limit() -> None:
    noise = "".join(f'other_metric_{n}{{a="n"}} {n}\n' for n in range(150_000))
    assert agent.read_metrics(noise + "vllm:num_requests_running 3\n") == {"running": {"": 3.0}}
    ours = "".join(f'vllm:num_requests_running{{engine="{n}"}} 1\n' for n in range(agent.METRIC_LINES + 10))
    assert len(agent.read_metrics(ours)["running"]) == agent.METRIC_LINES


STEPS = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=20),
        st.lists(st.sampled_from([0.2, 0.4, 3.0, 99.0]), max_size=4),
        st.booleans(),
    ),
    min_size=2,
    max_size=7,
)
"""Seconds, what the requests that end in them take, and whether the server begins anew before."""


@settings(deadline=None)
@given(STEPS)
def test_over_any_sequence_of_scrapes_the_meter_and_the_package_say_the_same(
    steps: list[tuple[int, list[float], bool]],
) -> None:
    made, scrapes, at = agent.Meter({}), [], 0.0
    started, took_s = 0.0, list[float]()
    for seconds, more_s, anew in steps:
        at += seconds
        if anew:
            started, took_s = at, []
        took_s = [*took_s, *more_s]
        buckets = [(bound, sum(took <= bound for took in took_s)) for bound in (0.3, 1.0, 10.0)]
        lines = [f'vllm:e2e_request_latency_seconds_bucket{{le="{bound}"}} {count}' for bound, count in buckets]
        lines += [f'vllm:e2e_request_latency_seconds_bucket{{le="+Inf"}} {len(took_s)}']
        lines += [f"vllm:e2e_request_latency_seconds_sum {sum(took_s)}"]
        lines += [f"vllm:e2e_request_latency_seconds_count {len(took_s)}", f"process_start_time_seconds {started}"]
        lines += [f"vllm:generation_tokens_total {100 * len(took_s)}"]
        whole = "\n".join(lines) + "\n"
        made.take(at, agent.read_metrics(whole))
        scrapes.append(parse(whole, at))
    kept = len(made.window)  # it forgets what is more than a minute ago
    windows = [found for a, b in pairwise(scrapes) if (found := between(a, b)) is not None]
    joined = following(windows[-kept:])
    assert joined is not None
    load = made.load()
    assert load["generation_tokens_s"] == pytest.approx(joined.rate(Quantity.GENERATION_TOKENS))
    assert load["window_s"] == pytest.approx(joined.seconds)
    for q in (50, 99):
        true = joined.histograms[Quantity.E2E].quantile(q / 100)
        assert load[f"e2e_p{q}_s"] == pytest.approx(true.value if true else None)
