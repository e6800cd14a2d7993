"""Every metric that is exposed: its name, kind and labels. Names follow Prometheus' conventions: base units, `_total`.

https://prometheus.io/docs/practices/naming/ and the state sets of OpenMetrics: one series for each state, 1 for the one
that holds. No label is called `job` or `instance`: those are Prometheus' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REPLICA = ("run", "expert", "replica", "node")
QUANTILES = (*REPLICA, "quantile")
EVALUATION = ("run",)


@dataclass(frozen=True, slots=True)
class Exposed:
    """One metric."""

    name: str
    """As it stands in the text and in queries; a counter's ends in `_total`."""
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    about: str


def _gauge(name: str, labels: tuple[str, ...], about: str) -> Exposed:
    return Exposed(f"tau2tui_{name}", "gauge", labels, about)


def _counter(name: str, labels: tuple[str, ...], about: str) -> Exposed:
    return Exposed(f"tau2tui_{name}_total", "counter", labels, about)


EXPOSED = (
    _gauge("info", ("run", "version", "scheduler"), "The run that is looked at and the program that looks; always 1."),
    # sources
    _gauge("source_up", ("run", "source"), "Whether the last read of the source worked and is recent (1) or not (0)."),
    _gauge("source_age_seconds", ("run", "source"), "How long ago the read began that gave the values shown."),
    _counter("source_reads", ("run", "source"), "Reads of the source since the exporter began."),
    _counter("source_read_errors", ("run", "source"), "Those of them that failed."),
    # fleet
    _gauge("replicas", ("run", "expert", "standing"), "Replicas by how they stand."),
    _gauge("replica_standing", (*REPLICA, "standing"), "1 for how the replica stands, 0 for every other standing."),
    _gauge("replica_readiness_level", REPLICA, "Levels proved: 0 none, 1 alive, 2 health, 3 identity, 4 completion."),
    _gauge("replica_attempts", REPLICA, "Attempts to run the server so far."),
    _gauge("replica_heartbeat_age_seconds", REPLICA, "Since the node agent last wrote of the replica."),
    _gauge("replica_requests_running", REPLICA, "Requests in the server's batches."),
    _gauge("replica_requests_waiting", REPLICA, "Requests that wait for a place in them."),
    _gauge("replica_kv_cache_usage_ratio", REPLICA, "Share of the KV cache in use, 0 to 1."),
    _gauge("replica_generation_tokens_per_second", REPLICA, "Tokens generated per second, as last sampled."),
    _gauge("replica_prompt_tokens_per_second", REPLICA, "Prompt tokens per second over the last minute."),
    _gauge("replica_requests_per_second", REPLICA, "Requests that ended per second over the last minute."),
    _gauge("replica_time_to_first_token_seconds", QUANTILES, "Of the last minute's requests: median and p99."),
    _gauge("replica_inter_token_latency_seconds", QUANTILES, "Between two tokens, in the last minute: median and p99."),
    _gauge("replica_queue_time_seconds", QUANTILES, "Before a request ran, in the last minute: median and p99."),
    _gauge("replica_request_latency_seconds", QUANTILES, "End to end, in the last minute: median and p99."),
    _gauge("replica_failed_responses_ratio", REPLICA, "Share of 5xx among the last minute's responses, 0 to 1."),
    _counter(
        "replica_preemptions", REPLICA, "Requests that gave up their place in the KV cache, since the server began."
    ),
    _counter("replica_prefix_cache_queried_tokens", REPLICA, "Prompt tokens looked for in the prefix cache."),
    _counter("replica_prefix_cache_hit_tokens", REPLICA, "Those of them that were found there."),
    _gauge("replica_units_waiting", REPLICA, "Simulations of the evaluation that wait for this replica now."),
    _counter("replica_call_errors", REPLICA, "Failed calls of the evaluation to this replica."),
    # jobs and nodes
    _gauge("jobs", ("run", "state"), "Jobs of the run by state, as the scheduler shows them."),
    _gauge("job_time_left_seconds", ("run", "job_name", "job_id"), "Until the time limit of the job."),
    _gauge("dirty_nodes", ("run",), "Nodes on whose GPUs something was found that could not be ended."),
    _gauge("node_dirty_since_timestamp_seconds", ("run", "node"), "When the node was found dirty, in Unix seconds."),
    # evaluation
    _gauge("evaluation_state", ("run", "state"), "1 for what the driver is doing, 0 for every other state."),
    _gauge("evaluation_update_age_seconds", EVALUATION, "Since the driver last wrote its state."),
    _gauge("evaluation_start_timestamp_seconds", EVALUATION, "When the driver began, in Unix seconds."),
    _gauge("evaluation_concurrency_limit", EVALUATION, "Simulations that may run at once."),
    _gauge("evaluation_units", ("run", "domain"), "Units (task and trial) of the evaluation."),
    _gauge("evaluation_units_finished", ("run", "domain"), "Units that have ended, well or in an error."),
    _gauge("evaluation_units_passed", ("run", "domain"), "Units with full reward."),
    _gauge("evaluation_units_failed", ("run", "domain"), "Units that ended in an infrastructure error."),
    _gauge("evaluation_units_running", ("run", "domain"), "Units in flight."),
    _gauge("evaluation_units_stalled", EVALUATION, "Units in which nothing has happened for longer than stall_s."),
    _gauge("evaluation_unit_errors", ("run", "error_class"), "Units by the error that ended them."),
    _counter("evaluation_call_errors", ("run", "error_class"), "Failed attempts at model calls by class."),
    _counter("evaluation_role_call_errors", ("run", "role"), "The same by whose calls they were."),
    _counter("evaluation_retries", EVALUATION, "Attempts that were made again."),
    _counter("evaluation_calls", ("run", "series"), "Model calls that were answered."),
    _counter("evaluation_tokens", ("run", "series"), "Input and output tokens."),
    _counter("evaluation_cost_dollars", ("run", "series"), "Cost at the configured prices, in US dollars."),
    _gauge("evaluation_budget_dollars", EVALUATION, "The limit at which the run pauses; absent without one."),
    _gauge("evaluation_budget_tokens", EVALUATION, "The same in tokens."),
    _gauge("evaluation_time_left_seconds", ("run", "quantile"), "Until the last unit ends: median and bounds of 80 %."),
)
BY_NAME = {exposed.name: exposed for exposed in EXPOSED}
