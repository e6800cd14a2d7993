"""A load from its warm-up to its figures, and the same at one concurrency after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.load.arrivals import Arrival, one_by_one
from tau2tui.core.load.knee import Level
from tau2tui.core.load.measured import Distribution, Sample, Summary, distribution, summarize
from tau2tui.errors import CommandFailed, Tau2TuiError, Unreachable
from tau2tui.load.generator import Asks, Bounds, Endpoint, Load

LAG_EVERY_S = 0.02
Progress = Callable[[int, int], None]
"""Told of how many requests have ended, and how many are in flight."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the load is on."""

    name: str
    """An expert, or a URL."""
    model: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What is sent, and within which bounds."""

    described: Mapping[str, Any]
    """How, for the report: `kind` and its figures."""
    arrivals: Callable[[], Iterable[Arrival]]
    bounds: Bounds
    input_tokens: int
    output_tokens: int
    warm_up: int
    """Requests before the measurement."""
    seed: int = 0
    open_loop: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured, and how it ended."""

    target: Target
    work: Work
    summary: Summary
    warm_up: int
    """Requests of the warm-up that were answered."""
    unfinished: int = 0
    interrupted: bool = False
    hopeless: bool = False
    lag: Distribution = field(default_factory=Distribution)
    """How late this program's own event loop was: what it adds to every latency, by itself or by a busy machine."""

    @property
    def failure(self) -> Tau2TuiError | None:
        """What a word must end with if nothing at all was answered; None if something was, or nothing was sent."""
        summary = self.summary
        if summary.completed or not summary.failed:
            return None
        kind = next(iter(summary.errors))
        return no_answer(self.target, ErrorClass(kind), summary.examples[kind], summary.failed)


def no_answer(target: Target, kind: ErrorClass, message: str, requests: int) -> Tau2TuiError:
    """The error of a target of which every request failed."""
    where = target.name if len(target.endpoints) > 1 else target.endpoints[0].url
    if kind in (ErrorClass.CONNECTION, ErrorClass.TIMEOUT):
        return Unreachable(f"{where}: no answer to {requests} requests: {message}", "is it up? tau2tui status")
    hints = {ErrorClass.AUTH: "name the variable with its key: --api-key-env NAME", ErrorClass.BAD_REQUEST: "--model?"}
    return CommandFailed(f"{where}: all {requests} requests failed ({kind}): {message}", hints.get(kind, ""))


async def measure(client: Asks, target: Target, work: Work, stop: asyncio.Event, progress: Progress) -> Outcome:
    """Warm up, and measure. Raises Unreachable or CommandFailed if no request of the warm-up was answered."""
    load = Load(client, target.endpoints, target.model, work.bounds, work.seed, stop, progress=progress)
    warm = await load.warm_up(work.warm_up, work.input_tokens, work.output_tokens)
    answered = sum(sample.error is None for sample in warm)
    _refuse_dead(target, warm)
    load.unfinished = 0
    lags_ms: list[float] = []
    watch = asyncio.create_task(_watch_lag(lags_ms))
    try:
        samples = () if stop.is_set() else await load.run(work.arrivals())
    finally:
        watch.cancel()
    return Outcome(
        target,
        work,
        summarize(samples, open_loop=work.open_loop),
        answered,
        load.unfinished,
        interrupted=stop.is_set(),
        hopeless=load.hopeless,
        lag=distribution(lags_ms),
    )


async def _watch_lag(lags_ms: list[float]) -> None:
    """Sleep again and again, and keep how much too long each sleep was."""
    while True:
        due = time.monotonic() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        lags_ms.append(1000 * max(time.monotonic() - due, 0.0))


def _refuse_dead(target: Target, warm: Sequence[Sample]) -> None:
    failed = [sample for sample in warm if sample.error is not None]
    if failed and len(failed) == len(warm):
        assert failed[0].error is not None
        raise no_answer(target, failed[0].error, failed[0].message, len(failed))


def closed_loop(
    concurrency: int, requests: int, seconds: float, input_tokens: int, output_tokens: int, warm_up: int, seed: int
) -> Work:
    """So many requests in flight all the time."""
    return Work(
        {"kind": "concurrency", "concurrency": concurrency},
        lambda: one_by_one(input_tokens, output_tokens),
        Bounds(requests, seconds, concurrency),
        input_tokens,
        output_tokens,
        warm_up,
        seed,
    )


async def sweep(
    client: Asks,
    target: Target,
    works: Sequence[Work],
    stop: asyncio.Event,
    progress: Progress,
    tell: Callable[[Outcome], None],
) -> tuple[tuple[Outcome, ...], Tau2TuiError | None]:
    """One load after the other, each told of when it has ended; a stop or a dead target ends them.

    Returns what was measured, and why it ended early: a target that died does not take the earlier levels with it.
    """
    outcomes: list[Outcome] = []
    for work in works:
        try:
            outcome = await measure(client, target, work, stop, progress)
        except Tau2TuiError as error:
            return tuple(outcomes), error
        outcomes.append(outcome)
        tell(outcome)
        if outcome.interrupted or outcome.hopeless:
            return tuple(outcomes), outcome.failure
    return tuple(outcomes), outcomes[-1].failure if outcomes else None


def levels_of(outcomes: Iterable[Outcome]) -> tuple[Level, ...]:
    """Those that were measured to their end, for `suggest`."""
    return tuple(
        Level(int(outcome.work.described["concurrency"]), outcome.summary)
        for outcome in outcomes
        if not outcome.interrupted
    )
