"""Words that say how a run is: `status`, `wait` for what it comes to, and `runs`, which lists them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.evaluate import EvalTeller, account_lines, time_left_words, trouble_lines
from tau2tui.cli.hygiene import dirty_line
from tau2tui.cli.options import json_option
from tau2tui.cli.session import Session, put, put_json, put_table, run_async, tell, terminal_login
from tau2tui.core.fleet import FleetRow
from tau2tui.core.layout import EVAL_JOB
from tau2tui.core.verdict import Standing
from tau2tui.errors import Unreachable

if TYPE_CHECKING:
    from tau2tui.core.model import Reading
    from tau2tui.ops import Ops

READY_S, LONG_S = 1800.0, 7 * 86400.0
"""How long `wait` waits for a fleet that is ready, and for anything else."""


@click.command()
@click.option(
    "--for",
    "wanted",
    type=click.Choice(("ready", "done", "failed")),
    default="ready",
    show_default=True,
    help="The fleet is ready; the evaluation is over; a replica or the evaluation has failed.",
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0, min_open=True), help="Seconds; 1800 for ready, else a week."
)
@click.pass_obj
def wait(session: Session, wanted: str, timeout_s: float | None) -> None:
    """Wait until a run has come so far.

    For `ready` every replica is proved and the endpoints are written. For `done` it exits with 0 if all units were
    finished and with 4 if not; for `failed` with 0 as soon as something has failed, which is then on stdout. With 6 if
    the time is over before. A source that does not answer is waited for: it has not failed.
    """

    async def go_on() -> None:
        from tau2tui.ops.waiting import await_done, await_failure

        async with session.ops() as ops:
            await ops.look()
            if wanted == "ready":
                await ops.await_ready(timeout_s or READY_S, tell)
            elif wanted == "done":
                await await_done(ops, timeout_s or LONG_S, EvalTeller(await ops.earlier()))
            else:
                put(await await_failure(ops, timeout_s or LONG_S))

    run_async(go_on)


@click.command()
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """Show every replica, and the evaluation.

    Each replica with its job, node, address, port and health. Exits with 3 if a source did not answer: what is shown
    then is the last that was known, or unknown.
    """

    async def look() -> int:
        async with session.ops() as ops:
            await ops.look()
            await ops.foresee()
            if as_json:
                put_json(status_json(ops))
            else:
                show_status(ops)
            return Unreachable.exit_code if ops.snapshot.jobs.error or ops.snapshot.run.error else 0

    raise click.exceptions.Exit(run_async(look))


def status_json(ops: Ops) -> dict[str, Any]:
    """The whole status: `null` is not known, never zero; each source says when it was read and what failed."""
    run = ops.snapshot.run.value
    progress = run.evaluation if run else None
    return {
        "run": ops.run.run_id,
        "directory": str(ops.run.path),
        "sources": {"jobs": _source(ops.snapshot.jobs), "run": _source(ops.snapshot.run)},
        "replicas": [
            {**asdict(row), "diagnosis": row.diagnosis.to_json() if row.diagnosis else None} for row in ops.fleet()
        ],
        "jobs": [asdict(job) for job in ops.snapshot.jobs.value or ()],
        "dirty_nodes": [asdict(node) for node in run.dirty_nodes] if run else [],
        "evaluation": asdict(progress) if progress else None,
        "time_left": asdict(ops.snapshot.time_left) if ops.snapshot.time_left else None,
    }


def _source(reading: Reading[Any]) -> dict[str, Any]:
    return {"read_at": reading.at, "error": reading.error or None}


def show_status(ops: Ops) -> None:
    """The same for people."""
    run = ops.snapshot.run.value
    progress = run.evaluation if run else None
    put(f"run {ops.run.run_id}  {ops.run.path}")
    for name, error in (("jobs", ops.snapshot.jobs.error), ("run", ops.snapshot.run.error)):
        if error:
            put(f"! {name} not known: {error}")
    for node in run.dirty_nodes if run else ():
        put(f"! {dirty_line(node)}")
    rows: list[tuple[str, ...]] = [("STATE", "REPLICA", "JOB", "NODE", "ADDRESS", "GPUS", "LEVEL", "WHY")]
    replicas = ops.fleet()
    rows += [_cells(row) for row in replicas]
    put_table(rows, wrapped=True)
    for replica in replicas:
        if found := replica.diagnosis:
            put(f"{replica.replica}: {found.cause}. {found.remedy}: {found.action}")
    for job in ops.snapshot.jobs.value or ():
        if job.name == EVAL_JOB and job.may_live:
            put(" ".join(filter(None, (f"evaluation as job {job.id}: {job.raw_state}", job.nodes, job.reason))))
    if progress is not None:
        done = f"{progress.finished}/{progress.total} units"
        why = f" ({progress.why})" if progress.why else ""
        put(f"evaluation {progress.state}{why}: {done}, {progress.lost} ended in errors, {progress.retries} retries")
        if left := ops.snapshot.time_left:
            put(f"  {time_left_words(left)}")
        for line in (*account_lines(progress), *trouble_lines(progress, run.clock if run else None)):
            put(f"  {line}")


def _cells(row: FleetRow) -> tuple[str, ...]:
    standing = row.phase if row.standing is Standing.STARTING and row.phase else row.standing.value
    address = f"{row.address}:{row.port}" if row.address else f"–:{row.port}"
    why = " ".join(row.why.split())
    return (
        standing,
        row.replica,
        row.job_id or "–",
        row.node or "–",
        address,
        ",".join(map(str, row.gpus)),
        row.level or "–",
        why,
    )


@click.command()
@json_option
@click.pass_obj
def runs(session: Session, as_json: bool) -> None:
    """List the runs, the newest last."""
    from tau2tui.ops import list_runs

    names = run_async(lambda: list_runs(session.config(), terminal_login()))
    if as_json:
        put_json(list(names))
        return
    for name in names:
        put(name)
