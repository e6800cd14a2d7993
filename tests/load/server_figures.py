"""What a server's own histograms say of a load, to hold the client's figures against."""

from __future__ import annotations

import math
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


def check_within_buckets(client: Distribution, server: Buckets, slack_ms: float) -> None:
    """The client saw as many, and each of its percentiles lies in the server's bucket.

    `slack_ms`: what the way between the two may add, and at most take off, where a value lies near a bound.
    """
    assert client.count == server.count
    assert client.mean is not None
    assert abs(client.mean - 1000 * server.total_s / server.count) <= slack_ms
    for percent, value in client.percentiles.items():
        low, high = server.around_ms(percent)
        assert low - slack_ms <= value <= high + slack_ms, f"p{percent}: {value} ms is not in {low} … {high} ms"
