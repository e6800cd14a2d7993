from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tau2tui.rehearsal.server import KV_CACHE_TOKENS, PUBLISHED, Engine, Latency, Metrics

MODEL = 'org/"odd" model'


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """(name, reason or bound) → value; fails if the text is not valid."""
    return {
        (sample.name, sample.labels.get("finished_reason", sample.labels.get("le", ""))): sample.value
        for family in text_string_to_metric_families(metrics.text())
        for sample in family.samples
    }


def engine(max_num_seqs: int = 8) -> Engine:
    return Engine(Latency(PUBLISHED["expert-3"], speed=1e6, seed=0), Metrics(MODEL), max_num_seqs)


def test_an_idle_server_shows_zero_and_carries_the_labels_of_vllm() -> None:
    text = Metrics(MODEL).text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    running = families["vllm:num_requests_running"].samples[0]
    assert running.value == 0
    assert running.labels == {"engine": "0", "model_name": MODEL}
    assert families["vllm:prompt_tokens"].type == "counter"
    assert families["vllm:e2e_request_latency_seconds"].type == "histogram"


def test_a_served_request_shows_in_counters_and_histograms() -> None:
    served = engine()
    pieces = list(served.run(["a", "b", "c"], prompt_tokens=100, tokens=10, slow=1, probe=False))
    assert pieces == ["a", "b", "c"]
    seen = samples(served.metrics)
    assert seen["vllm:prompt_tokens_total", ""] == 100
    assert seen["vllm:generation_tokens_total", ""] == 10
    assert seen["vllm:request_success_total", "stop"] == 1
    assert seen["vllm:e2e_request_latency_seconds_count", ""] == 1
    assert 0 < seen["vllm:e2e_request_latency_seconds_sum", ""] < 60
    assert seen["vllm:request_prompt_tokens_bucket", "50.0"] == 0
    assert seen["vllm:request_prompt_tokens_bucket", "100.0"] == 1
    assert seen["vllm:request_prompt_tokens_bucket", "+Inf"] == 1


def test_a_request_in_flight_is_running_and_holds_cache_until_it_ends() -> None:
    served = engine()
    answer = served.run(["a", "b"], prompt_tokens=1000, tokens=24, slow=1, probe=False)
    next(answer)
    assert served.metrics.value("num_requests_running") == 1
    assert served.metrics.value("kv_cache_usage_perc") == 1024 / KV_CACHE_TOKENS
    list(answer)
    assert served.metrics.value("num_requests_running") == 0
    assert served.metrics.value("kv_cache_usage_perc") == 0


def test_a_client_that_goes_away_is_counted_as_an_abort() -> None:
    served = engine()
    answer = served.run(["a", "b"], prompt_tokens=1, tokens=2, slow=1, probe=False)
    next(answer)
    answer.close()
    seen = samples(served.metrics)
    assert seen["vllm:request_success_total", "abort"] == 1
    assert seen["vllm:num_requests_running", ""] == 0


def test_http_requests_are_counted_by_class_of_status() -> None:
    metrics = Metrics(MODEL)
    metrics.count_http("/v1/models", "GET", 200)
    metrics.count_http("/v1/models", "GET", 204)
    metrics.count_http("none", "GET", 404)
    counted = {
        (sample.labels["handler"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(metrics.text())
        if family.name == "http_requests"
        for sample in family.samples
    }
    assert counted == {("/v1/models", "2xx"): 2, ("none", "4xx"): 1}
