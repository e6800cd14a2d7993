"""What reading logs will need is started before anything else, because it takes as long to load as a word itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tau2tui.analysis.cache_places import maybe_kept
from tau2tui.analysis.log_paths import find_logs
from tau2tui.analysis.readers import READERS
from tau2tui.core.layout import RUN_CONFIG, RunLayout
from tau2tui.errors import NothingToRead


def start_readers(paths: Sequence[Path], *, use_cache: bool) -> None:
    """Start the readers for these paths, as far as they will be read and were not before.

    What is wrong with the paths is told by who reads them.
    """
    try:
        logs = find_logs([_logs_of(path) for path in paths])
        kept = maybe_kept(logs) if use_cache else ()
        READERS.start(sum(log.stat().st_size for log in logs if log not in kept))
    except (NothingToRead, OSError):
        return


def _logs_of(path: Path) -> Path:
    """Of a run only where its logs lie: beside them are thousands of small files. A wrong guess costs time alone."""
    inside = path / RunLayout().logs
    return inside if (path / RUN_CONFIG).is_file() and inside.is_dir() else path
