"""What was seen of a run last, kept on this machine: to be shown when it is opened again, until it is read.

A run that is opened over a slow login, or from a file system that hangs, would else be an empty table for seconds. It
is called old wherever it is shown, and nothing is decided by it (`core.store`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from platformdirs import user_cache_path

from tau2tui.core.model import RunState
from tau2tui.core.wire import progress_to
from tau2tui.ops import Ops
from tau2tui.remote.rundir import parse_state
from tau2tui.tui.remembering import write_privately

VERSION = 1
_RUNS_KEPT = 20
KEEP_EVERY_S = 60.0
"""How often what is seen is kept for the next time."""
RECALL_AFTER_S = 0.3
"""A first answer that comes sooner is not preceded by an old one: the screen would only flicker."""
RECALLED = "being read; this is how it was seen last"


@dataclass(frozen=True, slots=True)
class Kept:
    """How a run was."""

    run: RunState
    at: float
    """When the read of it began, in Unix seconds of this machine."""


class LastSeen:
    """The file of one run; `host` is the login node that it is reached through, empty for this machine.

    Both methods read or write a file of up to a megabyte: for a thread. What cannot be read, or is of another version,
    is as good as nothing.
    """

    def __init__(self, host: str, run: str) -> None:
        self._of = {"version": VERSION, "host": host, "run": run}
        name = hashlib.sha256(f"{host}\0{run}".encode()).hexdigest()[:24]
        self.path = user_cache_path("tau2tui") / "last-seen" / f"{name}.json"

    def read(self) -> Kept | None:
        """How it was when it was last kept; None if that is not known."""
        try:
            data = json.loads(self.path.read_text())
            if {name: data[name] for name in self._of} != self._of:
                return None
            run, at = parse_state(data["state"]), float(data["at"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return None if run.unreadable else Kept(run, at)

    def write(self, run: RunState, at: float) -> None:
        """Keep this; of the runs that were not looked at for longest, what was kept goes."""
        state = {
            "clock": run.clock,
            "replicas": [asdict(replica) for replica in run.replicas],
            "successors": [asdict(replica) for replica in run.successors],
            "predecessors": [asdict(replica) for replica in run.predecessors],
            "dirty_nodes": [asdict(node) for node in run.dirty_nodes],
            "evaluation": progress_to(run.evaluation) if run.evaluation else None,
        }
        with suppress(OSError):  # a full disk must not end anything
            write_privately(self.path, json.dumps({**self._of, "at": at, "state": state}))
            newest = sorted(self.path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in newest[:-_RUNS_KEPT]:
                file.unlink(missing_ok=True)


class Recollection:
    """Shows a run as it was seen last, until it is read, and keeps what is seen of it for the next time."""

    def __init__(self, ops: Ops) -> None:
        self._ops = ops
        self._file = LastSeen(ops.config.cluster.login, str(ops.run.path))
        self._kept_at = float("-inf")

    async def recall(self) -> None:
        """If nothing is known soon, show what was seen last: a login node can take long for its first answer."""
        soon = asyncio.create_task(asyncio.sleep(RECALL_AFTER_S))
        kept = await asyncio.to_thread(self._file.read)
        await soon
        if kept is not None:
            self._ops.store.recall(kept.run, kept.at, RECALLED)

    @property
    def is_due(self) -> bool:
        """Whether something was seen, and what was kept last is old."""
        return self._ops.snapshot.run.value is not None and self._ops.clock() - self._kept_at >= KEEP_EVERY_S

    async def keep(self) -> None:
        """Keep what is seen now."""
        seen, self._kept_at = self._ops.store.live.run, self._ops.clock()
        if seen.value is not None and seen.at is not None:
            await asyncio.to_thread(self._file.write, seen.value, seen.at)
