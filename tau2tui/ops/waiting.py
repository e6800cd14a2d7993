"""Waits for what a run comes to: the same judgement as everywhere, looked at politely, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tau2tui.core.driver import silent_s
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.errors import CommandFailed, GaveUp
from tau2tui.ops.sight import Sight

T = TypeVar("T")


async def await_done(seen: Sight, timeout_s: float, tell: Callable[[EvalProgress], None]) -> None:
    """Wait until the evaluation is over.

    Raises GaveUp when the time is over or its driver is silent, CommandFailed if it did not finish or lost units.
    """
    refuse_unfinished(await _within(timeout_s, seen.follow_eval(tell), "the evaluation is not over"))


def refuse_unfinished(last: EvalProgress) -> None:
    """Raises CommandFailed unless the evaluation finished, and every unit of it was evaluated."""
    if last.state is EvalState.FAILED:
        raise CommandFailed(f"the evaluation failed: {last.why or 'it says no more'}", "see `tau2tui errors`")
    if last.state is not EvalState.FINISHED or last.lost or last.finished < last.total or not last.total:
        said = f"evaluation {last.state}: {last.finished}/{last.total} units, {last.lost} ended in errors"
        raise CommandFailed(said, "`tau2tui errors` says why; `tau2tui eval` runs again what is missing")


async def await_failure(seen: Sight, timeout_s: float) -> str:
    """Wait until a replica or the evaluation has failed; what failed. What is not known has not failed.

    Raises GaveUp when nothing has within the time.
    """

    async def look() -> str:
        while True:
            if failed := failures(seen):
                return failed
            await seen.look_politely()

    return await _within(timeout_s, look(), "nothing has failed")


def failures(seen: Sight) -> str:
    """What has failed, by what was seen last; empty: nothing that is known."""
    names = [f"{name} failed" for name in seen.failed()]
    run = seen.snapshot.run.value
    progress = run.evaluation if run else None
    if progress is not None and progress.state is EvalState.FAILED:
        names.append(f"the evaluation failed: {progress.why or 'it says no more'}")
    elif run and progress and not seen.snapshot.run.error:
        silence_s = silent_s(progress, run.clock)
        if silence_s is not None:
            names.append(f"no sign of life of the evaluation for {silence_s:.0f} s")
    return "; ".join(names)


async def _within(timeout_s: float, wanted: Awaitable[T], words: str) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await wanted
    except TimeoutError:
        raise GaveUp(f"{words} after {timeout_s:g} s", "it may still come: wait again") from None
