"""The reports of a run and of the runs before it: found, read as far as a screen shows them, made, and compared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

import asyncssh

from tau2tui import reporting
from tau2tui.core.store import Store
from tau2tui.errors import ConfigError, NothingToRead, Refused
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.remote.rundir import RunDirectory, run_ids
from tau2tui.remote.shell import LocalShell, Shell

if TYPE_CHECKING:
    from tau2tui.analysis.run_files import Side

READ_BYTES = 1 << 20
"""Of a longer report only the beginning is shown."""
RUNS = 100
"""The newest runs whose reports are looked for; each costs a look into its directory."""
AT_ONCE = 4
_NAME = re.compile(r"experiment_report_(\d{8})_(\d{6}).*\.md")


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One report; or a run that has none yet."""

    run: str
    path: str
    """Where it is; without a report the directory that one would be in."""
    name: str = ""
    """The file's name; empty: there is no report."""
    written: datetime | None = None
    """As its name says, in the local time of who made it."""
    local: bool = True
    """On this machine, and not where the run is."""
    trouble: str = ""
    """Why it is not known whether there are reports."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What was found, the current run first and then the newest; and how many older runs were not looked into."""

    reports: tuple[ReportFile, ...]
    not_looked_into: int = 0


class ReportFiles(Protocol):
    """Where reports are."""

    run: str
    """The run that a new report would be of."""

    async def listed(self) -> Listed:
        """All reports that there are. Raises Unreachable."""
        ...

    async def read(self, report: ReportFile) -> str:
        """Its text, or the beginning of it. Raises FileNotFoundError, OSError, Unreachable."""
        ...

    async def make(self) -> Path:
        """Write a report of the run as it is now. Raises Refused, NothingToRead, CommandFailed, Unreachable."""
        ...

    async def compared(self, a: str, b: str) -> str:
        """Two runs compared, as text of 80 columns. Raises NothingToRead, Refused, Unreachable."""
        ...


class RunReports:
    """Those of a run and of the others beside it, through the shell of the machine where they lie."""

    def __init__(self, ops: Ops) -> None:
        self._ops = ops
        self.run = ops.run.run_id

    async def listed(self) -> Listed:
        shell, parent = self._ops.shell, self._ops.run.path.parent
        others = sorted((name for name in await run_ids(shell, str(parent)) if name != self.run), reverse=True)
        runs = [self.run, *others[: RUNS - 1]]
        slots = asyncio.Semaphore(AT_ONCE)

        async def look(run: str) -> tuple[ReportFile, ...]:
            async with slots:
                try:
                    return await self._of(run)
                except (OSError, asyncssh.SFTPError) as error:  # somebody else's, or no directory at all
                    why = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
                    return (ReportFile(run, str(parent / run), trouble=f"not readable: {why}"),)

        found = await asyncio.gather(*map(look, runs))
        return Listed(tuple(report for reports in found for report in reports), len(others) + 1 - len(runs))

    async def read(self, report: ReportFile) -> str:
        return await _read(LocalShell() if report.local else self._ops.shell, report.path)

    async def make(self) -> Path:
        self._ops.refuse_if_read_only()
        return (await reporting.report_run(self._ops)).report

    async def compared(self, a: str, b: str) -> str:
        return await _compared(await self._side(a), await self._side(b))

    async def _of(self, run: str) -> tuple[ReportFile, ...]:
        """The reports of one run, the newest first; those of a run elsewhere may lie here, where they are made."""
        shell, directory = self._ops.shell, self._ops.run.path.parent / run
        here = isinstance(shell, LocalShell)
        found = _reports(run, directory, await shell.names(str(directory)), local=here)
        if not here:
            beside = PurePosixPath(await asyncio.to_thread(lambda: str(Path(f"report-{run}").absolute())))
            found += _reports(run, beside, await LocalShell().names(str(beside)), local=True)
        return tuple(_newest_first(found)) or (ReportFile(run, str(directory), local=here),)

    async def _side(self, run: str) -> Side:
        """A run as a comparison takes it: its own configuration says where its logs are."""
        ops = self._ops
        if run != ops.run.run_id:
            directory = RunDirectory(ops.shell, ops.run.path.parent / run, ops.run.python)
            try:
                config = (await directory.config()).model_copy(update={"cluster": ops.config.cluster})
            except ConfigError:  # of another version, or none: the names are probably the same
                config = ops.config
            ops = replace(ops, run=directory, config=config, store=Store(), launched=True)
        path = await reporting.local_copy(ops)
        return await asyncio.to_thread(reporting.side_of_directory, path, ops.config)


class DirectoryReports:
    """Those in a directory of logs, and those that were made of it: they lie in the current directory."""

    def __init__(self, logs: LogFiles) -> None:
        self._logs = logs
        self.run = "these logs"

    async def listed(self) -> Listed:
        directory = await self._logs.local()
        places = await asyncio.to_thread(lambda: dict.fromkeys(one.resolve() for one in (directory, Path())))
        found: list[ReportFile] = []
        for place in places:
            names = await LocalShell().names(str(place))
            found += _reports(self.run, PurePosixPath(str(place)), names, local=True)
        return Listed(tuple(_newest_first(found)) or (ReportFile(self.run, str(directory)),))

    async def read(self, report: ReportFile) -> str:
        return await _read(LocalShell(), report.path)

    async def make(self) -> Path:
        directory = await self._logs.local()
        written = await asyncio.to_thread(reporting.report_paths, [directory], Path(), None)
        return written.report

    async def compared(self, a: str, b: str) -> str:
        raise Refused("there is one heap of logs here", "tau2tui compare A B takes two paths")


def _reports(run: str, directory: PurePosixPath, names: Sequence[str], *, local: bool) -> list[ReportFile]:
    found = []
    for name in names:
        if match := _NAME.fullmatch(name):
            try:
                written = datetime.fromisoformat(f"{match[1]}T{match[2]}")
            except ValueError:
                written = None
            found.append(ReportFile(run, str(directory / name), name, written, local))
    return found


def _newest_first(reports: Sequence[ReportFile]) -> list[ReportFile]:
    return sorted(reports, key=lambda report: report.name, reverse=True)


async def _read(shell: Shell, path: str) -> str:
    data = await shell.read(path, 0, READ_BYTES + 1)
    text = data[:READ_BYTES].decode("utf-8", "replace")
    if len(data) > READ_BYTES:
        text += f"\n\n…\n\nOnly the first {READ_BYTES >> 20} MB are shown.\n"
    return text


async def _compared(a: Side, b: Side) -> str:
    def compare() -> str:
        from tau2tui.analysis.compare import compare as compared
        from tau2tui.analysis.compare_text import to_text

        if a.logs.empty and b.logs.empty:
            raise NothingToRead(f"neither {a.files.name} nor {b.files.name} has logs of an evaluation")
        return to_text(compared(a, b))

    return await asyncio.to_thread(compare)
