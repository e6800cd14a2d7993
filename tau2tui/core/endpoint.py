"""One server by itself: how far it is ready, who it is, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tau2tui.core.metrics.names import Quantity
from tau2tui.core.metrics.scrape import Scrape
from tau2tui.core.metrics.window import Window
from tau2tui.core.model import Level


@dataclass(frozen=True, slots=True)
class ServedModel:
    """An entry of /v1/models."""

    id: str
    max_model_len: int | None = None
    root: str = ""
    """The checkpoint that it was loaded from."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What one look at an endpoint found."""

    url: str
    answered: bool = False
    """Whether it said anything in HTTP at all. If not, nothing is known of what runs there."""
    level: Level | None = None
    """The highest level of readiness that was proved; None: not even a connection."""
    why: str = ""
    """Why it is not higher, and what to do; empty if all that was asked for was reached."""
    took_ms: float | None = None
    """How long /health took."""
    models: tuple[ServedModel, ...] = ()
    version: str = ""
    listeners: tuple[str, ...] = ()
    """What each of several fresh connections was told that it serves: more than one answer, more than one server."""
    no_metrics: str = ""
    """Why there are no metrics."""
    scrapes: tuple[Scrape, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def ready(self) -> bool:
        """Whether everything that was asked for was reached."""
        return self.answered and not self.why


def now_figures(scrape: Scrape) -> dict[str, Any]:
    """What a server reports of this moment, for a program; None: not reported."""
    return {
        "running": scrape.total(Quantity.RUNNING),
        "waiting": scrape.total(Quantity.WAITING),
        "waiting_by_reason": scrape.by(Quantity.WAITING_BY_REASON, "reason"),
        "kv_cache": scrape.most(Quantity.KV_CACHE),
        "kv_cache_mean": scrape.mean(Quantity.KV_CACHE),
        "prompt_tokens": scrape.total(Quantity.PROMPT_TOKENS),
        "generation_tokens": scrape.total(Quantity.GENERATION_TOKENS),
        "finished": scrape.by(Quantity.FINISHED, "finished_reason"),
        "rejected": scrape.total(Quantity.REJECTED),
        "preemptions": scrape.total(Quantity.PREEMPTIONS),
        "prefix_queries": scrape.total(Quantity.PREFIX_QUERIES),
        "prefix_hits": scrape.total(Quantity.PREFIX_HITS),
        "http": scrape.by(Quantity.HTTP, "status"),
        "process_start": scrape.process_start,
    }


TIMES = (
    (Quantity.TTFT, "time to first token"),
    (Quantity.ITL, "between two tokens"),
    (Quantity.TPOT, "per output token"),
    (Quantity.E2E, "end to end"),
    (Quantity.QUEUE, "queue"),
    (Quantity.PREFILL, "prefill"),
    (Quantity.DECODE, "decode"),
)


def window_figures(window: Window) -> dict[str, Any]:
    """What happened in a window, for a program; rates are a second, times seconds; None: not known, or none was."""
    return {
        "seconds": window.seconds,
        "restarted": window.restarted,
        "prompt_tokens_s": window.rate(Quantity.PROMPT_TOKENS),
        "generation_tokens_s": window.rate(Quantity.GENERATION_TOKENS),
        "requests_s": window.rate(Quantity.FINISHED),
        "finished": window.finish_reasons,
        "http": window.http_statuses,
        "failed_share": window.failed_share,
        "preemptions_per_min": window.preemptions_per_min,
        "prefix_hit_share": window.prefix_hit_share,
        "acceptance": window.acceptance,
        "accepted_length": window.accepted_length,
        **{quantity.value: _times(window, quantity) for quantity, _ in TIMES},
    }


def _times(window: Window, quantity: Quantity) -> dict[str, Any] | None:
    """Count, mean and quantiles of a histogram; `beyond` names those that lie above the last bound, and are it."""
    histogram = window.histograms.get(quantity)
    if histogram is None:
        return None
    found = {f"p{q}_s": histogram.quantile(q / 100) for q in (50, 90, 99)}
    return {
        "count": histogram.count,
        "mean_s": histogram.mean,
        **{name: each.value if each else None for name, each in found.items()},
        "beyond": [name for name, each in found.items() if each and each.beyond],
    }
