"""The series of vLLM 0.9 to 0.33 that mean something to us, under every name that they have had.

The names are those of vllm/v1/metrics/loggers.py (0.12 and 0.32) and of its notes on deprecation. A counter stands here
with the `_total` that the client library exposes. Where a name is not in a text, the server does not report the
quantity; nothing then stands in for it.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a series is, whatever a server declares: it says how values are compared and added up."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Quantity(StrEnum):
    """What is measured, under one name for all versions. Times are seconds, shares 0–1."""

    RUNNING = "running"
    WAITING = "waiting"
    WAITING_BY_REASON = "waiting_by_reason"
    KV_CACHE = "kv_cache"
    PROMPT_TOKENS = "prompt_tokens"
    GENERATION_TOKENS = "generation_tokens"
    FINISHED = "finished"
    """Requests that ended, by `finished_reason`: stop, length, abort; since 0.32 also error and repetition."""
    REJECTED = "rejected"
    """Requests refused by the limit on the queue (0.32)."""
    PREEMPTIONS = "preemptions"
    PREFIX_QUERIES = "prefix_queries"
    """Tokens that were looked for in the prefix cache."""
    PREFIX_HITS = "prefix_hits"
    PREFIX_HIT_SHARE = "prefix_hit_share"
    """The share itself, as servers before the two counters gave it: over their whole life, not over a window."""
    DRAFTS = "drafts"
    DRAFT_TOKENS = "draft_tokens"
    ACCEPTED_TOKENS = "accepted_tokens"
    HTTP = "http"
    """Responses by `handler`, `method` and `status` (2xx, 4xx, 5xx); /health and /metrics are not counted."""
    TTFT = "ttft"
    """Time to the first token."""
    ITL = "itl"
    """Time between two tokens; up to 0.10 under the name of the next."""
    TPOT = "tpot"
    """Time per output token of a request, without its first."""
    E2E = "e2e"
    QUEUE = "queue"
    PREFILL = "prefill"
    DECODE = "decode"
    PROCESS_START = "process_start"
    """When the process began, in Unix seconds."""


SERIES: dict[Quantity, tuple[Kind, tuple[str, ...]]] = {
    Quantity.RUNNING: (Kind.GAUGE, ("vllm:num_requests_running",)),
    Quantity.WAITING: (Kind.GAUGE, ("vllm:num_requests_waiting",)),
    Quantity.WAITING_BY_REASON: (Kind.GAUGE, ("vllm:num_requests_waiting_by_reason",)),
    Quantity.KV_CACHE: (Kind.GAUGE, ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),
    Quantity.PROMPT_TOKENS: (Kind.COUNTER, ("vllm:prompt_tokens_total",)),
    Quantity.GENERATION_TOKENS: (Kind.COUNTER, ("vllm:generation_tokens_total",)),
    Quantity.FINISHED: (Kind.COUNTER, ("vllm:request_success_total",)),
    Quantity.REJECTED: (Kind.COUNTER, ("vllm:admission_rejections_total",)),
    Quantity.PREEMPTIONS: (Kind.COUNTER, ("vllm:num_preemptions_total",)),
    Quantity.PREFIX_QUERIES: (
        Kind.COUNTER,
        ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
    ),
    Quantity.PREFIX_HITS: (Kind.COUNTER, ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total")),
    Quantity.PREFIX_HIT_SHARE: (Kind.GAUGE, ("vllm:gpu_prefix_cache_hit_rate",)),
    Quantity.DRAFTS: (Kind.COUNTER, ("vllm:spec_decode_num_drafts_total",)),
    Quantity.DRAFT_TOKENS: (Kind.COUNTER, ("vllm:spec_decode_num_draft_tokens_total",)),
    Quantity.ACCEPTED_TOKENS: (Kind.COUNTER, ("vllm:spec_decode_num_accepted_tokens_total",)),
    Quantity.HTTP: (Kind.COUNTER, ("http_requests_total",)),
    Quantity.TTFT: (Kind.HISTOGRAM, ("vllm:time_to_first_token_seconds",)),
    Quantity.ITL: (Kind.HISTOGRAM, ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")),
    Quantity.TPOT: (Kind.HISTOGRAM, ("vllm:request_time_per_output_token_seconds",)),
    Quantity.E2E: (Kind.HISTOGRAM, ("vllm:e2e_request_latency_seconds",)),
    Quantity.QUEUE: (Kind.HISTOGRAM, ("vllm:request_queue_time_seconds",)),
    Quantity.PREFILL: (Kind.HISTOGRAM, ("vllm:request_prefill_time_seconds",)),
    Quantity.DECODE: (Kind.HISTOGRAM, ("vllm:request_decode_time_seconds",)),
    Quantity.PROCESS_START: (Kind.GAUGE, ("process_start_time_seconds",)),
}
"""Each quantity with its kind and its names, the newest first: the first that a text has is the one that counts."""

GAUGES, COUNTERS, HISTOGRAMS = (
    tuple(quantity for quantity, (kind, _) in SERIES.items() if kind is wanted)
    for wanted in (Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM)
)
