"""What a server's own histograms say of a load, to hold the client's figures against."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tau2tui.core.load.measured import Distribution


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram in seconds: upper bound → observations at or below it."""

    below: dict[float, float]
    total_s: float

    @property
    def count(self) -> float:
        return self.below[math.inf]

    def since(self, before: Buckets) -> Buckets:
        """What was observed since then."""
        return Buckets({b: n - before.below[b] for b, n in self.below.items()}, self.total_s - before.total_s)

    def around_ms(self, percent: float) -> tuple[float, float]:
        """The bounds of the bucket in which a percentile lies, and of the neighbours that its two ranks fall into."""
        bounds = sorted(self.below)
        ranks = [math.floor(percent / 100 * (self.count - 1)) + 1, math.ceil(percent / 100 * (self.count - 1)) + 1]
        first, last = (next(i for i, bound in enumerate(bounds) if self.below[bound] >= rank) for rank in ranks)
        return 1000 * (bounds[first - 1] if first else 0.0), 1000 * bounds[last]


def scrape(url: str, *names: str) -> dict[str, Buckets]:
    """Histograms of a vLLM server by their name without `vllm:`, one engine."""
    text = httpx.get(f"{url}/metrics", timeout=30).text
    found = {name: Buckets({}, 0.0) for name in names}
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("vllm:")
        if name not in found:
            continue
        below = {float(s.labels["le"]): s.value for s in family.samples if s.name.endswith("_bucket")}
        (total_s,) = [sample.value for sample in family.samples if sample.name.endswith("_sum")]
        found[name] = Buckets(below, total_s)
    return found


def disagreements(client: Distribution, server: Buckets, slack_ms: float) -> dict[str, str]:
    """Which of the client's mean and percentiles lie outside the server's bucket, and how; the counts are always equal.

    `slack_ms`: what the way between the two may add, and at most take off, where a value lies near a bound. A machine
    that stops for a moment adds more, to the client or the server alone: `in_every_measure` takes another one then.
    """
    assert client.count == server.count
    assert client.mean is not None
    found = {}
    mean_ms = 1000 * server.total_s / server.count
    if abs(client.mean - mean_ms) > slack_ms:
        found["mean"] = f"{client.mean} ms is not {mean_ms} ms"
    for percent, value in client.percentiles.items():
        low, high = server.around_ms(percent)
        if not low - slack_ms <= value <= high + slack_ms:
            found[f"p{percent}"] = f"{value} ms is not in {low} … {high} ms"
    return found


async def in_every_measure(measure: Callable[[], Awaitable[dict[str, str]]], most: int = 6) -> dict[str, str]:
    """What disagrees each time: a figure that is defined differently always does, one that a pause moved does not."""
    left = await measure()
    for _ in range(most - 1):
        if not left:
            break
        again = await measure()
        left = {name: again[name] for name in left if name in again}
    return left
