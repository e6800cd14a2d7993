"""The word `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tau2tui.cli.measuring import expect_reading
from tau2tui.cli.options import cache_option, json_option
from tau2tui.cli.session import Session, put, put_json, run_async

if TYPE_CHECKING:
    from tau2tui.analysis.report import ReportFiles


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Directory for the report; made if it is not there.")
@click.option("--csv", is_flag=True, help="Write the frames as CSV too, beside Parquet.")
@click.option("--charts/--no-charts", default=True, show_default=True, help="Most of the time a report takes.")
@cache_option
@json_option
@click.pass_obj
def report(
    session: Session,
    paths: tuple[Path, ...],
    out: Path | None,
    csv: bool,
    charts: bool,
    use_cache: bool,
    as_json: bool,
) -> None:
    """Write the report of a run, or of any logs.

    Of the run, or of the log files and directories PATHS, whoever wrote them.

    Writes experiment_report_<time>.md and .html, profile_analysis.json, profile_charts/*.png and frames/*.parquet:
    into the run's own directory if it is on this machine, else into ./report-RUN; for named PATHs into this one.
    """
    expect_reading(paths, use_cache=use_cache)
    from tau2tui import reporting

    if paths:
        known = session.known_config()
        files = reporting.report_paths(paths, out or Path(), known, csv=csv, charts=charts, use_cache=use_cache)
    else:

        async def write() -> ReportFiles:
            async with session.ops() as ops:
                await ops.look()
                return await reporting.report_run(ops, out, csv=csv, charts=charts, use_cache=use_cache)

        files = run_async(write)
    if as_json:
        named = {"markdown": files.report, "json": files.analysis, "html": files.html}
        put_json(
            {name: str(path) for name, path in named.items()}
            | {"charts": list(map(str, files.charts)), "frames": list(map(str, files.frames))}
            | {"tables": dict(files.summary)}
        )
    else:
        for path in files.all:
            put(str(path))
