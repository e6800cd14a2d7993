"""How long units took in the runs beside this one: what an estimate knows before anything has ended."""

from __future__ import annotations

import asyncio
import json
from pathlib import PurePosixPath

from tau2tui.core import wire
from tau2tui.core.durations import Durations
from tau2tui.core.layout import EVAL_STATE
from tau2tui.errors import Tau2TuiError
from tau2tui.remote.rundir import run_ids
from tau2tui.remote.shell import Shell

MOST_RUNS = 5
"""Newer ones are more like this one, and five of them have more units than an estimate can use."""


async def earlier_durations(shell: Shell, run: PurePosixPath, domains: frozenset[str]) -> Durations:
    """Durations of units of these domains in the newest runs that lie beside this one, by their names.

    A state that cannot be read, and runs that cannot be listed, are passed over: the estimate does without.
    """
    try:
        names = await run_ids(shell, str(run.parent))
    except (Tau2TuiError, OSError):
        return ()
    others = sorted(name for name in names if name != run.name)[-MOST_RUNS:]
    found = await asyncio.gather(*(_durations(shell, run.parent / name, domains) for name in others))
    return tuple(pair for durations in found for pair in durations)


async def _durations(shell: Shell, run: PurePosixPath, domains: frozenset[str]) -> Durations:
    try:
        progress = wire.progress_from(json.loads(await shell.read(str(run / EVAL_STATE))))
    except Exception:  # noqa: BLE001 - whatever lies there and however it answers, the estimate does without
        return ()
    if len(progress.duration_domains) != len(progress.durations_s):
        return ()
    return tuple(
        (domain, seconds)
        for domain, seconds in zip(progress.duration_domains, progress.durations_s, strict=True)
        if domain in domains
    )
