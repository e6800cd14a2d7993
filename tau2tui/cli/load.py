"""The word `load`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, api_key, put, put_json, run_async, say

if TYPE_CHECKING:
    from tau2tui.core.load.arrivals import RecordedCall
    from tau2tui.load.client import LoadClient
    from tau2tui.load.measuring import Outcome, Target, Work

REQUESTS, SECONDS = 200, 60.0
"""Where a load ends if nobody says otherwise."""
MOST_REQUESTS, MOST_SECONDS, MOST_AT_ONCE, MOST_RATE = 10_000, 3600.0, 1024, 1000.0
"""Where it ends at the latest."""
IN_FLIGHT = 256
"""Requests of an open loop that may be in flight."""
WARM_UP = 8
"""Requests of the warm-up at most, but one for each replica at least."""
SWEEP_ROUNDS = 20
"""Requests for each place of a level of a sweep, within --requests."""


class Levels(click.ParamType[tuple[int, ...]]):
    """`1,2,4,8`: concurrencies in ascending order."""

    name = "levels"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read them; each once."""
        if isinstance(value, tuple):
            return value
        try:
            levels = sorted({int(part) for part in value.split(",")})
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,2,4,8", param, ctx)
        if not 1 <= levels[0] <= levels[-1] <= MOST_AT_ONCE:
            self.fail(f"concurrencies are from 1 to {MOST_AT_ONCE}", param, ctx)
        return tuple(levels)


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the word."""

    target: str
    rate: float | None
    concurrency: int | None
    replay: str | None
    sweep: tuple[int, ...] | None
    requests: int
    seconds: float
    input_tokens: int
    output_tokens: int
    max_concurrency: int
    warm_up: int | None
    speed: float
    series: str | None
    seed: int
    model: str | None
    api_key_env: str | None
    timeout_s: float
    ignore_eos: bool
    force: bool
    as_json: bool


@click.command()
@click.argument("target", metavar="EXPERT|URL")
@click.option(
    "--rate", type=click.FloatRange(0, MOST_RATE, min_open=True), help="Requests per second, by a Poisson process."
)
@click.option(
    "--concurrency", type=click.IntRange(1, MOST_AT_ONCE), help="So many in flight all the time; 1 unless said."
)
@click.option("--replay", metavar="RUN|PATH", help="The arrival times and token counts of a recorded run.")
@click.option(
    "--sweep", type=Levels(), metavar="N,N…", help="One concurrency after the other, and which one to choose."
)
@click.option(
    "--requests", type=click.IntRange(1, MOST_REQUESTS), default=REQUESTS, show_default=True, help="At most so many."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, MOST_SECONDS, min_open=True),
    default=SECONDS,
    show_default=True,
    help="Nothing is sent after so many.",
)
@click.option(
    "--input-tokens", type=click.IntRange(1, 1_000_000), default=512, show_default=True, help="About so many."
)
@click.option(
    "--output-tokens", type=click.IntRange(1, 100_000), default=128, show_default=True, help="Of each answer."
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(1, MOST_AT_ONCE),
    default=IN_FLIGHT,
    show_default=True,
    help="Of --rate and --replay: at most so many in flight.",
)
@click.option("--warm-up", type=click.IntRange(0, 1000), help="Requests before the measurement, never counted.")
@click.option(
    "--speed", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True, help="Of --replay: so much faster."
)
@click.option("--series", help="Of --replay: orchestrator, expert:MODEL …, if it is not plain from the model.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of arrival times and prompts.")
@click.option("--model", help="The name in the requests, instead of the expert's or the first that the server serves.")
@click.option(
    "--api-key-env",
    metavar="NAME",
    help="The environment variable with the server's API key; VLLM_API_KEY unless said.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3600, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds for one request.",
)
@click.option(
    "--ignore-eos/--no-ignore-eos",
    default=True,
    show_default=True,
    help="Ask vLLM for answers of exactly --output-tokens; other servers may refuse it.",
)
@click.option("--force", is_flag=True, help="Also while the run's evaluation is going on.")
@json_option
@click.pass_obj
def load(session: Session, /, **options: object) -> None:
    """Measure latencies under a load.

    Sends requests to the ready replicas of one EXPERT of the run, or to one URL, and reports time to first token
    (TTFT), time per output token (TPOT), inter-token latency (ITL), end to end, throughput and errors, with the
    definitions of `vllm bench serve`. Ends by itself: after --requests or --seconds, whichever comes first; with
    ctrl+c it reports what has ended so far. See docs/load.md.
    """
    asked = Asked(**options)  # type: ignore[arg-type]
    ways = [asked.rate, asked.concurrency, asked.replay, asked.sweep]
    if sum(way is not None for way in ways) > 1:
        raise click.UsageError("--rate, --concurrency, --replay and --sweep exclude each other")
    key = _key(asked.api_key_env)
    events = None
    if asked.replay is not None:
        from tau2tui.cli.measuring import named_side

        events = named_side(session, asked.replay, use_cache=True).logs.events

    async def run() -> int:
        from tau2tui.load.client import LoadClient

        async with (
            LoadClient(key, timeout_s=asked.timeout_s, ignore_eos=asked.ignore_eos) as client,
            _target(session, asked, client) as target,
        ):
            calls: tuple[RecordedCall, ...] = ()
            series = ""
            if events is not None:
                from tau2tui.load.replay import choose_series, recorded_calls

                series = choose_series(events, asked.series, target.model)
                calls = recorded_calls(events, series)
            works = _works(asked, target, calls, series)
            with _stopped_by_ctrl_c() as stop:
                return await _measured(client, target, works, asked, stop)

    raise click.exceptions.Exit(run_async(run))


async def _measured(
    client: LoadClient, target: Target, works: Sequence[Work], asked: Asked, stop: asyncio.Event
) -> int:
    """Measure and report; the exit status. Raises Unreachable or CommandFailed if nothing was answered."""
    from tau2tui.core.load.knee import suggest
    from tau2tui.load import text
    from tau2tui.load.measuring import levels_of, sweep

    replicas = ", ".join(endpoint.name for endpoint in target.endpoints)
    most, seconds = sum(work.bounds.requests for work in works), sum(work.bounds.seconds for work in works)
    say(
        f"{target.model} at {replicas}: at most {most} requests, none after {seconds:g} s; ctrl+c reports what there is"
    )
    progress = _progress_line()
    outcomes, failure = await sweep(
        client, target, works, stop, progress, lambda outcome: _tell_level(outcome, asked, progress)
    )
    progress.clear()
    if failure is not None and not outcomes:
        raise failure
    if asked.sweep is None:
        outcome = outcomes[0]
        if asked.as_json:
            put_json(text.outcome_json(outcome))
        else:
            for line in text.outcome_lines(outcome):
                put(line)
    else:
        found = suggest(levels_of(outcomes))
        if asked.as_json:
            put_json(text.sweep_json(outcomes, found))
        else:
            for line in text.sweep_lines(outcomes, found):
                put(line)
    if any(outcome.interrupted for outcome in outcomes):
        return 130
    if failure is not None:
        raise failure
    return 0


def _tell_level(outcome: Outcome, asked: Asked, progress: ProgressLine) -> None:
    if asked.sweep is not None:
        level, summary = outcome.work.described["concurrency"], outcome.summary
        progress.clear()
        say(f"{level} at once: {summary.completed} answers in {summary.duration_s:.1f} s")


def _key(variable: str | None) -> str:
    """The API key from the variable that was named, else the fleet's. Raises ConfigError."""
    from tau2tui.evaluation.participants import FLEET_KEY_VARIABLE, NO_KEY

    return api_key(variable) if variable else os.environ.get(FLEET_KEY_VARIABLE) or NO_KEY


