"""The fleet at an earlier moment: what was sampled is shown, and what was not is not known."""

from __future__ import annotations

from tau2tui.core.fleet import FleetRow, fleet_rows
from tau2tui.core.model import Load, Phase
from tau2tui.core.past import NO_SAMPLE, Sampled, past_rows
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import Standing, judge_all
from tests.sample import make_job, make_replica, make_snapshot, small_config


def rows_of_now() -> tuple[FleetRow, ...]:
    replicas = (
        make_replica("expert-1-0", node="gpu02", attempt=2, log="logs/expert-1-0.2.log"),
        make_replica(
            "expert-1-1", Phase.FAILED, node="gpu02", attempt=1, last_error="boom", log="logs/expert-1-1.1.log"
        ),
    )
    snapshot = make_snapshot(replicas, (make_job(time_left_s=600.0),))
    return fleet_rows(judge_all(plan_jobs(small_config()), snapshot), snapshot.run.value)


def past(**sampled: Sampled) -> dict[str, FleetRow]:
    named = {name.replace("_", "-"): each for name, each in sampled.items()}
    return {row.replica: row for row in past_rows(rows_of_now(), named)}


def test_one_that_was_sampled_is_ready_with_that_load_and_the_age_of_its_sample() -> None:
    row = past(expert_1_1=Sampled(4.0, 1, Load(running=3.0, kv_cache=0.5)))["expert-1-1"]
    assert (row.standing, row.load.running, row.why) == (Standing.READY, 3.0, "sampled 4 s before")
    assert row.node == "gpu02" and row.log == "logs/expert-1-1.1.log" and row.last_error == "" and row.diagnosis is None
    assert row.past and row.time_left_s is None and row.errors is None and row.in_flight is None


def test_of_another_attempt_neither_node_nor_job_are_known_but_its_log() -> None:
    row = past(expert_1_0=Sampled(0.0, 1, Load()))["expert-1-0"]
    assert (row.attempt, row.node, row.address, row.job_id) == (1, "", "", "")
    assert row.log == "logs/expert-1-0.1.log"


def test_without_a_sample_and_with_one_that_failed_it_is_unknown() -> None:
    rows = past(expert_1_0=Sampled(2.0, None, Load(), "/metrics: timed out"))
    assert rows["expert-1-0"].standing is rows["expert-1-1"].standing is Standing.UNKNOWN
    assert rows["expert-1-0"].why == "/metrics: timed out, 2 s before"
    assert rows["expert-1-1"].why == NO_SAMPLE and rows["expert-1-1"].load == Load() and rows["expert-1-1"].log == ""


def test_what_its_load_meant_is_said_as_it_is_of_now() -> None:
    row = past(expert_1_0=Sampled(1.0, 2, Load(running=9.0, waiting=4.0, kv_cache=0.99)))["expert-1-0"]
    assert "KV-bound: KV cache 99% full, 4 wait" in row.why and row.verdicts
