"""Which logs there are, how large each is and when it last changed: one command for all of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tau2tui.errors import Tau2TuiError, Unreachable
from tau2tui.remote.shell import LocalShell, Shell


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log file, by its name below the directory that was listed."""

    name: str
    size: int | None = None
    """Bytes; None: not known."""
    changed_at: float | None = None
    """Seconds since the epoch, on the clock of the machine that holds it; None: not known."""


async def list_files(shell: Shell, root: PurePosixPath, directories: Sequence[str]) -> tuple[LogEntry, ...]:
    """The files right in these directories below `root`; one that does not exist has none. Raises Unreachable.

    Elsewhere it is asked with `find -printf`, as GNU has it; where that is not to be had, names alone are known.
    """
    if isinstance(shell, LocalShell):
        paths = [Path(str(root / directory)) for directory in directories]
        return await asyncio.to_thread(_files_here, Path(str(root)), paths)
    paths_there = [str(root / directory) for directory in directories]
    try:
        found = await shell.run(
            ("find", "-H", *paths_there, "-maxdepth", "1", "-type", "f", "-printf", r"%s\t%T@\t%p\0"), timeout_s=20.0
        )
        listed = parse_listing(found.stdout, f"{root}/")
    except Unreachable:
        raise
    except Tau2TuiError:
        listed = ()
    if listed:
        return listed
    names = [(directory, await shell.names(str(root / directory))) for directory in directories]
    return tuple(LogEntry(f"{directory}/{name}") for directory, found_there in names for name in found_there)


def parse_listing(output: str, root: str) -> tuple[LogEntry, ...]:
    """What `find -printf '%s\\t%T@\\t%p\\0'` says, without the parts that are not of that form."""
    entries = []
    for part in output.split("\0"):
        size, _, rest = part.partition("\t")
        changed_at, _, path = rest.partition("\t")
        try:
            entries.append(LogEntry(path.removeprefix(root), int(size), float(changed_at)))
        except ValueError:
            continue
    return tuple(sorted((entry for entry in entries if entry.name), key=lambda entry: entry.name))


def files_below(directory: Path) -> tuple[LogEntry, ...]:
    """All files below a directory of this machine."""
    return tuple(
        sorted((_entry(directory, path) for path in directory.rglob("*") if path.is_file()), key=lambda log: log.name)
    )


def _files_here(root: Path, directories: Sequence[Path]) -> tuple[LogEntry, ...]:
    entries = []
    for directory in directories:
        try:
            paths = sorted(directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        entries += [_entry(root, path) for path in paths if path.is_file()]
    return tuple(entries)


def _entry(root: Path, path: Path) -> LogEntry:
    name = str(path.relative_to(root))
    try:
        seen = path.stat()
    except OSError:  # it has gone meanwhile, or may not be looked at
        return LogEntry(name)
    return LogEntry(name, seen.st_size, seen.st_mtime)
