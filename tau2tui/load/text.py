"""The figures of a load, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tau2tui.core.load.knee import LEAST_GROWTH, MOST_COST, Suggestion
from tau2tui.core.load.measured import PERCENTILES, Distribution, Summary
from tau2tui.load.measuring import Outcome

LATENCIES = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "itl": "ITL",
    "e2e": "end to end",
}
LATE_MS = 50.0
"""From here on (p99) requests were sent so late that the load was not the one that was asked for."""
LAG_MS = 20.0
"""From here on (p99) the lateness of our own event loop is more than noise in what is measured."""
FAR_OFF = 0.2
"""Prompts whose length differs from what was asked for by more than this share are told of."""


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Everything as one object; null is "not known"."""
    summary, work = outcome.summary, outcome.work
    return {
        "target": outcome.target.name,
        "model": outcome.target.model,
        "load": {**work.described, "input_tokens": work.input_tokens, "output_tokens": work.output_tokens},
        "bounds": asdict(work.bounds),
        "seed": work.seed,
        "warm_up_requests": outcome.warm_up,
        "interrupted": outcome.interrupted,
        "gave_up": outcome.hopeless,
        "duration_s": summary.duration_s,
        "requests": {
            "completed": summary.completed,
            "failed": summary.failed,
            "unfinished": outcome.unfinished,
        },
        "error_share": summary.error_share,
        "errors": {kind: {"count": n, "example": summary.examples[kind]} for kind, n in summary.errors.items()},
        "endpoints": {name: {"completed": ok, "failed": no} for name, (ok, no) in summary.endpoints.items()},
        "requests_per_s": summary.requests_per_s,
        "output_tokens_per_s": summary.output_tokens_per_s,
        "total_tokens_per_s": summary.total_tokens_per_s,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "concurrency": {"mean": summary.mean_concurrency, "peak": summary.peak_concurrency},
        "latency_ms": {name: getattr(summary, name).to_json() for name in LATENCIES},
        "late_ms": summary.late.to_json(),
        "generator_lag_ms": outcome.lag.to_json(),
    }


def sweep_json(outcomes: Sequence[Outcome], suggestion: Suggestion | None) -> dict[str, Any]:
    """The levels in their order, and the one to choose."""
    return {
        "levels": [outcome_json(outcome) for outcome in outcomes],
        "suggestion": asdict(suggestion) if suggestion else None,
    }


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """For a terminal of 80 columns."""
    summary, target = outcome.summary, outcome.target
    yield f"{target.name}  {target.model}  {_described(outcome)}"
    yield f"warm-up      {outcome.warm_up} requests, not counted"
    left = f", {outcome.unfinished} given up" if outcome.unfinished else ""
    yield f"requests     {summary.completed} completed, {summary.failed} failed{left} in {summary.duration_s:.1f} s"
    yield (
        f"throughput   {_figure(summary.requests_per_s)} requests/s   "
        f"{_figure(summary.output_tokens_per_s)} output tokens/s   "
        f"{_figure(summary.total_tokens_per_s)} tokens/s"
    )
    yield f"concurrency  {summary.mean_concurrency:.1f} in the mean, {summary.peak_concurrency} at most"
    yield f"{'ms':<12}" + "".join(f"{name:>10}" for name in ("mean", "std", *(f"p{p}" for p in PERCENTILES), "count"))
    for name, title in LATENCIES.items():
        yield _row(title, getattr(summary, name))
    if len(summary.endpoints) > 1:
        for name, (completed, failed) in summary.endpoints.items():
            yield f"  {name}: {completed} completed, {failed} failed"
    for kind, count in summary.errors.items():
        share = count / (summary.completed + summary.failed)
        yield f"error        {kind}: {count} ({share:.1%}), such as: {summary.examples[kind]}"
    yield from _remarks(outcome)


