"""The report of a run, or of logs that lie anywhere: what the run knows joined with what its logs say.

What only a run needs is imported where one is read: logs are read without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tau2tui.core import layout
from tau2tui.defaults import ERROR_PATTERNS, SLA_MS
from tau2tui.errors import CommandFailed

if TYPE_CHECKING:
    from tau2tui.analysis.report import ReportContext, ReportFiles
    from tau2tui.analysis.run_files import RunFiles, Side
    from tau2tui.analysis.wanted import Wanted
    from tau2tui.config import Config
    from tau2tui.ops import Ops


async def report_run(
    ops: Ops, out: Path | None = None, *, csv: bool = False, charts: bool = True, use_cache: bool = True
) -> ReportFiles:
    """Write the report of a run: into its own directory if that is on this machine, else into ./report-RUN.

    Raises NothingToRead if the evaluation has written nothing yet, CommandFailed if `out` cannot be written.
    """
    import asyncio

    from tau2tui.remote.shell import LocalShell

    if out is None:
        here = isinstance(ops.shell, LocalShell)
        out = Path(str(ops.run.path)) if here else Path(f"report-{ops.run.run_id}")
    directory = await local_copy(ops)

    def write() -> ReportFiles:
        side = side_of_directory(directory, ops.config, use_cache=use_cache)
        return _write(side, out, ops.config, _context(ops), csv=csv, charts=charts)

    return await asyncio.to_thread(write)


def report_paths(
    paths: Sequence[Path],
    out: Path,
    config: Config | None,
    *,
    csv: bool = False,
    charts: bool = True,
    use_cache: bool = True,
) -> ReportFiles:
    """Write the report of log files and directories, whoever wrote them.

    Raises NothingToRead if there is no log or nothing in it, CommandFailed if `out` cannot be written.
    """
    return _write(side_of_paths(paths, config, use_cache=use_cache), out, config, None, csv=csv, charts=charts)


def side_of_paths(
    paths: Sequence[Path],
    config: Config | None,
    *,
    use_cache: bool = True,
    outcomes: bool = True,
    wanted: Wanted | None = None,
) -> Side:
    """The logs at these paths, and if it is one directory also what lies beside them.

    `config`: for the error patterns, where the directory is no run with its own. `outcomes`: whether to find out how
    the tasks ended, for which all logs may have to be searched. `wanted`: what of the logs is read, else all; what goes
    into the cache is all. Raises NothingToRead.
    """
    from tau2tui.analysis.outcomes import logged_outcomes
    from tau2tui.analysis.run_files import RunFiles
    from tau2tui.analysis.scan import find_logs

    if len(paths) == 1 and paths[0].is_dir():
        return side_of_directory(paths[0], config, use_cache=use_cache, outcomes=outcomes, wanted=wanted)
    logs = find_logs(paths)
    name = paths[0].resolve().name if len(paths) == 1 else f"{len(paths)} paths"
    ended = logged_outcomes(logs if outcomes else ())
    return _side(RunFiles(name=name, logs=logs, outcomes=ended), config, use_cache, wanted)


def side_of_directory(
    directory: Path,
    config: Config | None,
    *,
    use_cache: bool = True,
    outcomes: bool = True,
    wanted: Wanted | None = None,
) -> Side:
    """A run directory, or one of logs. Raises NothingToRead."""
    from tau2tui.analysis.run_files import read_run

    return _side(read_run(directory, outcomes=outcomes), config, use_cache, wanted)


async def local_copy(ops: Ops) -> Path:
    """A directory on this machine that holds what a report reads of the run, brought up to date.

    For a run elsewhere these are its logs and small files, not the units and results: what its tasks earned stands in
    the logs as well. Raises Unreachable.
    """
    from tau2tui.remote.shell import LocalShell

    if isinstance(ops.shell, LocalShell):
        return Path(str(ops.run.path))
    logs = await ops.logs.local()
    root = logs.parents[len(Path(ops.config.run.logs).parts) - 1]
    names = [layout.RUN_CONFIG, layout.ACTIVITY_BEFORE, layout.EVAL_STATE]
    for directory in (layout.REPLICAS, layout.ACTIVITY):
        names += [f"{directory}/{name}" for name in await ops.shell.names(str(ops.run.path / directory))]
    await ops.logs.samples()
    for name in names:
        await _fetch(ops, name, root / name)
    return root


async def _fetch(ops: Ops, name: str, target: Path) -> None:
    """Copy one file of the run; one that is not there is left out."""
    import asyncio

    from tau2tui.remote.shell import READ_LIMIT

    parts: list[bytes] = []
    try:
        while not parts or len(parts[-1]) == READ_LIMIT:
            parts.append(await ops.shell.read(str(ops.run.path / name), READ_LIMIT * len(parts)))
    except FileNotFoundError:
        return

    def write() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(parts))

    await asyncio.to_thread(write)


def _side(files: RunFiles, config: Config | None, use_cache: bool, wanted: Wanted | None) -> Side:
    from tau2tui.analysis.run_files import Side
    from tau2tui.analysis.scan import read_logs
    from tau2tui.analysis.wanted import ALL

    config = files.config or config
    patterns = ERROR_PATTERNS if config is None else config.error_patterns
    logs = read_logs(files.logs, patterns, use_cache=use_cache, wanted=wanted or ALL)
    return Side(files if files.config else replace(files, config=config), logs)


def _write(
    side: Side, out: Path, config: Config | None, context: ReportContext | None, *, csv: bool, charts: bool
) -> ReportFiles:
    from tau2tui.analysis.report import context_of, write_report

    sla_ms = config.sla.threshold_ms if config else SLA_MS
    context = context or context_of(side.files)
    try:
        return write_report(side, out, sla_ms=sla_ms, now=datetime.now(), context=context, csv=csv, charts=charts)
    except OSError as error:
        raise CommandFailed(f"{out}: the report cannot be written: {error.strerror}") from None


def _context(ops: Ops) -> ReportContext:
    """What the logs do not say: the fleet as it was placed, and the results that the driver counted."""
    from tau2tui.analysis.report import report_context

    run = ops.snapshot.run.value
    placed = (replica for job in ops.jobs for replica in job.replicas)
    seen = (verdict.seen for verdict in ops.verdicts() if verdict.seen is not None)
    return report_context(ops.run.run_id, run.evaluation if run else None, ops.config.experts, placed, seen)
