"""Why a stretch of time was slow: the client's latencies held against what the server said of the same stretch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tau2tui.config import VerdictsConfig


class Cause(StrEnum):
    """What slow calls are put down to."""

    KV_FULL = "KV full"
    PREEMPTION = "preemption"
    QUEUE = "queue"
    IMBALANCE = "imbalance"
    CACHE_LOST = "cache lost"
    LONGER = "longer answers"
    CLIENT = "client"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Stretch:
    """One server in a stretch of time, and what is usual for it. Times are seconds, shares 0–1; None: not known."""

    client_s: float
    """The median of what calls took as the client saw it."""
    usual_client_s: float
    sampled: bool = True
    """Whether there are samples of the server in it."""
    server_most_s: float | None = None
    """The median from the arrival of a request to its end, as the server saw it, is no more than this."""
    kv_cache: float | None = None
    """The most of its KV cache that was in use."""
    waiting: float | None = None
    """Requests that waited, at the most."""
    preemptions: float | None = None
    queue_s: float | None = None
    """The mean time that requests waited before they ran."""
    busy: float | None = None
    """Requests that ran or waited, in the mean."""
    busy_others: float | None = None
    """The median of the same over the other replicas of its model."""
    hit_share: float | None = None
    """Of the prompt tokens those found in the prefix cache."""
    usual_hit_share: float | None = None
    answer_tokens: float | None = None
    """Generated for a request, in the mean."""
    usual_answer_tokens: float | None = None


QUEUE_SHARE = 0.25
"""So much of a call's time spent in the queue explains that it was slow."""
SERVER_SHARE = 0.5
"""Where the server had a request for less than this share of the call, the time was lost outside of it."""
CACHE_LOST = 0.5
"""Less than this share of the usual hits: the prompts were computed again."""
MUCH_CACHED = 0.2
"""With fewer hits than this as a rule there is no cache to lose."""
LONGER = 1.5


def explain(stretch: Stretch, limits: VerdictsConfig | None = None) -> tuple[Cause, str]:
    """The most likely cause, and the figures that say so; the causes that make others come first."""
    limits = limits or VerdictsConfig()
    s = stretch
    if not s.sampled:
        return Cause.NOT_KNOWN, "no samples of the server in this stretch"
    if s.server_most_s is not None and s.server_most_s < SERVER_SHARE * s.client_s:
        held = f"the server had a request for at most {s.server_most_s:.1f} s"
        return Cause.CLIENT, f"{held}, the call took {s.client_s:.1f} s"
    if s.kv_cache is not None and s.kv_cache >= limits.kv_share and (s.waiting or s.preemptions):
        waits = f"{s.waiting or 0:.0f} waited, {s.preemptions or 0:.0f} preemptions"
        return Cause.KV_FULL, f"KV cache up to {s.kv_cache:.0%}, {waits}"
    if s.preemptions:
        return Cause.PREEMPTION, f"{s.preemptions:.0f} preemptions"
    if s.busy is not None and s.busy_others is not None and _apart(s.busy, s.busy_others, limits):
        return Cause.IMBALANCE, f"{s.busy:.1f} requests at once, the others of its model {s.busy_others:.1f}"
    if s.queue_s is not None and s.queue_s >= QUEUE_SHARE * s.client_s:
        return Cause.QUEUE, f"{s.queue_s:.1f} s in the queue of {s.client_s:.1f} s, up to {s.waiting or 0:.0f} waited"
    usual = s.usual_hit_share
    if s.hit_share is not None and usual is not None and usual >= MUCH_CACHED and s.hit_share < CACHE_LOST * usual:
        return Cause.CACHE_LOST, f"prefix hits {s.hit_share:.0%}, usually {usual:.0%}"
    if s.answer_tokens is not None and s.usual_answer_tokens and s.answer_tokens >= LONGER * s.usual_answer_tokens:
        return Cause.LONGER, f"{s.answer_tokens:.0f} tokens an answer, usually {s.usual_answer_tokens:.0f}"
    return Cause.NOT_KNOWN, "nothing that the server reports stands out"


def _apart(busy: float, others: float, limits: VerdictsConfig) -> bool:
    return busy - others >= limits.imbalance_least and busy >= limits.imbalance * others
