"""Logs to look at, wherever they lie: those of a run, or a directory of logs that somebody else's scripts wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from platformdirs import user_cache_path

from tau2tui.core import layout
from tau2tui.remote.loglist import LogEntry, files_below, list_files
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import LocalShell


class LogFiles(Protocol):
    """Log files by name, readable in pieces."""

    async def names(self) -> tuple[str, ...]:
        """All logs, the most interesting first. Raises Unreachable."""
        ...

    async def entries(self) -> tuple[LogEntry, ...]:
        """All logs with size and age, in the order of `names`. Raises Unreachable."""
        ...

    def path_here(self, name: str) -> Path | None:
        """Where a log lies on this machine; None for one that lies elsewhere."""
        ...

    async def size(self, name: str) -> int:
        """Bytes in one log. Raises FileNotFoundError, Unreachable."""
        ...

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        """A piece of one log. Raises FileNotFoundError, Unreachable."""
        ...

    async def local(self) -> Path:
        """A directory on this machine that holds what the analysis reads, brought up to date."""
        ...


@dataclass(frozen=True, slots=True)
class RunLogs:
    """The logs of a run: the evaluation's, the servers' by attempt, and the jobs' own output."""

    run: RunDirectory
    directory: str

    async def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in await self.entries())

    async def entries(self) -> tuple[LogEntry, ...]:
        directories = (self.directory, layout.EVAL, layout.JOBS)
        files = await list_files(self.run.shell, self.run.path, directories)
        logs = [entry for entry in files if _is_log(entry.name, self.directory)]
        return tuple(sorted(logs, key=lambda entry: self._rank(entry.name)))

    def path_here(self, name: str) -> Path | None:
        return Path(str(self.run.path / name)) if isinstance(self.run.shell, LocalShell) else None

    def _rank(self, name: str) -> tuple[int, bool, str]:
        directory = name.rpartition("/")[0]
        return ((self.directory, layout.EVAL, layout.JOBS).index(directory), "fullrun" not in name, name)

    async def size(self, name: str) -> int:
        return await self.run.shell.size(str(self.run.path / name))

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        return await self.run.shell.read(str(self.run.path / name), offset, limit)

    async def local(self) -> Path:
        if isinstance(self.run.shell, LocalShell):
            return Path(str(self.run.path / self.directory))
        copy = await self._copy_of_the_run() / self.directory
        await self.run.copy_logs(self.directory, copy)
        return copy

    async def samples(self, replicas: Collection[str] | None = None) -> Path:
        """A directory on this machine with what the node agents sampled of these servers, or of all, up to now.

        Raises Unreachable.
        """
        if isinstance(self.run.shell, LocalShell):
            return Path(str(self.run.path / layout.METRICS))
        copy = await self._copy_of_the_run() / layout.METRICS
        await self.run.copy_samples(copy, replicas)
        return copy

    async def _copy_of_the_run(self) -> Path:
        run = user_cache_path("tau2tui") / self.run.shell.name / self.run.run_id
        # What only its owner can read there must not become readable for others here.
        await asyncio.to_thread(run.mkdir, mode=0o700, parents=True, exist_ok=True)
        return run


@dataclass(frozen=True, slots=True)
class DirectoryLogs:
    """Files on this machine that this program did not write."""

    directory: Path

    async def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in await self.entries())

    async def entries(self) -> tuple[LogEntry, ...]:
        files = await asyncio.to_thread(files_below, self.directory)
        return tuple(entry for entry in files if ".json" not in entry.name.rpartition("/")[2])

    def path_here(self, name: str) -> Path | None:
        return self.directory.absolute() / name

    async def size(self, name: str) -> int:
        return await LocalShell().size(str(self.directory / name))

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        return await LocalShell().read(str(self.directory / name), offset, limit)

    async def local(self) -> Path:
        return self.directory


def _is_log(name: str, logs: str) -> bool:
    """Whether a file of a run is one that a program writes line by line."""
    directory, _, file = name.rpartition("/")
    if directory == layout.JOBS:
        return file.endswith((".out", ".err"))
    return name in (layout.EVAL_OUT, layout.SMOKE_OUT) or (directory == logs and ".log" in file)
