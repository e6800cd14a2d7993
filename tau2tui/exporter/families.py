"""What was seen → metric families. What is not known has no sample, never a 0; nor has what is too old to be true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tau2tui import __version__
from tau2tui.core.model import EvalProgress, EvalState, JobState, Level, Load, Reading, RunState, Snapshot
from tau2tui.core.verdict import HEARTBEAT_TIMEOUT_S, Standing, Verdict
from tau2tui.exporter.catalogue import EXPOSED, Exposed

if TYPE_CHECKING:
    from prometheus_client import Metric

_LEVELS = {level: number for number, level in enumerate(Level, 1)}
Sample = tuple[tuple[str, ...], float | None]
"""Values of the labels behind `run`, and the value; None: not known."""


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """One of the two sources of a run."""

    reading: Reading[Any]
    stale_after_s: float
    reads: int
    errors: int

    def stale(self, now: float) -> bool:
        """Whether its values are too old to be shown as those of now."""
        return self.reading.stale(now, self.stale_after_s)

    def up(self, now: float) -> bool | None:
        """None before the first read has ended."""
        if self.reading.at is None and not self.reading.error:
            return None
        return not self.reading.error and not self.stale(now)


@dataclass(frozen=True, slots=True)
class Seen:
    """What Ops sees at one moment."""

    run_id: str
    scheduler: str
    now: float
    snapshot: Snapshot
    verdicts: Sequence[Verdict]
    sources: Mapping[str, SourceSeen]
    """By name: `jobs` and `run`."""

    @property
    def run(self) -> RunState | None:
        """What the run directory said; None if that is not known now."""
        return None if self.sources["run"].stale(self.now) else self.snapshot.run.value

    @property
    def progress(self) -> EvalProgress | None:
        return self.run.evaluation if self.run else None


def families(seen: Seen) -> Iterator[Metric]:
    """One family for each of EXPOSED, in that order; those of which nothing is known have no sample."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    samples: dict[str, list[Sample]] = {exposed.name: [] for exposed in EXPOSED}
    for name, labels, value in (*_sources(seen), *_fleet(seen), *_jobs(seen), *_evaluation(seen)):
        kind = "_total" if f"tau2tui_{name}_total" in samples else ""
        samples[f"tau2tui_{name}{kind}"].append((labels, value))
    for exposed in EXPOSED:
        family_of = CounterMetricFamily if exposed.kind == "counter" else GaugeMetricFamily
        family = family_of(exposed.name, exposed.about, labels=exposed.labels)
        for labels, value in samples[exposed.name]:
            if value is not None:
                family.add_metric([seen.run_id, *_whole(exposed, labels)], value)
        yield family


Said = tuple[str, tuple[str, ...], float | None]
"""Name without `tau2tui_` and `_total`, values of the labels behind `run`, value."""


