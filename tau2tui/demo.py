"""The rehearsal: a whole run on this one machine, from plan to report, with everything stopped at its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tau2tui.config import Config
from tau2tui.core.command import Launch, StartEval, Stop
from tau2tui.core.model import EvalProgress
from tau2tui.core.verdict import Standing
from tau2tui.errors import CommandFailed, Refused
from tau2tui.ops import Ops, Report, open_ops
from tau2tui.ops.waiting import refuse_unfinished
from tau2tui.reporting import report_run

Say = Callable[[str], None]


@asynccontextmanager
async def rehearsal_run(config: Config, report: Report, say: Say) -> AsyncIterator[Ops]:
    """A new run that is stopped when the block ends, however it ends: nothing is left running.

    A terminal that goes away, or a TERM, ends the block as an interrupt does.
    """
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with open_ops(config, new=True) as ops:
        try:
            yield ops
        finally:
            await asyncio.shield(asyncio.ensure_future(_end(ops, report, say)))


async def _end(ops: Ops, report: Report, say: Say) -> None:
    await ops.look()
    try:
        plan = ops.plan(Stop())
    except Refused as nothing:
        say(nothing.message)
        return
    await ops.perform(plan, report)


async def headless(config: Config, report: Report, say: Say, tell: Callable[[EvalProgress], None]) -> Path:
    """Launch, evaluate and report without a terminal; returns the report's path.

    Raises CommandFailed unless every replica was ready, every unit was evaluated, and the report is there.
    """
    async with rehearsal_run(config, report, say) as ops:
        say(f"run {ops.run.run_id} in {ops.run.path}")
        await ops.look()
        await ops.perform(ops.plan(Launch()), report)
        await ops.perform(ops.plan(StartEval(config.evaluation)), report)
        last = await ops.follow_eval(tell)
        written = await report_run(ops)
        not_ready = [v.wanted.name for v in ops.verdicts() if v.standing is not Standing.READY]
    if not_ready:
        raise CommandFailed(f"not ready at the end: {', '.join(not_ready)}", f"see the logs in {ops.run.path}")
    refuse_unfinished(last)
    missing = [path for path in written.all if not await asyncio.to_thread(path.is_file)]
    if missing:
        raise CommandFailed(f"the report lacks {', '.join(map(str, missing))}")
    return written.report
