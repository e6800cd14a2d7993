"""What is not looked at costs nothing, and what is asked for does not wait for its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tau2tui.tui.looking import Looking

NEVER_S = 3600.0
TURNS = 10
"""So often everything else that is ready goes first."""


class Looked:
    """Counts looks."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def repeated(every_s: float) -> AsyncIterator[tuple[Looking, Looked]]:
    looking, looked = Looking(), Looked()
    task = asyncio.create_task(looking.repeat(looked, every_s))
    yield looking, looked
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_nothing_is_read_before_it_is_looked_at_and_once_when_it_is() -> None:
    async with repeated(NEVER_S) as (looking, looked):
        looking.ask()
        await turns()
        assert looked.times == 0 and not looking.goes_on
        looking.begin()
        await turns()
        assert looked.times == 1 and looking.goes_on


async def test_what_is_asked_comes_at_once_but_not_while_nobody_looks() -> None:
    async with repeated(NEVER_S) as (looking, looked):
        looking.begin()
        await turns()
        looking.ask()
        await turns()
        assert looked.times == 2
        looking.end()
        looking.ask()
        await turns()
        assert looked.times == 2
        looking.begin()
        await turns()
        assert looked.times == 3


async def test_it_is_looked_again_and_again() -> None:
    async with repeated(0.0) as (looking, looked):
        looking.begin()
        async with asyncio.timeout(20):
            while looked.times < 5:
                await asyncio.sleep(0.001)


async def test_what_is_asked_during_a_look_is_another_look() -> None:
    looking, times = Looking(), 0

    async def look() -> None:
        nonlocal times
        times += 1
        if times == 1:
            looking.ask()

    looking.begin()
    task = asyncio.create_task(looking.repeat(look, NEVER_S))
    await turns()
    assert times == 2
    task.cancel()