def _whole(exposed: Exposed, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The values of the labels behind `run`, one for each. What holds no Unicode text cannot be exposed as it is."""
    assert len(labels) + 1 == len(exposed.labels), exposed.name
    return tuple(label.encode(errors="replace").decode() for label in labels)


def _sources(seen: Seen) -> Iterator[Said]:
    yield "info", (__version__, seen.scheduler), 1
    for name, source in seen.sources.items():
        up = source.up(seen.now)
        yield "source_up", (name,), None if up is None else float(up)
        at = source.reading.at
        yield "source_age_seconds", (name,), None if at is None else max(seen.now - at, 0.0)
        yield "source_reads", (name,), source.reads
        yield "source_read_errors", (name,), source.errors


def _fleet(seen: Seen) -> Iterator[Said]:
    run = seen.run
    if run is None:
        return
    progress = run.evaluation
    standings = Counter((verdict.wanted.expert, verdict.standing) for verdict in seen.verdicts)
    for expert in dict.fromkeys(verdict.wanted.expert for verdict in seen.verdicts):
        for standing in Standing:
            yield "replicas", (expert, standing.value), standings[expert, standing]
    waiting = Counter(unit.replica for unit in progress.running) if progress else Counter()
    for verdict in seen.verdicts:
        yield from _replica(verdict, run)
        if progress is not None:
            labels = _labels(verdict)
            yield "replica_units_waiting", labels, waiting[verdict.wanted.name]
            yield "replica_call_errors", labels, progress.errors_by_replica.get(verdict.wanted.name, 0)


def _labels(verdict: Verdict) -> tuple[str, ...]:
    node = (verdict.seen.node if verdict.seen else "") or (verdict.job.nodes if verdict.job else "")
    return verdict.wanted.expert, verdict.wanted.name, node


def _replica(verdict: Verdict, run: RunState) -> Iterator[Said]:
    labels, report = _labels(verdict), verdict.seen
    for standing in Standing:
        yield "replica_standing", (*labels, standing.value), float(standing is verdict.standing)
    if report is None:
        return
    yield "replica_attempts", labels, report.attempt
    silent_s = run.clock - report.heartbeat_at
    yield "replica_heartbeat_age_seconds", labels, max(silent_s, 0.0)
    if silent_s > HEARTBEAT_TIMEOUT_S or verdict.standing is Standing.STOPPED:
        return  # what it was when its node agent last spoke is not what it is
    yield "replica_readiness_level", labels, 0 if report.level is None else _LEVELS[report.level]
    yield from _load(labels, report.load)


def _load(labels: tuple[str, ...], load: Load) -> Iterator[Said]:
    """What the server says of itself."""
    yield "replica_requests_running", labels, load.running
    yield "replica_requests_waiting", labels, load.waiting
    yield "replica_kv_cache_usage_ratio", labels, load.kv_cache
    yield "replica_generation_tokens_per_second", labels, load.generation_tokens_s
    yield "replica_prompt_tokens_per_second", labels, load.prompt_tokens_s
    yield "replica_requests_per_second", labels, load.requests_s
    for name, half, most in (
        ("time_to_first_token", load.ttft_p50_s, load.ttft_p99_s),
        ("inter_token_latency", load.itl_p50_s, load.itl_p99_s),
        ("queue_time", load.queue_p50_s, load.queue_p99_s),
        ("request_latency", load.e2e_p50_s, load.e2e_p99_s),
    ):
        yield f"replica_{name}_seconds", (*labels, "0.5"), half
        yield f"replica_{name}_seconds", (*labels, "0.99"), most
    yield "replica_failed_responses_ratio", labels, load.failed_share
    yield "replica_preemptions", labels, load.preemptions_total
    yield "replica_prefix_cache_queried_tokens", labels, load.prefix_queries_total
    yield "replica_prefix_cache_hit_tokens", labels, load.prefix_hits_total


def _jobs(seen: Seen) -> Iterator[Said]:
    if seen.run is not None:
        yield "dirty_nodes", (), len(seen.run.dirty_nodes)
        for node in seen.run.dirty_nodes:
            yield "node_dirty_since_timestamp_seconds", (node.node,), node.at
    queue = seen.snapshot.jobs.value
    if queue is None or seen.sources["jobs"].stale(seen.now):
        return
    states = Counter(job.state for job in queue)
    for state in JobState:
        yield "jobs", (state.value,), states[state]
    for job in queue:
        if job.may_live:
            yield "job_time_left_seconds", (job.name, job.id), job.time_left_s


def _evaluation(seen: Seen) -> Iterator[Said]:
    run, progress = seen.run, seen.progress
    if run is None or progress is None:
        return
    for state in EvalState:
        yield "evaluation_state", (state.value,), float(state is progress.state)
    yield "evaluation_update_age_seconds", (), max(run.clock - progress.updated_at, 0.0)
    yield "evaluation_start_timestamp_seconds", (), progress.started_at
    yield "evaluation_concurrency_limit", (), progress.max_concurrency
    yield "evaluation_units_stalled", (), sum(unit.stalled for unit in progress.running)
    for domain in progress.domains:
        name = (domain.domain,)
        yield "evaluation_units", name, domain.total
        yield "evaluation_units_finished", name, domain.finished
        yield "evaluation_units_passed", name, domain.passed
        yield "evaluation_units_failed", name, domain.errors
        yield "evaluation_units_running", name, domain.running
    yield "evaluation_retries", (), progress.retries
    counts: dict[str, Mapping[str, float]] = {
        "evaluation_unit_errors": progress.unit_errors,
        "evaluation_call_errors": progress.errors,
        "evaluation_role_call_errors": progress.errors_by_role,
        "evaluation_calls": progress.calls,
        "evaluation_tokens": progress.tokens,
        "evaluation_cost_dollars": progress.cost_usd,
    }
    for metric, by in counts.items():
        for label, value in by.items():
            yield metric, (label,), value
    yield "evaluation_budget_dollars", (), progress.budget_usd
    yield "evaluation_budget_tokens", (), progress.budget_tokens
    if left := seen.snapshot.time_left:
        bounds = {"0.1": left.low_s, "0.5": left.middle_s, "0.9": left.high_s}
        for quantile, seconds in bounds.items():
            yield "evaluation_time_left_seconds", (quantile,), seconds