def sweep_lines(outcomes: Sequence[Outcome], suggestion: Suggestion | None) -> Iterator[str]:
    """The table by concurrency, and what to choose."""
    yield SWEEP_HEAD
    for outcome in outcomes:
        yield sweep_row(outcome)
    if suggestion is None:
        yield "no level has an answer: nothing to suggest"
    elif suggestion.knee is None:
        yield f"no knee up to {suggestion.concurrency}: more may still help"
    else:
        yield (
            f"suggested concurrency: {suggestion.concurrency}; at {suggestion.knee} throughput grows by "
            f"{suggestion.growth:.0%} and p99 by {suggestion.cost:.0%}"
        )
    if busy := [str(outcome.work.described["concurrency"]) for outcome in outcomes if _lags(outcome)]:
        yield f"! at {', '.join(busy)} this program itself was late: that is in the latencies there"
    yield f"(knee: less than {LEAST_GROWTH:.0%} more throughput for more than {MOST_COST:.0%} more p99, end to end)"


_SWEEP = ("at once", "requests", "errors", "req/s", "tok/s", "TTFT p50", "TTFT p99", "TPOT p50", "e2e p50", "e2e p99")
SWEEP_HEAD = "".join(f"{title:>9}" for title in _SWEEP)


def sweep_row(outcome: Outcome) -> str:
    """One level of a sweep; latencies in ms."""
    summary = outcome.summary
    share = summary.error_share
    cells = (
        str(outcome.work.described["concurrency"]),
        str(summary.completed),
        "–" if share is None else f"{share:.1%}",
        _figure(summary.requests_per_s),
        _figure(summary.output_tokens_per_s),
        *(_figure(summary.ttft.percentiles.get(p)) for p in (50, 99)),
        _figure(summary.tpot.percentiles.get(50)),
        *(_figure(summary.e2e.percentiles.get(p)) for p in (50, 99)),
    )
    return "".join(f"{cell:>9}" for cell in cells) + ("  interrupted" if outcome.interrupted else "")


def _described(outcome: Outcome) -> str:
    said = outcome.work.described
    ways = {
        "rate": f"{said.get('rate')} requests/s (Poisson, seed {outcome.work.seed})",
        "concurrency": f"{said.get('concurrency')} at once",
        "replay": f"{said.get('calls')} calls of {said.get('series')} from {said.get('from')}, ×{said.get('speed')}",
    }
    return ways[str(said["kind"])]


def _row(title: str, one: Distribution) -> str:
    values = (one.mean, one.std, *(one.percentiles.get(p) for p in PERCENTILES))
    return f"{title:<12}" + "".join(f"{_figure(value):>10}" for value in values) + f"{one.count:>10}"


def _remarks(outcome: Outcome) -> Iterator[str]:
    """What makes the figures mean less than they seem to."""
    summary = outcome.summary
    late = summary.late.percentiles.get(99)
    if late is not None and late > LATE_MS:
        yield (
            f"! requests were sent up to {_figure(late)} ms late (p99): the limit of {outcome.work.bounds.in_flight} "
            f"in flight, or this machine, holds the load up"
        )
    if _lags(outcome):
        lag = _figure(outcome.lag.percentiles[99])
        yield f"! this program itself was up to {lag} ms late (p99): that is in the latencies, on a busy machine or not"
    for way in ("input", "output"):
        yield from _off(way, outcome, summary)
    if outcome.hopeless:
        yield f"! given up: none of the first {summary.failed} requests was answered"
    if outcome.interrupted:
        yield "! interrupted: these are the requests that had ended by then"


def _lags(outcome: Outcome) -> bool:
    return outcome.lag.percentiles.get(99, 0.0) > LAG_MS


def _off(way: str, outcome: Outcome, summary: Summary) -> Iterator[str]:
    """Of loads in which every request has the same length."""
    wanted, found = getattr(outcome.work, f"{way}_tokens"), getattr(summary, f"{way}_tokens")
    if outcome.work.described["kind"] == "replay" or not summary.completed:
        return
    if found is None:
        yield f"! the server does not say how many {way} tokens there were"
    elif abs(found / summary.completed / wanted - 1) > FAR_OFF:
        yield f"! {found / summary.completed:.0f} {way} tokens in the mean, not the {wanted} that were asked for"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
