"""What was seen of a run last, kept on this machine: to be shown when it is opened again, until it is read.

A run that is opened over a slow login, or from a file system that hangs, would else be an empty table for seconds. It
is called old wherever it is shown, and nothing is decided by it (`core.store`).
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from platformdirs import user_cache_path

from tau2tui.core.model import RunState
from tau2tui.core.wire import progress_to
from tau2tui.remote.rundir import parse_state
from tau2tui.tui.remembering import write_privately

VERSION = 1
_RUNS_KEPT = 20


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
