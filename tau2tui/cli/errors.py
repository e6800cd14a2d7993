"""The word `errors`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from tau2tui.cli.measuring import expect_reading, reading_side
from tau2tui.cli.options import cache_option, json_option, now_option
from tau2tui.cli.session import Session, put, put_json


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--last-min",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    help="The minutes that count as recent.",
)
@now_option
@click.option("--domain", metavar="DOMAIN", help="Of this domain only.")
@click.option(
    "--examples", type=click.IntRange(0), default=3, show_default=True, help="So many tracebacks are shown in full."
)
@cache_option
@json_option
@click.pass_obj
def errors(
    session: Session,
    paths: tuple[Path, ...],
    last_min: float,
    now: datetime | None,
    domain: str | None,
    examples: int,
    use_cache: bool,
    as_json: bool,
) -> None:
    """What went wrong in a run, or in any logs.

    Of the run, or of the log files and directories PATHS: errors by class, domain, model, replica and task, as a rate
    of calls and tasks over the whole run and over the last minutes; which were recovered and which lost a task; each
    traceback once; and the seed's counters as grep counts them. Without --now logs are read as of their last line.
    Classes of your own go into [error_patterns].
    """
    expect_reading(paths, use_cache=use_cache)
    from tau2tui.analysis.errors.answers import budget_json, budget_text
    from tau2tui.analysis.errors.budget import COLUMNS, side_budget
    from tau2tui.analysis.wanted import Wanted

    wanted = Wanted(COLUMNS, rare=False)
    side = reading_side(session, paths, use_cache=use_cache, outcomes=False, wanted=wanted)
    budget = side_budget(side, now=now, last_min=last_min, domain=domain)
    if as_json:
        put_json(budget_json(budget))
    else:
        put(budget_text(budget, examples=examples))
