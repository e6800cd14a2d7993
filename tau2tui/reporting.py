"""The report of a run, or of logs that lie anywhere: what the run knows joined with what its logs say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tau2tui.core.verdict import Verdict
from tau2tui.errors import CommandFailed
from tau2tui.ops import Ops
from tau2tui.remote.shell import LocalShell

if TYPE_CHECKING:
    from tau2tui.analysis.report import FleetRow, ReportContext


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report."""

    markdown: Path
    json: Path
    charts: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.markdown, self.json, *self.charts)


async def report_run(ops: Ops, out: Path | None = None) -> Written:
    """Write the report of a run: into its own directory if that is on this machine, else into ./report-RUN.

    Raises NothingToRead if the evaluation has written nothing yet, CommandFailed if `out` cannot be written.
    """
    if out is None:
        here = isinstance(ops.shell, LocalShell)
        out = Path(str(ops.run.path)) if here else Path(f"report-{ops.run.run_id}")
    logs = await ops.logs.local()
    config = ops.config
    return await asyncio.to_thread(_write, (logs,), out, config.sla.threshold_ms, config.error_patterns, _context(ops))


def report_paths(paths: Sequence[Path], out: Path, sla_ms: float, error_patterns: Mapping[str, str] | None) -> Written:
    """Write the report of log files and directories, whoever wrote them.

    Raises NothingToRead if there is no log or nothing in it, CommandFailed if `out` cannot be written.
    """
    return _write(paths, out, sla_ms, error_patterns, None)


def _write(
    paths: Sequence[Path],
    out: Path,
    sla_ms: float,
    error_patterns: Mapping[str, str] | None,
    context: ReportContext | None,
) -> Written:
    from tau2tui.analysis.report import write_report
    from tau2tui.analysis.scan import find_logs, read_logs

    files = find_logs(paths)
    logs = read_logs(files) if error_patterns is None else read_logs(files, error_patterns)
    try:
        written = write_report(logs, out, sla_ms=sla_ms, now=datetime.now(), context=context)
    except OSError as error:
        raise CommandFailed(f"{out}: the report cannot be written: {error.strerror}") from None
    return Written(written.report, written.analysis, written.charts)


def _context(ops: Ops) -> ReportContext:
    """What the logs do not say: the fleet as it was placed, and the results that the driver counted."""
    from tau2tui.analysis.report import ReportContext

    run = ops.snapshot.run.value
    progress = run.evaluation if run else None
    return ReportContext(
        run=ops.run.run_id,
        started_at=progress.started_at if progress else None,
        finished_at=progress.finished_at if progress else None,
        fleet=tuple(_fleet_row(ops, name) for name in ops.config.experts),
        domains=progress.domains if progress else (),
        calls=progress.calls if progress else {},
    )


def _fleet_row(ops: Ops, name: str) -> FleetRow:
    from tau2tui.analysis.report import FleetRow

    expert = ops.config.experts[name]
    placed = [replica for job in ops.jobs for replica in job.replicas if replica.expert == name]
    gpus = tuple(gpu for replica in placed for gpu in replica.gpus)
    ports = tuple(replica.port for replica in placed)
    return FleetRow(name, expert.model, _node(ops.verdicts(), name), gpus, ports, expert.replicas)


def _node(verdicts: Sequence[Verdict], expert: str) -> str:
    """Where its replicas said that they run, else unknown."""
    nodes = {v.seen.node for v in verdicts if v.wanted.expert == expert and v.seen is not None and v.seen.node}
    return ", ".join(sorted(nodes)) or "unknown"
