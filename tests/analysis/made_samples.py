"""Samples as the node agent writes them: by its own Meter, from texts of /metrics that are made from known requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tau2tui.node import agent

BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass
class MadeServer:
    """A server whose counters are known, and the samples that its agent takes of it."""

    name: str
    meter: agent.Meter = field(default_factory=lambda: agent.Meter({}))
    took_s: list[float] = field(default_factory=list)
    """Of every request since it began."""
    queued_s: float = 0.0
    tokens: float = 0.0
    prompt: float = 0.0
    hits: float = 0.0
    preemptions: float = 0.0
    running: float = 1.0
    waiting: float = 0.0
    kv_cache: float = 0.3
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Its /metrics."""
        buckets = [(f"{bound}", sum(took <= bound for took in self.took_s)) for bound in BOUNDS]
        buckets.append(("+Inf", len(self.took_s)))
        flat = {
            "num_requests_running": self.running, "num_requests_waiting": self.waiting,
            "kv_cache_usage_perc": self.kv_cache, "generation_tokens_total": self.tokens,
            "prompt_tokens_total": self.prompt, "prefix_cache_queries_total": self.prompt,
            "prefix_cache_hits_total": self.hits, "num_preemptions_total": self.preemptions,
            "request_success_total": len(self.took_s),
            "request_queue_time_seconds_sum": self.queued_s, "request_queue_time_seconds_count": len(self.took_s),
            "e2e_request_latency_seconds_sum": sum(self.took_s), "e2e_request_latency_seconds_count": len(self.took_s),
        }  # fmt: skip
        lines = [f'vllm:{name}{{engine="0"}} {value}' for name, value in flat.items()]
        lines += [f'vllm:e2e_request_latency_seconds_bucket{{engine="0",le="{le}"}} {count}' for le, count in buckets]
        return "\n".join(lines) + "\n"

    def serve(self, *took_s: float, queued_s: float = 0.0, hit_share: float = 0.5, tokens: float = 100.0) -> None:
        """Requests that end now."""
        self.took_s += took_s
        self.queued_s += queued_s * len(took_s)
        self.tokens += tokens * len(took_s)
        self.prompt += 1000 * len(took_s)
        self.hits += 1000 * hit_share * len(took_s)

    def sample(self, at: float) -> None:
        """The agent looks."""
        self.meter.take(at, agent.read_metrics(self.text()))
        self.lines.append(json.dumps(self.meter.row(1), separators=(",", ":")))

    def miss(self, at: float) -> None:
        """It looks in vain."""
        self.lines.append(json.dumps({"t": at, "e": "/metrics: timed out"}))

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.jsonl").write_text("\n".join(self.lines) + "\n")
