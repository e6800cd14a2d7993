"""What a screen looked like, kept for the next time: and what was on it when a bug ended the app."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from tau2tui import __version__
from tau2tui.files import write_atomically

_KEPT_CRASHES = 20


@dataclass(frozen=True, slots=True)
class TableLook:
    """How the rows of a screen were arranged."""

    filter: str = ""
    order: str = ""
    """The title of a column, with a minus in front where it was turned round; empty: as they come."""
    marks: tuple[str, ...] = ()
    cursor: str = ""
    zoomed: bool = False


@dataclass(frozen=True, slots=True)
class SessionLook:
    """Which screen was open, and how each was arranged."""

    view: str = ""
    tables: Mapping[str, TableLook] = field(default_factory=dict)


class SessionFile:
    """One file for each run, in the user's state directory; what cannot be read or written is as good as nothing."""

    def __init__(self, run: str) -> None:
        name = "".join(mark if mark.isalnum() or mark in "-_." else "_" for mark in run)[:100] or "logs"
        self.path = user_state_path("tau2tui") / "sessions" / f"{name}.json"
        self.kept: SessionLook | None = None
        """What was written last."""
        self._writing = threading.Lock()

    def read(self) -> SessionLook:
        """What was kept; a file of another version, or of somebody's editor, gives what can be read of it."""
        try:
            data = json.loads(self.path.read_text())
            tables = {str(name): _table_look(look) for name, look in data["tables"].items()}
            return SessionLook(str(data["view"]), tables)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return SessionLook()

    def write(self, look: SessionLook) -> None:
        """Keep this, for a thread; two apps on one run: the last one that changed something wins."""
        self.kept = look
        with self._writing, suppress(OSError):  # a full home directory must not end anything
            if self.kept is look:  # else something newer waits already
                write_privately(self.path, json.dumps(asdict(look)))


def write_crash(error: BaseException, shown: str) -> Path | None:
    """Keep the traceback of a bug and what was on the screen; returns the file, None if it could not be written."""
    directory = user_state_path("tau2tui") / "crashes"
    path = directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    words = "".join(traceback.format_exception(error))
    head = f"tau2tui {__version__}, Python {platform.python_version()}, TERM={os.environ.get('TERM', '')}\n"
    try:
        write_privately(path, f"{head}\n{words}\nThe screen:\n{shown}\n")
        for old in sorted(directory.glob("*.txt"))[:-_KEPT_CRASHES]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return path


def _table_look(data: Mapping[str, Any]) -> TableLook:
    marks = tuple(str(mark) for mark in data.get("marks") or ())
    words = {name: str(data.get(name) or "") for name in ("filter", "order", "cursor")}
    return TableLook(marks=marks, zoomed=data.get("zoomed") is True, **words)


def write_privately(path: Path, words: str) -> None:
    """Write a file that only the user can read, at once or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, words, mode=0o600)
