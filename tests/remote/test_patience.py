"""Whoever is asked is not blamed for the time in which we were stopped: by a clock that jumps, as after SIGCONT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack

import pytest

from tau2tui.core.endpoint import Probed
from tau2tui.core.model import Level
from tau2tui.remote.patience import OwnTime, Patience
from tau2tui.remote.vllm import Vllm, http_client
from tests.endpoints import start

STOPPED_S = 3600.0


class StoppedLoop(asyncio.SelectorEventLoop):
    """An event loop that finds that time has passed in which it did not run."""

    stopped_s = 0.0

    def time(self) -> float:
        return super().time() + self.stopped_s


def run(main: Callable[[StoppedLoop], Coroutine[None, None, None]]) -> None:
    async def with_loop() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StoppedLoop)
        await main(loop)

    with asyncio.Runner(loop_factory=StoppedLoop) as runner:
        runner.run(with_loop())


@pytest.mark.parametrize(
    ("looks", "passed_s"),
    [
        ([0.1, 0.2, 0.3], 0.3),  # each in its time
        ([0.15, 0.3, 0.35], 0.35),  # a little late, as always
        ([0.1, 3600.1, 3600.2], 0.4),  # stopped for an hour: of that twice a look
        ([1.0, 2.0, 3.0], 0.6),  # starved: a look for each second
    ],
)
def test_of_a_late_look_only_what_was_planned_is_counted(looks: list[float], passed_s: float) -> None:
    time = OwnTime(look_s=0.1, looked_at=0.0)
    for now in looks:
        time.look(now)
    assert time.passed_s == pytest.approx(passed_s)


async def health(kind: str, turns: int, loop: StoppedLoop, timeout_s: float) -> Probed:
    """What is said of an endpoint, where we are stopped after so many turns of the loop."""
    async with AsyncExitStack() as stack:
        _, port = await start(stack, kind)
        client = await stack.enter_async_context(http_client(tls=False))
        asking = asyncio.create_task(Vllm(client, f"http://127.0.0.1:{port}", timeout_s).health())
        for _ in range(turns):
            await asyncio.sleep(0)
        loop.stopped_s += STOPPED_S
        return await asking


@pytest.mark.parametrize("kind", ["good", "slow"])
def test_a_server_that_answers_is_not_called_silent_nor_a_black_hole_because_we_were_stopped(kind: str) -> None:
    """At whatever moment that was: while it was connected to, or while it thought about its answer."""

    async def main(loop: StoppedLoop) -> None:
        found = await asyncio.gather(*(health(kind, turns, loop, 20.0) for turns in range(40)))
        assert [(each.answered, each.why) for each in found] == [(True, "")] * len(found)

    run(main)


@pytest.mark.parametrize(
    ("kind", "level", "why"),
    [
        ("silent", Level.ALIVE, "/health: it accepts connections, and says nothing for 0.4 s"),
        ("black-hole", None, "no answer within 0.2 s, not even to a connection"),
    ],
)
def test_one_that_does_not_answer_is_told_all_the_same(kind: str, level: Level | None, why: str) -> None:
    async def main(loop: StoppedLoop) -> None:
        found = await health(kind, 10, loop, 0.4)
        assert (found.answered, found.level) == (False, level) and why in found.why

    run(main)


def test_the_second_part_has_the_rest_of_the_limit() -> None:
    async def main(loop: StoppedLoop) -> None:
        patience = Patience(0.4, 0.05)
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with patience:
                patience.got_on()
                await asyncio.Event().wait()
        assert loop.time() - began >= 0.4

    run(main)
