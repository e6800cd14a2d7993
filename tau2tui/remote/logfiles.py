"""Logs to look at, wherever they lie: those of a run, or a directory of logs that somebody else's scripts wrote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from platformdirs import user_cache_path

from tau2tui.core import layout
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import LocalShell


class LogFiles(Protocol):
    """Log files by name, readable in pieces."""

    async def names(self) -> tuple[str, ...]:
        """All logs, the most interesting first. Raises Unreachable."""
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
        shell, path = self.run.shell, self.run.path
        logs = [f"{self.directory}/{name}" for name in await shell.names(str(path / self.directory)) if ".log" in name]
        jobs = [
            f"{layout.JOBS}/{name}"
            for name in await shell.names(str(path / layout.JOBS))
            if name.endswith((".out", ".err"))
        ]
        driver = [layout.EVAL_OUT] if "driver.out" in await shell.names(str(path / layout.EVAL)) else []
        return (*sorted(logs, key=lambda name: ("fullrun" not in name, name)), *driver, *jobs)

    async def size(self, name: str) -> int:
        return await self.run.shell.size(str(self.run.path / name))

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        return await self.run.shell.read(str(self.run.path / name), offset, limit)

    async def local(self) -> Path:
        if isinstance(self.run.shell, LocalShell):
            return Path(str(self.run.path / self.directory))
        run = user_cache_path("tau2tui") / self.run.shell.name / self.run.run_id
        # What only its owner can read there must not become readable for others here.
        await asyncio.to_thread(run.mkdir, mode=0o700, parents=True, exist_ok=True)
        copy = run / self.directory
        await self.run.copy_logs(self.directory, copy)
        return copy


@dataclass(frozen=True, slots=True)
class DirectoryLogs:
    """Files on this machine that this program did not write."""

    directory: Path

    async def names(self) -> tuple[str, ...]:
        def names() -> tuple[str, ...]:
            files = (path for path in self.directory.rglob("*") if path.is_file() and ".json" not in path.name)
            return tuple(sorted(str(path.relative_to(self.directory)) for path in files))

        return await asyncio.to_thread(names)

    async def size(self, name: str) -> int:
        return await LocalShell().size(str(self.directory / name))

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        return await LocalShell().read(str(self.directory / name), offset, limit)

    async def local(self) -> Path:
        return self.directory
