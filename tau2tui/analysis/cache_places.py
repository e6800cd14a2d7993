"""Where it is kept what logs said."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path

from tau2tui.core import layout

IN_RUN = ".cache/logs"


def cache_directory(log: Path) -> Path:
    """Where the entry of a log belongs: into its run, else among the user's caches; never beside foreign logs."""
    for directory in list(log.resolve().parents)[:3]:
        if (directory / layout.RUN_CONFIG).is_file() and os.access(directory, os.W_OK):
            return directory / IN_RUN
    return user_cache_path("tau2tui") / "logs"


def entries_of(log: Path) -> str:
    """With what the names of all entries of a log begin, up to a hyphen, whoever reads it."""
    return hashlib.sha256(os.fsencode(log.resolve())).hexdigest()[:32]


def maybe_kept(logs: Iterable[Path]) -> set[Path]:
    """Those of which there is an entry, which need not be good any more."""
    known: dict[Path, set[str]] = {}
    found = set()
    for log in logs:
        directory = cache_directory(log)
        if directory not in known:
            known[directory] = {state.name.partition("-")[0] for state in directory.glob("*.json")}
        if entries_of(log) in known[directory]:
            found.add(log)
    return found
