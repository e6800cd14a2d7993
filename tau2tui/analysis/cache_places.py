"""Where it is kept what logs said."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path

from tau2tui.core import layout

IN_RUN = ".cache/logs"


def cache_directory(log: Path) -> Path:
    """Where the entry of a log belongs: into its run, else among the user's caches; never beside foreign logs."""
    for directory in list(log.parents)[:3]:
        if (directory / layout.RUN_CONFIG).is_file() and os.access(directory, os.W_OK):
            return directory / IN_RUN
    return user_cache_path("tau2tui") / "logs"


def entries_of(log: Path) -> str:
    """With what the names of all entries of a log begin, whoever reads it."""
    return hashlib.sha256(os.fsencode(log.resolve())).hexdigest()[:32]


def may_be_kept(log: Path) -> bool:
    """Whether there is an entry of a log, which need not be good any more."""
    return any(cache_directory(log.resolve()).glob(f"{entries_of(log)}-*.json"))
