"""The logs of a run that was named, wherever they lie: to be laid over those of the run that is looked at."""

from __future__ import annotations

import asyncio

from tau2tui.core import layout
from tau2tui.errors import NothingToRead
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import RunLogs
from tau2tui.remote.rundir import RunDirectory, run_ids
from tau2tui.tui.latencies import Other
from tau2tui.tui.typed_path import typed_path


async def logs_of(words: str, ops: Ops | None) -> Other:
    """A run by its id, or a run directory, a directory of logs or a log on this machine.

    Logs of a run elsewhere are copied. Raises NothingToRead if there is neither, Unreachable.
    """
    here = await asyncio.to_thread(_here, words)
    if here is not None:
        return here
    if ops is None:
        raise NothingToRead(f"{words}: no such file or directory")
    parent = ops.run.path.parent
    ids = await run_ids(ops.shell, str(parent))
    if words not in ids:
        raise NothingToRead(f"{words}: neither a path nor a run", f"runs: {', '.join(ids[-5:]) or 'none'}")
    run = RunDirectory(ops.shell, parent / words, ops.run.python)
    return Other(words, await RunLogs(run, ops.config.run.logs).local())


def _here(words: str) -> Other | None:
    try:
        path = typed_path(words)
    except OSError:
        return None
    if not path.exists():
        return None
    logs = path / "logs"
    run = (path / layout.RUN_CONFIG).is_file() and logs.is_dir()
    return Other(path.resolve().name, logs if run else path)
