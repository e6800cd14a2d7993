"""From which concurrency on more of it only makes requests wait."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tau2tui.core.load.measured import Summary

LEAST_GROWTH = 0.10
"""A step up that brings less throughput than this share more …"""
MOST_COST = 0.20
"""… and makes the p99 of the end-to-end latency grow by more than this share is one too many."""


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured at one concurrency."""

    concurrency: int
    summary: Summary

    @property
    def throughput(self) -> float | None:
        """Output tokens per second; requests per second where the server does not count tokens."""
        tokens = self.summary.output_tokens_per_s
        return self.summary.requests_per_s if tokens is None else tokens

    @property
    def p99_ms(self) -> float | None:
        return self.summary.e2e.percentiles.get(99)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The concurrency to choose, and the first one that is too high; None: no level that was tried is."""

    concurrency: int
    knee: int | None
    growth: float | None = None
    """What the step to the knee brought in throughput, as a share of the level before it."""
    cost: float | None = None
    """And what it took in p99."""


def suggest(levels: Sequence[Level]) -> Suggestion | None:
    """The level before the knee, or the highest of all without one; None if no level has an answer.

    The knee is the first level at which throughput grows by less than LEAST_GROWTH over the level before while the p99
    of the end-to-end latency grows by more than MOST_COST, unless a later level has that growth after all: one answer
    that took very long makes a level look worse than it is. Levels without an answer are passed over.
    """
    known = [level for level in sorted(levels, key=lambda one: one.concurrency) if level.throughput and level.p99_ms]
    for place, (before, after) in enumerate(itertools.pairwise(known)):
        if any(_growth(before.throughput, later.throughput) >= LEAST_GROWTH for later in known[place + 1 :]):
            continue
        growth, cost = _growth(before.throughput, after.throughput), _growth(before.p99_ms, after.p99_ms)
        if cost > MOST_COST:
            return Suggestion(before.concurrency, after.concurrency, growth, cost)
    return Suggestion(known[-1].concurrency, None) if known else None


def _growth(before: float | None, after: float | None) -> float:
    assert before and after is not None, "levels without an answer are passed over"
    return after / before - 1
