"""The word `history`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.options import LENGTH, MOMENT, json_option
from tau2tui.cli.session import Session, put, put_json, run_async, takes_utf8
from tau2tui.config import VerdictsConfig
from tau2tui.core.printable import one_line
from tau2tui.core.times import Moment
from tau2tui.errors import ConfigError, NothingToRead

if TYPE_CHECKING:
    import polars as pl

    from tau2tui.analysis.slow import SlowSpell

METRICS = (
    *("running", "waiting", "kv_cache", "generation_tokens_s", "prompt_tokens_s", "requests_s", "ttft_p50_s"),
    *("ttft_p99_s", "e2e_p50_s", "e2e_p99_s", "queue_s", "itl_s", "prefix_hit_share", "preemptions", "failed_share"),
    "failed_per_min",
)
"""Those of `analysis.sampled_windows`, which is loaded only when it is needed."""
_LEAST_WIDTH, _MOST_WIDTH = 20, 120
_MOST_WINDOWS = 100_000


@click.command()
@click.argument("replicas", nargs=-1)
@click.option("--metric", type=click.Choice(METRICS), default="e2e_p99_s", show_default=True, help="What is drawn.")
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="From then on: 03:10, 2026-01-02 03:10, or 30m before the last sample.",
)
@click.option(
    "--at", "moment", type=MOMENT, metavar="TIME", help="Every figure as it was then, instead of a line over time."
)
@click.option(
    "--every",
    "window",
    type=LENGTH,
    default="1m",
    show_default=True,
    metavar="LENGTH",
    help="How long a window is: 30s, 1m, 1h.",
)
@click.option("--path", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A run directory anywhere.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone.")
@json_option
@click.pass_obj
def history(
    session: Session,
    replicas: tuple[str, ...],
    metric: str,
    since: Moment | None,
    moment: Moment | None,
    window: timedelta,
    path: Path | None,
    ascii_only: bool,
    as_json: bool,
) -> None:
    """What the servers said of themselves over time.

    Of all replicas, or of REPLICAS (or experts): a line each, and the slowest stretches as the evaluation saw them,
    with the most likely cause. Sampled by the node agents, whether anybody looked or not; a gap is a gap.
    """
    from tau2tui.analysis.history import span
    from tau2tui.analysis.sample_files import files_of
    from tau2tui.analysis.sampled_windows import read_state, read_windows
    from tau2tui.core import layout

    directory, limits = _directory(session, path)
    samples = directory / layout.METRICS
    chosen = _chosen(tuple(files_of(samples)), replicas)
    found = span(samples, chosen)
    if found is None:
        raise NothingToRead(f"{directory}: no samples", "the node agents take them once a server is ready")
    begin, last = found
    if moment is not None:
        at = moment.at(last)
        _put_moment(read_state(samples, at, chosen), at, as_json=as_json)
        return
    if since is not None:
        begin = max(begin, since.at(last))
        if begin > last:
            raise NothingToRead(f"no samples since {begin:%Y-%m-%d %H:%M:%S}")
    if (last - begin) / window > _MOST_WINDOWS:
        raise ConfigError(f"--every {window}: more than {_MOST_WINDOWS} windows", "make them longer")
    table = read_windows(samples, window, replicas=chosen, since=begin)
    spells = _spells(directory, table, begin, window, limits)
    if as_json:
        put_json(
            {
                "metric": metric,
                "every_s": window.total_seconds(),
                "replicas": {
                    str(name): [_row(row) for row in rows.iter_rows(named=True)]
                    for (name,), rows in table.group_by("replica", maintain_order=True)
                },
                "slow": [{**asdict(each), "begin": each.begin.isoformat(sep=" ")} for each in spells],
            }
        )
        return
    for line in _lines(table, metric, window, ascii_only=ascii_only or not takes_utf8()):
        put(line)
    for line in _spell_lines(spells, _clock(window)):
        put(line)


def _directory(session: Session, path: Path | None) -> tuple[Path, VerdictsConfig]:
    """Where the samples lie on this machine, brought up to date; and what counts as much."""
    from tau2tui import reporting

    known = session.known_config()
    if path is not None:
        return path, known.verdicts if known else VerdictsConfig()

    async def look() -> tuple[Path, VerdictsConfig]:
        async with session.ops() as ops:
            return await reporting.local_copy(ops), ops.config.verdicts

    return run_async(look)


def _chosen(known: Sequence[str], names: Sequence[str]) -> list[str]:
    """The replicas that are named, or that belong to an expert that is named. Raises NothingToRead."""
    chosen = [name for name in known if not names or name in names or name.rpartition("-")[0] in names]
    for name in names:
        if not any(name in (replica, replica.rpartition("-")[0]) for replica in known):
            raise NothingToRead(f"{name}: no samples of it", f"there are some of {', '.join(known) or 'none'}")
    return chosen


def _spells(
    directory: Path, table: pl.DataFrame, begin: datetime, window: timedelta, limits: VerdictsConfig
) -> list[SlowSpell]:
    """The slow stretches; none without logs of an evaluation."""
    from tau2tui import reporting
    from tau2tui.analysis.slow import slow_spells

    try:
        side = reporting.side_of_directory(directory, None)
    except NothingToRead:
        return []
    models = {replica.name: replica.model for replica in side.files.replicas}
    wanted = side.logs.events.filter(side.logs.events["at"] >= begin)
    return slow_spells(wanted, table, models, window, limits)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {"at": row["window"].isoformat(sep=" "), **{name: row[name] for name in ("samples", *METRICS)}}


def _lines(table: pl.DataFrame, metric: str, every: timedelta, *, ascii_only: bool) -> Iterator[str]:
    """A line for each replica: all on one scale, so that they can be compared."""
    from tau2tui.analysis import sampled_windows as sampled
    from tau2tui.analysis.sparkline import sparkline

    columns = shutil.get_terminal_size((80, 24)).columns
    values = sampled.on_a_grid(table, metric, every)
    known = [value for each in values.values() for value in each if value is not None]
    span = " to ".join(f"{moment:%Y-%m-%d} {moment:{_clock(every)}}" for moment in _ends(table))
    yield f"{sampled.METRICS[metric]} ({metric}), {span}, every {every}"
    if not known:
        yield "not reported"
        return
    label = max((len(name) for name in values), default=0)
    width = min(max(columns - label - 40, _LEAST_WIDTH), _MOST_WIDTH)
    low, high = min(0.0, *known), max(known)
    for name, each in values.items():
        there = [value for value in each if value is not None]
        line = sparkline(each, width, low, high, ascii_only=ascii_only)
        figures = "not reported"
        if there:
            figures = "  ".join(
                f"{word} {_figure(metric, value)}"
                for word, value in (("min", min(there)), ("max", max(there)), ("last", there[-1]))
            )
        yield one_line(f"{name:<{label}}  {line:<{min(len(each), width)}}  {figures}")


def _ends(table: pl.DataFrame) -> tuple[datetime, datetime]:
    windows = table["window"].sort()
    return windows[0], windows[-1]


def _figure(metric: str, value: float) -> str:
    if metric in ("kv_cache", "prefix_hit_share", "failed_share"):
        return f"{value:.0%}"
    return f"{value:.3g}s" if metric.endswith(("p50_s", "p99_s")) or metric in ("queue_s", "itl_s") else f"{value:.3g}"


def _clock(every: timedelta) -> str:
    """How the beginning of a window is written: with seconds only where they differ."""
    return "%H:%M" if every.total_seconds() % 60 == 0 else "%H:%M:%S"


def _spell_lines(spells: Sequence[SlowSpell], clock: str) -> Iterator[str]:
    if spells:
        yield "slowest stretches, as the evaluation saw them:"
    for each in spells:
        took = f"{each.client_s:.1f} s a call ({each.calls} calls, usually {each.usual_s:.1f} s)"
        begin = f"{each.begin:%m-%d} {each.begin:{clock}}"
        yield one_line(f"  {begin}  {each.replica}  {took}  {each.cause}: {each.evidence}")


def _put_moment(states: pl.DataFrame, at: datetime, *, as_json: bool) -> None:
    rows = list(states.iter_rows(named=True))
    if as_json:
        told = [{**row, "at": row["at"].isoformat(sep=" ")} for row in rows]
        put_json({"at": at.isoformat(sep=" "), "replicas": {row.pop("replica"): row for row in told}})
        return
    put(f"at {at:%Y-%m-%d %H:%M:%S}" + ("" if rows else ": no samples of that time"))
    for row in rows:
        said = row["error"] or _moment_words(row)
        put(one_line(f"{row['replica']:<20}  {said}  ({row['age_s']:.0f} s before)"))


def _moment_words(row: dict[str, Any]) -> str:
    """The figures of one sample, and of the minute before it."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3g}"

    kv_cache = "–" if row["kv_cache"] is None else f"{row['kv_cache']:.0%}"
    return (
        f"running {number(row['running'])}  waiting {number(row['waiting'])}  KV {kv_cache}  "
        f"{number(row['generation_tokens_s'])} tokens/s  {number(row['requests_s'])} requests/s  "
        f"attempt {row['attempt'] or '–'}"
    )
