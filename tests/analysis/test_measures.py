from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis.frames import DRIVER, EVENTS, TASKS, Logs
from tau2tui.analysis.measures import (
    LATENCIES,
    PERCENTILES,
    add_derived,
    add_series,
    cdf,
    histogram,
    latency_table,
    series_values,
    sla_share,
    task_statuses,
)
from tests.analysis.made_logs import LogMaker

LATENCIES_MS = st.lists(st.floats(min_value=0, max_value=1e7), min_size=1, max_size=60)


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"duration_ms": 1.0, **row} for row in rows], schema=EVENTS)


def calls(*durations: float, **values: Any) -> pl.DataFrame:
    return events(*({"type": "llm_call", "model": "m", "duration_ms": duration, **values} for duration in durations))


def logs(events: pl.DataFrame, tasks: pl.DataFrame, errors: pl.DataFrame, *names: str) -> Logs:
    return Logs(events, tasks, DRIVER.to_frame(), errors, error_names=names)


def markers(*rows: tuple[str, int, str, str, int]) -> pl.DataFrame:
    keys = ("domain", "trial", "task_id", "status", "total")
    return pl.DataFrame([{**dict(zip(keys, row, strict=True)), "scope": "domain"} for row in rows], schema=TASKS)


def test_every_kind_of_event_has_its_series() -> None:
    frame = events(
        {"type": "llm_call", "model": "agent"},
        {"type": "llm_call", "model": "agent"},
        {"type": "llm_call", "model": "other"},
        {"type": "expert_call", "model": "openai/gpt-oss-20b"},
        {"type": "expert_call"},
        {"type": "user_sim", "model": "gpt-5"},
        {"type": "evaluator", "model": "gpt-5"},
        {"type": "tool_call", "domain": "retail", "function": "f"},
        {"type": "tool_call", "domain": "", "function": "f"},
        {"type": "step_complete"},
    )
    assert add_series(frame)["series"].to_list() == [
        *("orchestrator", "orchestrator", "orchestrator:other", "expert:openai/gpt-oss-20b", "expert"),
        *("user_sim:gpt-5", "evaluator:gpt-5", "tool:retail:f", "tool::f", None),
    ]
    assert add_series(frame).drop("series").equals(frame)


def test_the_first_model_by_name_is_the_orchestrator_at_a_tie() -> None:
    frame = events({"type": "llm_call", "model": "b"}, {"type": "llm_call", "model": "a"})
    assert add_series(frame)["series"].to_list() == ["orchestrator:b", "orchestrator"]


def test_the_table_agrees_with_numpy_on_made_latencies() -> None:
    maker = LogMaker(11)
    frame = pl.DataFrame([maker.profile_line("retail")[1] for _ in range(3000)], schema=EVENTS)
    table = latency_table(frame)
    assert table.schema == LATENCIES
    assert table["series"][0] == "orchestrator"
    assert table["count"].sum() == frame.filter(pl.col("type") != "step_complete").height
    for row in table.to_dicts():
        values = series_values(frame, row["series"]).to_numpy()
        assert row["count"] == len(values)
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["std"] == pytest.approx(np.std(values))
        assert (row["min"], row["max"]) == (values.min(), values.max())
        for percentile in PERCENTILES:
            assert row[f"p{percentile}"] == pytest.approx(np.percentile(values, percentile)), percentile
        assert row["under_sla"] == pytest.approx(np.mean(values < 5000))


@settings(deadline=None)
@given(LATENCIES_MS)
def test_percentiles_are_those_of_numpy_for_any_values(durations: list[float]) -> None:
    row = latency_table(calls(*durations)).row(0, named=True)
    for percentile in PERCENTILES:
        assert row[f"p{percentile}"] == pytest.approx(np.percentile(durations, percentile), rel=1e-9, abs=1e-9)


