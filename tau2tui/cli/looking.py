"""The words of the screens that have no other: `jobs`, `sources` and `logs`."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, put, put_json, put_table, run_async, say
from tau2tui.errors import NothingToRead, Unreachable

if TYPE_CHECKING:
    from tau2tui.ops import Ops


@click.command()
@json_option
@click.pass_obj
def jobs(session: Session, as_json: bool) -> None:
    """Show the run's jobs, and why they wait.

    Each with its state, nodes, time left and how many of its replicas are ready. Exits with 3 if the scheduler did not
    answer: what is shown then is unknown.
    """

    async def look() -> int:
        async with session.ops() as ops:
            await ops.look()
            await ops.foresee()
            rows = ops.job_rows()
            if as_json:
                short = [{**asdict(deadline), "certain": deadline.certain} for deadline in ops.deadlines()]
                put_json({"jobs": [asdict(row) for row in rows], "end_too_early": short})
            else:
                table = [("STATE", "JOB", "NAME", "NODES", "LEFT", "READY", "REASON")]
                table += [
                    (
                        row.state,
                        row.id or "–",
                        row.name,
                        row.nodes or "–",
                        "–" if row.time_left_s is None else str(timedelta(seconds=round(row.time_left_s))),
                        f"{row.ready}/{row.replicas}" if row.replicas else "–",
                        row.reason,
                    )
                    for row in rows
                ]
                put_table(table)
                for deadline in ops.deadlines():
                    sure = "ends" if deadline.certain else "may end"
                    put(f"! {deadline.job} {sure} {deadline.short_s / 60:.0f} min before the evaluation may")
            return Unreachable.exit_code if ops.snapshot.jobs.error else 0

    raise click.exceptions.Exit(run_async(look))


@click.command()
@json_option
@click.pass_obj
def sources(session: Session, as_json: bool) -> None:
    """Ask each source once: does it answer, and how fast.

    The scheduler and the run directory, with every command that this took. Exits with 3 if one does not answer.
    """

    async def look() -> int:
        async with session.ops() as ops:
            await ops.look()
            if as_json:
                put_json(sources_json(ops))
            else:
                table = [("SOURCE", "TOOK", "ANSWER")]
                for name, poll in ops.polls.items():
                    error = getattr(ops.snapshot, name).error
                    table.append((name, f"{poll.took_ms[-1]:.0f} ms", error or "ok"))
                put_table(table)
                for record in ops.shell.commands.records:
                    status = "–" if record.status is None else str(record.status)
                    put(f"{record.ms:7.0f} ms  rc {status}  {record}  {record.error}".rstrip())
            return Unreachable.exit_code if ops.snapshot.jobs.error or ops.snapshot.run.error else 0

    raise click.exceptions.Exit(run_async(look))


def sources_json(ops: Ops) -> dict[str, object]:
    """What was asked, how long it took, what went wrong; and the commands."""
    now = time.time()
    return {
        "sources": {
            name: {
                "read_at": getattr(ops.snapshot, name).at,
                "error": getattr(ops.snapshot, name).error or None,
                "took_ms": list(poll.took_ms),
                "asked": poll.asked,
                "failed": poll.failed,
            }
            for name, poll in ops.polls.items()
        },
        "place": ops.shell.name,
        "squeue_per_minute": ops.shell.commands.per_minute("squeue", now),
        "commands": [asdict(record) for record in ops.shell.commands.records],
    }


@click.command()
@click.argument("name", required=False)
@click.option(
    "-n", "--lines", type=click.IntRange(min=1), default=20, show_default=True, help="How many, from its end."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written to it, until ctrl+c.")
@json_option
@click.pass_obj
def logs(session: Session, name: str | None, lines: int, follow: bool, as_json: bool) -> None:
    """List the run's logs, or show the end of one.

    NAME as in the list, or a replica, which means its current log. Control characters are taken out.
    """
    if follow and (name is None or as_json):
        raise click.UsageError("--follow needs the NAME of one log, and prints lines")

    async def look() -> None:
        from tau2tui.ops.tailing import last_lines, new_lines

        async with session.ops() as ops:
            await ops.look()
            if name is None:
                found = [(each, await ops.logs.size(each)) for each in await ops.logs.names()]
                if as_json:
                    put_json([{"name": each, "bytes": size} for each, size in found])
                else:
                    put_table([("BYTES", "LOG"), *((str(size), each) for each, size in found)])
                return
            log = next((row.log for row in ops.fleet() if row.replica == name and row.log), name)
            try:
                shown, offset = await last_lines(ops.logs, log, lines)
            except FileNotFoundError:
                raise NothingToRead(f"{name}: no such log in run {ops.run.run_id}", "tau2tui logs lists them") from None
            if as_json:
                put_json({"name": log, "lines": shown})
                return
            for line in shown:
                put(line)
            if follow:
                say(f"following {log}; ctrl+c ends it")
                async for line in new_lines(ops.logs, log, offset):
                    put(line)

    run_async(look)
