from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tau2tui.core.metrics.names import SERIES, Quantity
from tau2tui.core.metrics.scrape import LINE_LIMIT, TEXT_LIMIT, parse
from tests.core.metrics.texts import ALL, text

NOT_IN_0_9 = {
    Quantity.WAITING_BY_REASON, Quantity.REJECTED, Quantity.DRAFTS, Quantity.DRAFT_TOKENS, Quantity.ACCEPTED_TOKENS,
    Quantity.HTTP, Quantity.TPOT, Quantity.PREFILL, Quantity.DECODE,
}  # fmt: skip


def test_a_recorded_text_of_0_32_is_read_as_it_stands_there() -> None:
    scrape = parse(text("vllm-0.32.0-recorded"), 7.0)
    assert (scrape.at, scrape.is_vllm, scrape.process_start) == (7.0, True, 1795404777.89)
    totals = {name: scrape.total(name) for name in (Quantity.PROMPT_TOKENS, Quantity.GENERATION_TOKENS)}
    assert totals == {Quantity.PROMPT_TOKENS: 1535.0, Quantity.GENERATION_TOKENS: 1359.0}
    assert scrape.by(Quantity.FINISHED, "finished_reason") == {
        "stop": 2.0, "length": 11.0, "abort": 0.0, "error": 0.0, "repetition": 0.0,
    }  # fmt: skip
    assert scrape.by(Quantity.WAITING_BY_REASON, "reason") == {"capacity": 0.0, "deferred": 0.0}
    assert scrape.total(Quantity.PREFIX_HITS) == 640.0
    assert scrape.by(Quantity.HTTP, "status") == {"2xx": 16.0, "4xx": 7.0}
    ttft, itl = scrape.histogram(Quantity.TTFT), scrape.histogram(Quantity.ITL)
    assert ttft is not None and ttft.count == 14 and ttft.bounds[-2:] == (2560.0, math.inf)
    assert itl is not None and itl.count == 1345
    assert scrape.total(Quantity.DRAFTS) is None, "no speculative decoding: not reported, and not 0"


def test_the_old_names_of_0_9_mean_the_same() -> None:
    scrape = parse(text("vllm-0.9-composed"), 0.0)
    assert scrape.most(Quantity.KV_CACHE) == 0.25
    assert (scrape.total(Quantity.PREFIX_QUERIES), scrape.total(Quantity.PREFIX_HITS)) == (2000.0, 800.0)
    assert scrape.total(Quantity.PREFIX_HIT_SHARE) == 0.4
    itl = scrape.histogram(Quantity.ITL)
    assert itl is not None and itl.count == 890
    assert set(SERIES) - scrape.values.keys() - scrape.histograms.keys() == NOT_IN_0_9
    for quantity in NOT_IN_0_9:
        assert scrape.total(quantity) is None and scrape.histogram(quantity) is None


def test_engines_are_summed_and_of_the_kv_cache_the_fullest_and_the_mean_are_told() -> None:
    scrape = parse(text("vllm-0.12-composed"), 0.0)
    assert scrape.total(Quantity.RUNNING) == 8.0
    assert (scrape.most(Quantity.KV_CACHE), scrape.mean(Quantity.KV_CACHE)) == (0.9, 0.5)
    e2e = scrape.histogram(Quantity.E2E)
    assert e2e is not None and e2e.count == 32 and e2e.sum == 40.0


@pytest.mark.parametrize("name", ALL)
def test_every_value_that_is_ours_is_one_of_the_whole_text(name: str) -> None:
    whole = text(name.removesuffix(".txt"))
    samples = [s for family in text_string_to_metric_families(whole) for s in family.samples]
    scrape = parse(whole, 0.0)
    for quantity, series in scrape.values.items():
        if not series:
            continue  # declared, and nothing counted yet
        named = next(n for n in SERIES[quantity][1] if any(sample.name == n for sample in samples))
        assert sum(s.value for s in samples if s.name == named) == pytest.approx(sum(series.values()))
    for quantity, histograms in scrape.histograms.items():
        named = next(n for n in SERIES[quantity][1] if any(sample.name == f"{n}_count" for sample in samples))
        counted = sum(h.count for h in histograms.values())
        assert counted == sum(s.value for s in samples if s.name == f"{named}_count")


def test_the_newest_name_counts_where_a_server_shows_several() -> None:
    both = "vllm:gpu_cache_usage_perc 0.9\nvllm:kv_cache_usage_perc 0.5\n"
    assert parse(both, 0.0).most(Quantity.KV_CACHE) == 0.5
    declared = "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:gpu_cache_usage_perc 0.9\n"
    assert parse(declared, 0.0).most(Quantity.KV_CACHE) == 0.9


def test_values_that_are_no_numbers_are_not_reported() -> None:
    scrape = parse(
        'vllm:num_requests_running{engine="0"} NaN\nvllm:num_requests_running{engine="1"} 2\n'
        "vllm:kv_cache_usage_perc NaN\nvllm:prompt_tokens_total +Inf\n",
        0.0,
    )
    assert scrape.total(Quantity.RUNNING) == 2.0
    assert scrape.most(Quantity.KV_CACHE) is None
    assert scrape.total(Quantity.PROMPT_TOKENS) is None


def test_one_line_that_is_not_in_the_format_spoils_nothing_else() -> None:
    scrape = parse(
        'vllm:num_requests_running{engine="0} 1\nvllm:num_requests_waiting 4\nvllm:num_requests_running x', 0.0
    )
    assert scrape.total(Quantity.WAITING) == 4.0
    assert scrape.total(Quantity.RUNNING) is None


def test_labels_may_hold_what_they_like() -> None:
    line = 'vllm:num_requests_running{engine="0",model_name="a} \\"b\\" {c, d=\\\\"} 3 1700000000\r\n'
    scrape = parse(line, 0.0)
    assert scrape.values[Quantity.RUNNING] == {(("engine", "0"), ("model_name", 'a} "b" {c, d=\\')): 3.0}


def test_what_is_not_metrics_is_nothing() -> None:
    for other in ("", "<html><body>404</body></html>", '{"detail": "Not Found"}', "\x00\xff" * 99):
        assert not parse(other, 0.0).is_vllm


def test_a_huge_text_is_read_up_to_its_limits() -> None:
    noise = "".join(f'other_metric_{n}{{a="{n}"}} {n}\n' for n in range(150_000))
    scrape = parse(noise + "vllm:num_requests_running 3\n", 0.0)
    assert len(noise) > 4e6 and scrape.total(Quantity.RUNNING) == 3.0
    assert parse(" " * TEXT_LIMIT + "\nvllm:num_requests_running 3\n", 0.0).total(Quantity.RUNNING) is None
    ours = "".join(f'vllm:num_requests_running{{engine="{n}"}} 1\n' for n in range(LINE_LIMIT + 10))
    assert parse(ours, 0.0).total(Quantity.RUNNING) == LINE_LIMIT


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from(ALL), st.integers(min_value=0, max_value=60_000))
def test_nothing_that_a_server_says_raises(junk: str, name: str, place: int) -> None:
    whole = text(name.removesuffix(".txt"))[:9000]
    parse(whole[:place] + junk + whole[place:], 0.0)
