"""The word `progress`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.measuring import expect_reading
from tau2tui.cli.options import cache_option, json_option, now_option
from tau2tui.cli.session import Session, put, put_json, run_async

if TYPE_CHECKING:
    from tau2tui.core.durations import Durations
    from tau2tui.core.forecast import Span
    from tau2tui.core.outlook import Outlook
    from tau2tui.ops import Ops


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@now_option
@click.option("--concurrency", type=click.IntRange(min=1), help="Simulations at once, instead of what the logs show.")
@click.option(
    "--earlier",
    "earlier_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Logs of an earlier run, which say how long simulations take; may be repeated.",
)
@cache_option
@json_option
@click.pass_obj
def progress(
    session: Session,
    paths: tuple[Path, ...],
    now: datetime | None,
    concurrency: int | None,
    earlier_paths: tuple[Path, ...],
    use_cache: bool,
    as_json: bool,
) -> None:
    """Say how far a run is, and how long it still takes.

    Done, total, and the time left as a median with an interval of 80 %. Of the run, as its driver says; its earlier
    runs beside it say how long simulations take, unless --earlier does. Or of the log files and directories PATHS,
    whoever wrote them, from their lines alone. Without --now logs are read as of the present if they are of the last
    day, else as of their last line.
    """
    expect_reading((*paths, *earlier_paths), use_cache=use_cache)
    from tau2tui.analysis.progress import durations_of, progress_of
    from tau2tui.analysis.scan import find_logs

    earlier = durations_of(find_logs(earlier_paths), use_cache=use_cache) if earlier_paths else ()
    if paths:
        found = progress_of(find_logs(paths), now, concurrency, earlier, use_cache=use_cache)
    else:

        async def of_the_run() -> Outlook:
            async with session.ops() as ops:
                return await _of_run(ops, now, concurrency, earlier, use_cache)

        found = run_async(of_the_run)
    if as_json:
        put_json(_as_json(found))
    else:
        for line in _lines(found):
            put(line)


async def _of_run(
    ops: Ops, now: datetime | None, concurrency: int | None, earlier: Durations, use_cache: bool
) -> Outlook:
    """From the state that the driver keeps; as it was at another time, and without a state, from the run's logs."""
    from dataclasses import replace

    from tau2tui.analysis.progress import progress_of
    from tau2tui.analysis.scan import find_logs
    from tau2tui.core.outlook import outlook_of

    earlier = earlier or await ops.earlier()
    await ops.refresh("run", 0.0)
    seen = ops.snapshot.run
    state = seen.value.evaluation if seen.value and not seen.error else None
    if now is None and state is not None and seen.value is not None:
        wanted = state if concurrency is None else replace(state, max_concurrency=concurrency)
        return outlook_of(wanted, seen.value.clock, earlier)
    logs = find_logs([await ops.logs.local()])
    return progress_of(logs, now, concurrency, earlier, use_cache=use_cache)


def _as_json(found: Outlook) -> dict[str, Any]:
    return {
        "at": found.at.isoformat(sep=" ", timespec="seconds"),
        "done": found.done,
        "total": found.total,
        "concurrency": found.concurrency,
        **_eta(found.left),
        "overall_eta_s": found.seed_eta_s,
        "paused": found.paused,
        "stalled": found.stalled,
        "stalled_tasks": list(found.stalled_units),
        "running": [{"task": name, "idle_s": round(idle_s, 3)} for name, idle_s in found.idle],
        "domains": {
            one.domain: {
                "done": one.done,
                "total": one.total,
                "running": one.running,
                **_eta(one.left),
                "stalled": one.stalled,
            }
            for one in found.domains
        },
    }


def _eta(left: Span | None) -> dict[str, float | None]:
    values = (left.p10_s, left.p50_s, left.p90_s) if left else (None, None, None)
    names = ("eta_p10_s", "eta_p50_s", "eta_p90_s")
    return {name: None if value is None else round(value, 1) for name, value in zip(names, values, strict=True)}


def _lines(found: Outlook) -> list[str]:
    seeds = "" if found.seed_eta_s is None else f"   OVERALL_ETA {_clock(found.seed_eta_s)}"
    lines = [
        f"{found.at:%Y-%m-%d %H:%M:%S}   {_counts(found.done, found.total)}   {_span(found.left)}{seeds}   "
        f"{found.concurrency} at once" + ("   STALLED" if found.stalled else "   paused" if found.paused else "")
    ]
    width = max((len(one.domain) for one in found.domains), default=0)
    lines += [
        f"  {one.domain:<{width}}  {_counts(one.done, one.total):>9}   {one.running:>3} running   {_span(one.left)}"
        + ("   STALLED" if one.stalled else "")
        for one in found.domains
    ]
    late = dict(found.idle)
    lines += [f"stalled: {name}, no event for {_clock(late[name])}" for name in found.stalled_units]
    if found.stalled and not found.stalled_units and found.idle:
        lines.append(f"longest idle: {found.idle[0][0]}, no event for {_clock(found.idle[0][1])}")
    return lines


def _counts(done: int, total: int | None) -> str:
    return f"{done}/{'?' if total is None else total}"


def _span(left: Span | None) -> str:
    if left is None:
        return "ETA unknown"
    return f"ETA {_clock(left.p50_s)} ({_clock(left.p10_s)} to {_clock(left.p90_s)})"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
