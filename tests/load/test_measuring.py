from __future__ import annotations

import asyncio

import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.errors import Unreachable
from tau2tui.evaluation.faults import CallError
from tau2tui.load.client import Chunks
from tau2tui.load.generator import Endpoint
from tau2tui.load.measuring import Outcome, Target, closed_loop, levels_of, measure, sweep
from tests.load.test_generator import FakeServers

TARGET = Target("x", "m", (Endpoint("a", "http://a/v1"),))


class DiesAfter(FakeServers):
    """Answers so many requests and is gone then."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._answers = answers

    async def ask(self, url: str, model: str, text: str, output_tokens: int) -> Chunks:
        if len(self.asked) >= self._answers:
            raise CallError(ErrorClass.CONNECTION, "refused")
        return await super().ask(url, model, text, output_tokens)


def quiet(ended: int, in_flight: int) -> None:
    """Nobody looks."""


async def test_the_warm_up_is_in_no_figure() -> None:
    servers = FakeServers()
    outcome = await measure(servers, TARGET, closed_loop(2, 10, 60.0, 20, 5, 4, 0), asyncio.Event(), quiet)
    assert (outcome.warm_up, outcome.summary.completed, len(servers.asked)) == (4, 10, 14)
    assert outcome.failure is None and not outcome.interrupted


async def test_a_target_that_is_dead_is_told_before_anything_is_measured() -> None:
    with pytest.raises(Unreachable, match="http://a/v1: no answer to 4 requests: refused"):
        await measure(DiesAfter(0), TARGET, closed_loop(2, 10, 60.0, 20, 5, 4, 0), asyncio.Event(), quiet)


async def test_a_target_that_dies_in_a_sweep_leaves_the_levels_before() -> None:
    told: list[Outcome] = []
    works = [closed_loop(level, 10, 60.0, 20, 5, 2, 0) for level in (1, 2, 4)]
    outcomes, failure = await sweep(DiesAfter(12), TARGET, works, asyncio.Event(), quiet, told.append)
    assert [level.concurrency for level in levels_of(outcomes)] == [1] and told == list(outcomes)
    assert isinstance(failure, Unreachable)


async def test_a_stop_ends_a_sweep_with_what_was_measured() -> None:
    stop = asyncio.Event()
    works = [closed_loop(level, 10, 60.0, 20, 5, 2, 0) for level in (1, 2, 4)]
    outcomes, failure = await sweep(FakeServers(), TARGET, works, stop, quiet, lambda outcome: stop.set())
    assert len(outcomes) == 2 and outcomes[1].interrupted and failure is None
    assert [level.concurrency for level in levels_of(outcomes)] == [1]
