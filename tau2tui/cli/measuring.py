"""The words `latency` and `compare`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tau2tui.analysis.latency_question import COLUMNS, MOST_BINS, PICTURES, PictureQuestion
from tau2tui.cli.options import LENGTH, WINDOW, cache_option, json_option
from tau2tui.cli.session import Session, put, put_json, run_async, say, takes_colours, takes_utf8
from tau2tui.defaults import SLA_MS
from tau2tui.errors import CommandFailed, NothingToRead

if TYPE_CHECKING:
    from tau2tui.analysis.run_files import Side
    from tau2tui.analysis.wanted import Wanted
    from tau2tui.core.window import Window

_WIDTHS = (80, 120)
_HEAT_MAP_HEIGHT = 32


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--series", help="The series that is shown in full: orchestrator, expert:MODEL …; the first if not said.")
@click.option(
    "--metric", type=click.Choice(tuple(COLUMNS)), default="total", show_default=True, help="What is measured."
)
@click.option("--bins", type=click.IntRange(1, MOST_BINS), default=36, show_default=True, help="Of the histogram.")
@click.option("--sla", "sla_ms", type=click.FloatRange(0, min_open=True), help="Threshold in ms, instead of [sla].")
@click.option(
    "--by", type=click.Choice(("domain", "trial", "turn", "window")), multiple=True, help="Break down; repeatable."
)
@click.option(
    "--every",
    type=LENGTH,
    default="10m",
    show_default=True,
    metavar="LENGTH",
    help="How long a window of --by is: 30s, 10m, 1h.",
)
@click.option("--domain", default="", metavar="DOMAIN", help="Of this domain only.")
@click.option(
    "--window",
    "stretch",
    type=WINDOW,
    metavar="FROM..TO",
    default="all",
    help="Only calls of this stretch of time: 15m (the last), 03:10..04:00, 03:10, '2025-12-30 17:40..18:00'.",
)
@click.option(
    "--picture",
    type=click.Choice(PICTURES),
    default=PICTURES[0],
    show_default=True,
    help="What --export draws.",
)
@click.option(
    "--export",
    "file",
    type=click.Path(path_type=Path),
    help="Write the picture (.png, .svg) or its numbers (.csv, .json) instead; overwrites nothing.",
)
@cache_option
@json_option
@click.pass_obj
def latency(
    session: Session,
    paths: tuple[Path, ...],
    series: str | None,
    metric: str,
    bins: int,
    sla_ms: float | None,
    by: tuple[str, ...],
    every: timedelta,
    domain: str,
    stretch: Window,
    picture: str,
    file: Path | None,
    use_cache: bool,
    as_json: bool,
) -> None:
    """Latencies of a run, or of any logs.

    Of the run, or of the log files and directories PATHS: every series in numbers, one of them with all percentiles,
    as a histogram and as a distribution function.
    """
    expect_reading(paths, use_cache=use_cache)
    from tau2tui.analysis.latency_text import LatencyQuestion, answer_json, answer_text
    from tau2tui.analysis.narrowing import narrowed, wanted_narrowed

    known = session.known_config()
    sla_ms = sla_ms or (known.sla.threshold_ms if known else SLA_MS)
    question = LatencyQuestion(COLUMNS[metric], metric, sla_ms, bins, series, by, every)
    outcomes = "trial" in by
    if file is not None:
        from tau2tui.analysis.latency_export import export
        from tau2tui.analysis.latency_figures import LatencyCalls, figures_of
        from tau2tui.analysis.series import check_series

        side = reading_side(session, paths, use_cache=use_cache, outcomes=outcomes)
        drawn = PictureQuestion(
            series=series or "",
            picture=picture,
            metric=COLUMNS[metric],
            domain=domain,
            window=stretch,
            bins=bins,
            sla_ms=sla_ms,
            width=_WIDTHS[1],
            height=_HEAT_MAP_HEIGHT,
        )
        calls = LatencyCalls(side.logs.events)
        if series:
            check_series(series, [row.series for row in calls.rows(drawn)])
        say(f"written: {export(figures_of(calls, drawn), file)}")
        return
    wanted = question.wanted if not domain and stretch.whole else wanted_narrowed(question.wanted)
    side = reading_side(session, paths, use_cache=use_cache, outcomes=outcomes, wanted=wanted)
    logs = narrowed(side.logs, domain, stretch)
    if as_json:
        put_json(answer_json(logs, side.files.outcomes, question))
        return
    columns = shutil.get_terminal_size((80, 24)).columns
    width = min(max(columns, _WIDTHS[0]), _WIDTHS[1])
    text = answer_text(logs, side.files.outcomes, question, width, ascii_only=not takes_utf8(), color=takes_colours())
    put(text, styled=True)  # names in it were made printable where they were put in


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--out", type=click.Path(path_type=Path), help="Also write compare_A_B.md into this directory.")
@click.option("--flips", type=click.IntRange(0), default=20, show_default=True, help="At most so many are listed.")
@cache_option
@json_option
@click.pass_obj
def compare(session: Session, a: str, b: str, out: Path | None, flips: int, use_cache: bool, as_json: bool) -> None:
    """Compare two runs.

    A and B are runs by their id, or paths: run directories, log directories or log files. Tasks that both evaluated are
    paired by domain, task and trial; every difference is B − A.
    """
    expect_reading([path for path in map(Path, (a, b)) if path.exists()], use_cache=use_cache)
    from tau2tui.analysis.compare import compare as compared
    from tau2tui.analysis.compare_text import to_markdown, to_text

    comparison = compared(named_side(session, a, use_cache), named_side(session, b, use_cache))
    if out is not None:
        file = out / f"compare_{comparison.a}_{comparison.b}.md"
        try:
            out.mkdir(parents=True, exist_ok=True)
            file.write_text(to_markdown(comparison), encoding="utf-8", errors="replace")
        except OSError as error:
            raise CommandFailed(f"{file}: the comparison cannot be written: {error.strerror}") from None
        say(f"written: {file}")
    if as_json:
        put_json(comparison.to_json())
    else:
        put(to_text(comparison, flips))


def expect_reading(paths: Sequence[Path], *, use_cache: bool) -> None:
    """Say that the logs at these paths will be read: what that needs loads while this process does."""
    from tau2tui.analysis.ahead import start_readers

    if paths:
        start_readers(paths, use_cache=use_cache)


def reading_side(
    session: Session,
    paths: tuple[Path, ...],
    *,
    use_cache: bool = True,
    outcomes: bool = True,
    wanted: Wanted | None = None,
) -> Side:
    """The logs at these paths, or without any those of the run, with what is known beside them.

    Without `outcomes` nobody wants to know how the tasks ended, for which all logs may have to be searched; `wanted` is
    what is read where nothing goes into the cache.
    """
    from tau2tui import reporting

    if paths:
        known = session.known_config()
        return reporting.side_of_paths(paths, known, use_cache=use_cache, outcomes=outcomes, wanted=wanted)

    import asyncio

    async def look() -> Side:
        async with session.ops() as ops:
            side = partial(reporting.side_of_directory, use_cache=use_cache, outcomes=outcomes, wanted=wanted)
            return await asyncio.to_thread(side, await reporting.local_copy(ops), ops.config)

    return run_async(look)


def named_side(session: Session, name: str, use_cache: bool) -> Side:
    """A path if there is one of that name, else a run."""
    if Path(name).exists():
        return reading_side(session, (Path(name),), use_cache=use_cache)
    try:
        return reading_side(replace(session, run_id=name), (), use_cache=use_cache)
    except NothingToRead as error:
        raise NothingToRead(f"{name}: neither a path nor a run with logs", str(error)) from None
