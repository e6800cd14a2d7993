"""The word `report`."""

from __future__ import annotations

from pathlib import Path

import click

from tau2tui.cli.session import Session, json_option, put, put_json, run_async
from tau2tui.config import DEFAULT_CONFIG, SlaConfig


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Directory for the report; made if it is not there.")
@json_option
@click.pass_obj
def report(session: Session, paths: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Write the report of a run, or of any logs.

    Of the run, or of the log files and directories PATHS, whoever wrote them.

    Writes profile_analysis.json, experiment_report_<time>.md and profile_charts/*.png: into the run's own directory if
    it is on this machine, else into ./report-RUN; for named PATHs into the current directory.
    """
    from tau2tui import reporting

    if paths:
        # A configuration is welcome here, for the SLA and the error patterns, but not needed.
        known = session.config() if session.config_file.exists() or session.config_file != DEFAULT_CONFIG else None
        sla_ms = (known.sla if known else SlaConfig()).threshold_ms
        files = reporting.report_paths(paths, out or Path(), sla_ms, known.error_patterns if known else None)
    else:

        async def write() -> reporting.Written:
            async with session.ops() as ops:
                await ops.look()
                return await reporting.report_run(ops, out)

        files = run_async(write)
    if as_json:
        put_json({"markdown": str(files.markdown), "json": str(files.json), "charts": list(map(str, files.charts))})
    else:
        for path in files.all:
            put(str(path))
