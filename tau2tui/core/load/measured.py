"""What a load amounts to. The definitions are those of `vllm bench serve`, so that figures can be compared.

Of one request, on the clock of the client (vllm/benchmarks/lib/endpoint_request_func.py and serve.py, vLLM 0.32):

* TTFT: from sending it to the first chunk of the stream that bears a choice; vLLM sends that with the first token.
* ITL: the times between the chunks that bear tokens, one value for each pair of neighbours. A chunk may hold several
  tokens (speculative decoding, a busy client), and the first chunk of vLLM's, which bears the role alone, is none.
* E2E: from sending it to the last chunk that bears a choice; the chunk with the usage comes after that.
* TPOT: (E2E − TTFT) / (output tokens − 1), of requests with at least two output tokens. guidellm calls this figure the
  inter-token latency, and E2E / output tokens the time per output token.

Token counts are those of the server's `usage`. Percentiles are linear between closest ranks (NumPy's default), the
standard deviation is that of the population; only requests that were answered to their end are in them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tau2tui.core.error_class import ErrorClass

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Sample:
    """One request that has ended; times in seconds since the measurement began."""

    endpoint: str
    started_s: float
    ended_s: float
    """The last chunk with a choice, or the failure."""
    late_s: float = 0.0
    """How long after its time it was sent: the generator, or its limit of requests in flight, held it up."""
    ttft_ms: float | None = None
    itl_ms: tuple[float, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: ErrorClass | None = None
    message: str = ""

    @property
    def e2e_ms(self) -> float:
        return 1000 * (self.ended_s - self.started_s)

    @property
    def tpot_ms(self) -> float | None:
        """None of an answer of fewer than two tokens, or of unknown length."""
        if self.ttft_ms is None or self.output_tokens is None or self.output_tokens < 2:
            return None
        return (self.e2e_ms - self.ttft_ms) / (self.output_tokens - 1)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Figures of one latency in milliseconds; None without a value."""

    count: int = 0
    mean: float | None = None
    std: float | None = None
    percentiles: Mapping[int, float] = field(default_factory=dict)
    """By PERCENTILES; empty without a value."""

    def to_json(self) -> dict[str, float | None]:
        shares = {f"p{share}": self.percentiles.get(share) for share in PERCENTILES}
        return {"count": self.count, "mean": self.mean, "std": self.std, **shares}


@dataclass(frozen=True, slots=True)
class Summary:
    """A load as a whole."""

    duration_s: float
    """From the sending of the first request to the end of the last one."""
    completed: int
    failed: int
    errors: Mapping[str, int]
    """Failed requests by their class."""
    examples: Mapping[str, str]
    """The first message of each class."""
    endpoints: Mapping[str, tuple[int, int]]
    """Requests completed and failed at each."""
    ttft: Distribution
    tpot: Distribution
    itl: Distribution
    e2e: Distribution
    late: Distribution
    """Of requests that had a time at which to be sent."""
    input_tokens: int | None
    """Of all completed requests; None if the server did not count."""
    output_tokens: int | None
    mean_concurrency: float
    """Requests in flight, as a mean over the duration."""
    peak_concurrency: int

    @property
    def requests_per_s(self) -> float | None:
        return self.completed / self.duration_s if self.duration_s > 0 else None

    @property
    def output_tokens_per_s(self) -> float | None:
        return _rate(self.output_tokens, self.duration_s)

    @property
    def total_tokens_per_s(self) -> float | None:
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return _rate(self.input_tokens + self.output_tokens, self.duration_s)

    @property
    def error_share(self) -> float | None:
        """Failed of all that ended, 0–1; None if none has."""
        ended = self.completed + self.failed
        return self.failed / ended if ended else None


def summarize(samples: Sequence[Sample], *, open_loop: bool = False) -> Summary:
    """All figures of some requests; `open_loop`: they had a time at which to be sent."""
    answered = [sample for sample in samples if sample.error is None]
    failed = [sample for sample in samples if sample.error is not None]
    examples: dict[str, str] = {}
    for sample in failed:
        examples.setdefault(str(sample.error), sample.message)
    begun = min((sample.started_s for sample in samples), default=0.0)
    duration_s = max((sample.ended_s for sample in samples), default=0.0) - begun
    names = sorted({sample.endpoint for sample in samples})
    by_endpoint = Counter((sample.endpoint, sample.error is None) for sample in samples)
    busy_s = sum(sample.ended_s - sample.started_s for sample in samples)
    return Summary(
        duration_s=duration_s,
        completed=len(answered),
        failed=len(failed),
        errors=dict(Counter(str(sample.error) for sample in failed).most_common()),
        examples=examples,
        endpoints={name: (by_endpoint[name, True], by_endpoint[name, False]) for name in names},
        ttft=distribution(sample.ttft_ms for sample in answered),
        tpot=distribution(sample.tpot_ms for sample in answered),
        itl=distribution(gap for sample in answered for gap in sample.itl_ms),
        e2e=distribution(sample.e2e_ms for sample in answered),
        late=distribution(1000 * sample.late_s for sample in samples if open_loop),
        input_tokens=_sum(sample.input_tokens for sample in answered),
        output_tokens=_sum(sample.output_tokens for sample in answered),
        mean_concurrency=busy_s / duration_s if duration_s > 0 else float(bool(samples)),
        peak_concurrency=_peak(samples),
    )


def distribution(values: Iterable[float | None]) -> Distribution:
    """The figures of these values, those that are not known left out."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return Distribution()
    mean = math.fsum(known) / len(known)
    variance = math.fsum((value - mean) ** 2 for value in known) / len(known)
    shares = {share: percentile(known, share) for share in PERCENTILES}
    return Distribution(len(known), mean, math.sqrt(variance), shares)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of values in ascending order, at least one: linear between closest ranks (type 7 of Hyndman & Fan 1996)."""
    place = percent / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _sum(values: Iterable[int | None]) -> int | None:
    """None if a value is missing, or there is none: half a sum is no sum."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if found and len(known) == len(found) else None


def _rate(amount: int | None, seconds: float) -> float | None:
    return None if amount is None or seconds <= 0 else amount / seconds


def _peak(samples: Iterable[Sample]) -> int:
    """The most requests in flight at a time; one that ends when another begins makes room for it."""
    changes = sorted(
        change for sample in samples for change in ((sample.started_s, 1), (sample.ended_s, -1))
    )  # at the same moment ends come first: -1 < 1
    now = peak = 0
    for _, step in changes:
        now += step
        peak = max(peak, now)
    return peak