def test_the_threshold_itself_is_not_below_the_threshold() -> None:
    assert latency_table(calls(4999.99, 5000.0, 5000.01, 1.0))["under_sla"].item() == 0.5
    assert latency_table(calls(10.0, 20.0), sla_ms=20.0)["under_sla"].item() == 0.5


def test_one_call_has_no_spread() -> None:
    row = latency_table(calls(7.0)).row(0, named=True)
    assert (row["std"], row["p10"], row["p99"]) == (0.0, 7.0, 7.0)


def test_a_series_without_the_metric_has_no_calls_and_no_figures() -> None:
    row = latency_table(calls(7.0), metric="prefill_ms").row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {"series": "orchestrator", "count": 0}


def test_tokens_are_divided_by_the_latency_of_the_calls_that_counted_them() -> None:
    frame = pl.concat(
        [
            calls(1000.0, input_tokens=10, output_tokens=100),
            calls(3000.0, input_tokens=30, output_tokens=60),
            calls(9e9),
        ]
    )
    row = latency_table(frame).row(0, named=True)
    assert (row["mean_input_tokens"], row["mean_output_tokens"], row["tokens_per_s"]) == (20.0, 80.0, 40.0)
    assert latency_table(calls(0.0, output_tokens=5))["tokens_per_s"].item() is None


def test_series_stand_in_the_order_of_a_report() -> None:
    frame = events(
        {"type": "tool_call", "domain": "d", "function": "f"},
        {"type": "user_sim", "model": "u"},
        {"type": "expert_call", "model": "rare"},
        {"type": "expert_call", "model": "usual"},
        {"type": "expert_call", "model": "usual"},
        {"type": "llm_call", "model": "m"},
    )
    order = ["orchestrator", "expert:usual", "expert:rare", "user_sim:u", "tool:d:f"]
    assert latency_table(frame)["series"].to_list() == order


def test_no_events_make_an_empty_table() -> None:
    assert latency_table(EVENTS.to_frame()).equals(LATENCIES.to_frame())
    assert series_values(EVENTS.to_frame(), "orchestrator").len() == 0


@settings(deadline=None)
@given(LATENCIES_MS, st.integers(1, 30))
def test_histograms_are_those_of_numpy(durations: list[float], bins: int) -> None:
    low, high = min(durations), max(durations)
    if low < high and (high - low) / bins < 1e-9 * high:
        return  # edges that floating point cannot tell apart
    found = histogram(pl.Series(durations, dtype=pl.Float64), bins)
    counts, edges = np.histogram(durations, bins)
    assert found.edges == pytest.approx(edges.tolist())
    assert sum(found.counts) == len(durations)
    if found.edges == tuple(edges.tolist()):
        assert list(found.counts) == counts.tolist()


def test_the_last_bin_holds_its_upper_edge() -> None:
    assert histogram(pl.Series([0.0, 1.0, 2.0, 3.0, 4.0]), 4).counts == (1, 1, 1, 2)


def test_no_values_have_no_bins_and_equal_ones_have_some() -> None:
    assert histogram(pl.Series([], dtype=pl.Float64), 4).counts == ()
    equal = histogram(pl.Series([5.0, 5.0]), 4)
    assert sum(equal.counts) == 2
    assert equal.edges[0] < 5.0 < equal.edges[-1]


def test_a_unit_that_was_run_again_counts_once_as_it_ended() -> None:
    tasks = markers(
        ("retail", 0, "1", "error", 113),
        ("retail", 0, "1", "ok", 114),
        ("retail", 0, "1", "skipped", 114),
        ("retail", 1, "1", "error", 114),
        ("retail", 0, "2", "skipped", 114),
        ("airline", 0, "1", "ok", 50),
    )
    assert task_statuses(tasks).rows() == [("airline", 1, 0, 0, 1, 50), ("retail", 1, 1, 1, 3, 114)]


def test_the_size_of_a_global_run_is_not_that_of_a_domain() -> None:
    tasks = markers(("retail", 0, "1", "ok", 278)).with_columns(pl.lit("global").cast(TASKS["scope"]).alias("scope"))
    assert task_statuses(tasks)["total"].item() is None