@asynccontextmanager
async def _target(session: Session, asked: Asked, client: LoadClient) -> AsyncIterator[Target]:
    from tau2tui.load.target import expert_target, is_url, url_target

    if is_url(asked.target):
        yield await url_target(client, asked.target, asked.model)
        return
    async with session.ops() as ops:
        await ops.look()
        async with expert_target(ops, asked.target, asked.model, force=asked.force) as target:
            yield target


def _works(asked: Asked, target: Target, calls: Sequence[RecordedCall], series: str) -> tuple[Work, ...]:
    """What is to be sent. Raises NothingToRead if there is no call to be replayed."""
    from tau2tui.core.load.arrivals import Arrival, poisson, recorded
    from tau2tui.errors import NothingToRead
    from tau2tui.load.generator import Bounds
    from tau2tui.load.measuring import Work, closed_loop

    tokens = (asked.input_tokens, asked.output_tokens)

    def warm_up(at_once: int) -> int:
        least = len(target.endpoints)
        return max(min(at_once, WARM_UP), least) if asked.warm_up is None else asked.warm_up

    if asked.sweep is not None:
        return tuple(
            closed_loop(
                level,
                min(asked.requests, SWEEP_ROUNDS * level),
                asked.seconds,
                *tokens,
                warm_up(level),
                asked.seed + level,
            )
            for level in asked.sweep
        )
    if asked.rate is None and asked.replay is None:
        at_once = asked.concurrency or 1
        return (closed_loop(at_once, asked.requests, asked.seconds, *tokens, warm_up(at_once), asked.seed),)
    bounds = Bounds(asked.requests, asked.seconds, asked.max_concurrency)
    shared = (bounds, *tokens, warm_up(WARM_UP), asked.seed)
    if asked.rate is not None:
        rate = asked.rate
        said = {"kind": "rate", "rate": rate}
        return (Work(said, lambda: poisson(rate, asked.seed, *tokens), *shared, open_loop=True),)
    if not calls:
        raise NothingToRead(f"{asked.replay}: no call of {series} has a time")
    arrivals = recorded(calls, asked.speed, Arrival(0, 0.0, *tokens))
    said = {"kind": "replay", "from": asked.replay, "series": series, "calls": len(calls), "speed": asked.speed}
    return (Work(said, lambda: arrivals, *shared, open_loop=True),)


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[asyncio.Event]:
    """An event that the first ctrl+c sets; the second one ends the program at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)


class ProgressLine:
    """How far it is, on one line of a terminal; nothing elsewhere."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._next_at = 0.0

    def __call__(self, ended: int, in_flight: int) -> None:
        """Tell of requests that have ended and are in flight, four times a second at most."""
        now = asyncio.get_running_loop().time()
        if self._shown and now >= self._next_at:
            self._next_at = now + 0.25
            print(f"\r{ended} ended, {in_flight} in flight \x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the line to others."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _progress_line() -> ProgressLine:
    return ProgressLine(shown=sys.stderr.isatty())
