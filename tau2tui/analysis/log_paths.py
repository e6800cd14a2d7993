"""Which files among paths are logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tau2tui.errors import NothingToRead

_LOG_NAME = re.compile(r"(?P<name>.+\.(?:log|out|err|txt))(?:(?<=\.log)\.(?P<age>\d+))?(?:\.(?:gz|zst))?")


def find_logs(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The logs among files and, recursively, directories; a file that is named is taken whatever it is called.

    Each file once, rotated ones (`.log.2`, `.log.1`) before their successors. Raises NothingToRead for a path that does
    not exist, and if there is no log at all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise NothingToRead(f"{path}: no such file or directory")
        found += logs_below(path) if path.is_dir() else [path]
    if not found:
        where = ", ".join(str(path) for path in paths) or "no path given"
        raise NothingToRead(
            f"{where}: no logs", "looked for *.log, *.log.N, *.out, *.err and *.txt, also with .gz or .zst"
        )
    return _each_once(found)


def logs_below(directory: Path) -> list[Path]:
    """Files in a directory, and in those below it, that are named like logs, oldest rotation first."""
    files = [path for path in directory.rglob("*") if _LOG_NAME.fullmatch(path.name) and path.is_file()]
    return sorted(files, key=_age)


def _age(path: Path) -> tuple[Path, str, int]:
    name = _LOG_NAME.fullmatch(path.name)
    return (path.parent, name["name"], -int(name["age"] or 0)) if name else (path.parent, path.name, 0)


def _each_once(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Without further names of a file that is already there."""
    by_file: dict[tuple[int, int], Path] = {}
    for path in paths:
        status = path.stat()
        by_file.setdefault((status.st_dev, status.st_ino), path)
    return tuple(by_file.values())
