"""The exporter over HTTP, with states of a cluster in memory and the real Ops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from tau2tui.core.model import DirtyNode, EvalState, JobState, Load, Phase, RunState
from tau2tui.core.verdict import Standing
from tau2tui.errors import CommandFailed, ConfigError
from tau2tui.exporter.catalogue import EXPOSED
from tau2tui.exporter.serving import RunCollector, is_loopback, listen_address, seen_by, serving
from tau2tui.ops import Ops
from tests.exporter.scraping import Scraped, scrape
from tests.tui.fakes import FakeCluster, make_ops, running_evaluation, seed_config

pytestmark = pytest.mark.slow

Asked = Callable[[], Awaitable[Scraped]]


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster(seed_config())
    made.start_fleet()
    return made


@asynccontextmanager
async def exported(ops: Ops) -> AsyncIterator[Asked]:
    """Serve what these Ops have seen, on a free port; gives what asks."""
    with serving(RunCollector(lambda: seen_by(ops), asyncio.get_running_loop()), "127.0.0.1", 0) as port:
        yield lambda: asyncio.to_thread(scrape, port)


async def scraped(cluster: FakeCluster, later_s: float = 0.0) -> Scraped:
    """What a scrape says so long after a look."""
    ops = make_ops(cluster)
    await ops.look()
    cluster.clock.now += later_s
    async with exported(ops) as ask:
        return await ask()


async def test_a_fleet_that_is_ready_is_shown_with_its_load(cluster: FakeCluster) -> None:
    found = await scraped(cluster)
    experts = cluster.config.experts
    for name, expert in experts.items():
        assert found["tau2tui_replicas"][name, "ready"] == expert.replicas
        assert found["tau2tui_replicas"][name, "failed"] == 0
    seen = cluster.replicas["expert-1-1"]
    labels = ("expert-1", "expert-1-1", seen.node)
    assert found["tau2tui_replica_standing"][*labels, "ready"] == 1
    assert sum(found["tau2tui_replica_standing"][*labels, standing.value] for standing in Standing) == 1
    assert found["tau2tui_replica_readiness_level"][labels] == 4
    assert found["tau2tui_replica_requests_running"][labels] == seen.load.running
    assert found["tau2tui_replica_requests_waiting"][labels] == 0
    assert found["tau2tui_replica_kv_cache_usage_ratio"][labels] == pytest.approx(seen.load.kv_cache)
    assert found["tau2tui_replica_generation_tokens_per_second"][labels] == 812.4
    assert found["tau2tui_source_up"] == {("jobs",): 1, ("run",): 1}
    assert found["tau2tui_jobs"]["running",] == len(cluster.jobs)
    left = {(job.name, job.id): job.time_left_s for job in cluster.jobs}
    assert found["tau2tui_job_time_left_seconds"] == left
    assert found["tau2tui_dirty_nodes"] == {(): 0}


async def test_latencies_are_quantiles_and_caches_and_preemptions_are_counters(cluster: FakeCluster) -> None:
    told = Load(
        ttft_p50_s=0.2, ttft_p99_s=1.5, itl_p50_s=0.02, itl_p99_s=0.09, queue_p50_s=0.0, queue_p99_s=0.7,
        e2e_p50_s=4.0, e2e_p99_s=31.0, preemptions_total=7.0, prefix_queries_total=9000.0, prefix_hits_total=4500.0,
        failed_share=0.25, requests_s=0.5, prompt_tokens_s=1200.0,
    )  # fmt: skip
    cluster.change("expert-1-1", load=told)
    found = await scraped(cluster)
    labels = ("expert-1", "expert-1-1", cluster.replicas["expert-1-1"].node)
    for name, half, most in (
        ("time_to_first_token", 0.2, 1.5),
        ("inter_token_latency", 0.02, 0.09),
        ("queue_time", 0.0, 0.7),
        ("request_latency", 4.0, 31.0),
    ):
        series = found[f"tau2tui_replica_{name}_seconds"]
        assert (series[*labels, "0.5"], series[*labels, "0.99"]) == (half, most)
        assert set(series) == {(*labels, "0.5"), (*labels, "0.99")}, "the others report none: no 0"
    assert found["tau2tui_replica_preemptions_total"] == {labels: 7}
    assert found["tau2tui_replica_prefix_cache_queried_tokens_total"] == {labels: 9000}
    assert found["tau2tui_replica_prefix_cache_hit_tokens_total"] == {labels: 4500}
    assert found["tau2tui_replica_failed_responses_ratio"] == {labels: 0.25}
    assert found["tau2tui_replica_requests_per_second"] == {labels: 0.5}
    assert found["tau2tui_replica_prompt_tokens_per_second"] == {labels: 1200}


async def test_what_the_evaluation_counts_is_exposed_as_it_counts_it(cluster: FakeCluster) -> None:
    cluster.evaluation = progress = replace(
        running_evaluation(cluster.clock()), tokens={"user": 12}, cost_usd={"user": 0.25}, budget_usd=20.0
    )
    found = await scraped(cluster)
    assert found["tau2tui_evaluation_units"] == {("retail",): 114, ("telecom",): 114, ("airline",): 50}
    assert found["tau2tui_evaluation_units_finished"]["retail",] == 56
    assert found["tau2tui_evaluation_units_passed"]["retail",] == 25
    assert found["tau2tui_evaluation_units_failed"] == {("retail",): 1, ("telecom",): 0, ("airline",): 0}
    assert found["tau2tui_evaluation_call_errors_total"] == {(kind,): n for kind, n in progress.errors.items()}
    assert found["tau2tui_evaluation_calls_total"]["orchestrator",] == 3453
    assert found["tau2tui_evaluation_retries_total"] == {(): 74}
    assert found["tau2tui_evaluation_tokens_total"] == {("user",): 12}
    assert found["tau2tui_evaluation_cost_dollars_total"] == {("user",): 0.25}
    assert found["tau2tui_evaluation_budget_dollars"] == {(): 20}
    assert found["tau2tui_evaluation_state"]["running",] == 1
    assert sum(found["tau2tui_evaluation_state"].values()) == 1 and len(EvalState) == 7
    node = cluster.replicas["expert-1-2"].node
    assert found["tau2tui_replica_call_errors_total"]["expert-1", "expert-1-2", node] == 48
    assert found["tau2tui_replica_units_waiting"]["expert-1", "expert-1-2", node] == 1


async def test_what_is_not_known_is_absent_and_never_0(cluster: FakeCluster) -> None:
    cluster.change("expert-1-0", load=Load(running=2.0))
    cluster.jobs = tuple(replace(job, time_left_s=None) for job in cluster.jobs)
    found = await scraped(cluster)
    node = cluster.replicas["expert-1-0"].node
    labels = ("expert-1", "expert-1-0", node)
    assert found["tau2tui_replica_requests_running"][labels] == 2
    for name in ("requests_waiting", "kv_cache_usage_ratio", "generation_tokens_per_second"):
        assert labels not in found[f"tau2tui_replica_{name}"]
    assert found["tau2tui_job_time_left_seconds"] == {}
    evaluation = {name: series for name, series in found.items() if name.startswith("tau2tui_evaluation")}
    assert evaluation and not any(evaluation.values()), "there is no evaluation"


async def test_a_run_that_does_not_answer_leaves_only_its_source(cluster: FakeCluster) -> None:
    cluster.run_error = "the file system does not answer"
    found = await scraped(cluster)
    assert found["tau2tui_source_up"] == {("jobs",): 1, ("run",): 0}
    assert list(found["tau2tui_source_age_seconds"]) == [("jobs",)], "it was never read"
    assert found["tau2tui_source_read_errors_total"] == {("jobs",): 0, ("run",): 1}
    for name in ("replicas", "replica_standing", "dirty_nodes", "evaluation_units"):
        assert found[f"tau2tui_{name}"] == {}


async def test_a_queue_that_does_not_answer_is_no_queue_without_jobs(cluster: FakeCluster) -> None:
    cluster.queue_error = "slurm_load_jobs error"
    found = await scraped(cluster)
    assert found["tau2tui_source_up"]["jobs",] == 0
    assert found["tau2tui_jobs"] == {} and found["tau2tui_job_time_left_seconds"] == {}
    assert found["tau2tui_replicas"]["expert-1", "ready"] > 0


async def test_a_source_that_was_read_long_ago_tells_its_age_and_nothing_else(cluster: FakeCluster) -> None:
    found = await scraped(cluster, later_s=600.0)
    assert found["tau2tui_source_up"] == {("jobs",): 0, ("run",): 0}
    assert all(age >= 600 for age in found["tau2tui_source_age_seconds"].values())
    assert found["tau2tui_replicas"] == {} and found["tau2tui_jobs"] == {}


async def test_a_failed_read_is_told_while_the_last_values_are_still_young(cluster: FakeCluster) -> None:
    ops = make_ops(cluster)
    await ops.look()
    cluster.run_error = "gone"
    await ops.refresh("run", 0.0)
    async with exported(ops) as ask:
        found = await ask()
    assert found["tau2tui_source_up"]["run",] == 0
    assert found["tau2tui_replicas"]["expert-1", "ready"] > 0


async def test_a_replica_whose_node_agent_is_silent_is_unknown_and_has_no_load(cluster: FakeCluster) -> None:
    ops = make_ops(cluster)
    await ops.look()
    run = ops.snapshot.run.value
    assert run is not None
    silent = tuple(replace(one, heartbeat_at=run.clock - 300) for one in run.replicas)
    ops.store.put_run(RunState(replicas=silent, clock=run.clock), cluster.clock())
    async with exported(ops) as ask:
        found = await ask()
    assert found["tau2tui_replicas"]["expert-1", "unknown"] == cluster.config.experts["expert-1"].replicas
    assert found["tau2tui_replica_requests_running"] == found["tau2tui_replica_readiness_level"] == {}
    assert set(found["tau2tui_replica_heartbeat_age_seconds"].values()) == {300}


async def test_dirty_nodes_and_states_of_jobs_are_counted(cluster: FakeCluster) -> None:
    cluster.jobs = (replace(cluster.jobs[0], state=JobState.PENDING, raw_state="PENDING"), *cluster.jobs[1:])
    ops = make_ops(cluster)
    await ops.look()
    run = ops.snapshot.run.value
    assert run is not None
    ops.store.put_run(replace(run, dirty_nodes=(DirtyNode("gpu07", 1234.0, "pid 1"),)), cluster.clock())
    async with exported(ops) as ask:
        found = await ask()
    assert found["tau2tui_node_dirty_since_timestamp_seconds"] == {("gpu07",): 1234}
    assert found["tau2tui_dirty_nodes"] == {(): 1}
    assert (found["tau2tui_jobs"]["pending",], found["tau2tui_jobs"]["ended",]) == (1, 0)


async def test_labels_from_outside_cannot_become_other_metrics(cluster: FakeCluster) -> None:
    nasty = 'gpu"01\\\n# HELP evil x\nevil{run="x"} 1\ud800'
    cluster.change("expert-1-0", node=nasty, phase=Phase.READY)
    cluster.evaluation = replace(running_evaluation(cluster.clock()), errors={'cl"ass\n': 3})
    found = await scraped(cluster)
    assert not any("evil" in name for name in found)
    assert ("expert-1", "expert-1-0", nasty.replace("\ud800", "?")) in found["tau2tui_replica_attempts"]
    assert found["tau2tui_evaluation_call_errors_total"] == {('cl"ass\n',): 3}


async def test_every_metric_is_declared_with_its_kind_even_without_a_value(cluster: FakeCluster) -> None:
    cluster.run_error = cluster.queue_error = "nothing"
    found = await scraped(cluster)
    assert set(found) == {exposed.name for exposed in EXPOSED}


async def test_a_loop_that_is_gone_fails_the_scrape_instead_of_telling_old_values(cluster: FakeCluster) -> None:
    ops = make_ops(cluster)
    await ops.look()

    def broken() -> object:
        raise TimeoutError

    with serving(RunCollector(broken, asyncio.get_running_loop()), "127.0.0.1", 0) as port:  # type: ignore[arg-type]
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 500


async def test_a_port_that_is_taken_is_told_with_the_option_that_helps(cluster: FakeCluster) -> None:
    ops = make_ops(cluster)
    collector = RunCollector(lambda: seen_by(ops), asyncio.get_running_loop())
    with (
        serving(collector, "127.0.0.1", 0) as port,
        pytest.raises(CommandFailed, match=str(port)) as told,
        serving(collector, "127.0.0.1", port),
    ):
        pass
    assert "--listen" in told.value.hint


def test_addresses_to_listen_on() -> None:
    assert listen_address("127.0.0.1:9105") == ("127.0.0.1", 9105)
    assert listen_address("[::1]:80") == ("::1", 80)
    assert listen_address(":9105") == ("0.0.0.0", 9105)
    for wrong in ("9105", "h:99999", "::1:80", "h:", ""):
        with pytest.raises(ConfigError, match="HOST:PORT"):
            listen_address(wrong)
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("login1")


def test_names_follow_the_conventions_of_prometheus() -> None:
    for exposed in EXPOSED:
        assert exposed.name.endswith("_total") == (exposed.kind == "counter"), exposed.name
        assert exposed.labels[0] == "run" and not {"job", "instance", "le"} & set(exposed.labels)
        assert not exposed.name.endswith(("_ms", "_percent", "_mib", "_count", "_sum", "_bucket"))
    assert len({exposed.name for exposed in EXPOSED}) == len(EXPOSED)