@pytest.mark.parametrize("metric", ["duration_ms", "prefill_ms", "decode_ms", "queue_ms", "call_tokens_per_s"])
def test_every_breakdown_agrees_with_numpy_to_nine_digits(metric: str) -> None:
    maker = LogMaker(12)
    frame = pl.DataFrame([maker.profile_line(domain)[1] for domain in ("retail", "telecom") * 800], schema=EVENTS)
    by = ("domain", "window")
    table = latency_table(frame, 3000.0, metric, by, every=timedelta(minutes=5))
    assert table.columns == ["series", *by, *LATENCIES.names()[1:]]
    rows = add_derived(add_series(frame)).with_columns(pl.col("at").dt.truncate("5m").alias("window"))
    assert table["count"].sum() == rows.filter(pl.col("series").is_not_null(), pl.col(metric).is_not_null()).height > 50
    groups = {
        tuple(map(str, key[:2])) + key[2:]: part[metric]
        for key, part in rows.partition_by("series", *by, as_dict=True).items()
    }
    for row in table.to_dicts():
        values = groups[row["series"], row["domain"], row["window"]].drop_nulls().to_numpy()
        assert row["count"] == len(values)
        if not len(values):
            continue
        assert row["mean"] == pytest.approx(np.mean(values), rel=1e-9)
        assert row["std"] == pytest.approx(np.std(values), rel=1e-9, abs=1e-6)
        assert row["under_sla"] == pytest.approx(np.mean(values < 3000), rel=1e-9)
        for percentile in PERCENTILES:
            assert row[f"p{percentile}"] == pytest.approx(np.percentile(values, percentile), rel=1e-9, abs=1e-9)


def test_turns_are_the_steps_of_a_conversation() -> None:
    table = latency_table(pl.concat([calls(1.0, 3.0, step=1), calls(9.0, step=2)]), by=("turn",))
    assert table.select("series", "turn", "count", "mean").rows() == [
        ("orchestrator", 1, 2, 2.0),
        ("orchestrator", 2, 1, 9.0),
    ]
    with pytest.raises(ValueError, match="no breakdown by node"):
        latency_table(calls(1.0), by=("node",))


def test_what_is_neither_prefill_nor_decode_is_queue() -> None:
    frame = pl.concat(
        [calls(10.0, prefill_ms=3.0, decode_ms=5.0, output_tokens=5, input_tokens=7), calls(10.0, prefill_ms=3.0)]
    )
    assert add_derived(frame).select("queue_ms", "call_tokens_per_s").rows() == [(2.0, 500.0), (None, None)]
    assert series_values(frame, "orchestrator", "queue_ms").to_list() == [2.0]
    assert latency_table(frame).select("input_tokens", "output_tokens").row(0) == (7, 5)


def test_the_share_under_any_threshold_is_strict() -> None:
    values = pl.Series([1.0, 2.0, 3.0, None])
    assert [sla_share(values, at) for at in (1.0, 2.5, 3.0, 9.0)] == [0, 2 / 3, 2 / 3, 1]
    assert sla_share(pl.Series([], dtype=pl.Float64), 1.0) is None


def test_the_distribution_function_steps_at_every_value() -> None:
    assert cdf(pl.Series([3.0, 1.0, 1.0, 2.0])) == ((1.0, 0.5), (2.0, 0.75), (3.0, 1.0))
    assert cdf(pl.Series([], dtype=pl.Float64)) == ()


@settings(deadline=None)
@given(LATENCIES_MS)
def test_a_shortened_distribution_function_keeps_its_end(durations: list[float]) -> None:
    steps = cdf(pl.Series(durations, dtype=pl.Float64), 8)
    assert len(steps) <= 9
    assert steps[-1] == (max(durations), 1.0)
    for value, share in steps:
        assert share == pytest.approx(np.mean(np.array(durations) <= value))
