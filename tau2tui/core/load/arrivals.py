"""When requests are sent and how long they are: by chance at a rate, one after the other, or as they were recorded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is to be sent."""

    number: int
    at_s: float | None
    """Seconds after the beginning; None: as soon as the one before it has ended."""
    input_tokens: int
    """About so many: there is no tokenizer here."""
    output_tokens: int
    """At most so many; exactly so many from a server that heeds `ignore_eos`."""


def one_by_one(input_tokens: int, output_tokens: int) -> Iterator[Arrival]:
    """Requests of a closed loop, without end: each is sent when a place is free."""
    return (Arrival(number, None, input_tokens, output_tokens) for number in count())


def poisson(rate: float, seed: int, input_tokens: int, output_tokens: int) -> Iterator[Arrival]:
    """Requests of a Poisson process of `rate` per second, without end; the same seed gives the same times.

    The gaps are exponential with mean 1 / rate, as of `vllm bench serve --request-rate R` at burstiness 1.
    """
    chance = random.Random(seed)  # noqa: S311 - play, not a secret
    at_s = 0.0
    for number in count():
        at_s += chance.expovariate(rate)
        yield Arrival(number, at_s, input_tokens, output_tokens)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of a run, as its log tells it; None: the log does not say."""

    started_s: float
    """On any clock: only differences count."""
    input_tokens: int | None
    output_tokens: int | None


def recorded(calls: Sequence[RecordedCall], speed: float, otherwise: Arrival) -> tuple[Arrival, ...]:
    """The calls of a run as they were sent, the first one at once, `speed` times as fast.

    Where the log has no token counts, those of `otherwise` stand in.
    """
    ordered = sorted(calls, key=lambda call: call.started_s)
    return tuple(
        replace(
            otherwise,
            number=number,
            at_s=(call.started_s - ordered[0].started_s) / speed,
            input_tokens=otherwise.input_tokens if call.input_tokens is None else max(call.input_tokens, 1),
            output_tokens=otherwise.output_tokens if call.output_tokens is None else max(call.output_tokens, 1),
        )
        for number, call in enumerate(ordered)
    )
