"""Words for the GPUs: `gpus` shows who holds them, `clean` ends what is stale."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from tau2tui.cli.options import dry_run_option, json_option, via_option, yes_option
from tau2tui.cli.session import Session, carry_out, put, put_json, run_async
from tau2tui.core.command import CleanGpus
from tau2tui.core.gpus import GpuProcess, NodeGpus
from tau2tui.core.model import DirtyNode
from tau2tui.errors import NothingToRead, Unreachable

if TYPE_CHECKING:
    from tau2tui.remote.gpu import Via


@click.command()
@click.argument("nodes", nargs=-1)
@via_option
@click.option("--dirty", is_flag=True, help="Only the nodes that were found dirty, from memory: nobody is asked.")
@json_option
@click.pass_obj
def gpus(session: Session, nodes: tuple[str, ...], via: Via, dirty: bool, as_json: bool) -> None:
    """Show who holds the GPUs, and what is stale.

    Of NODES, or of all nodes of the run: memory, use, and each process with its owner, age, job, and why it may be
    ended or not; with what is remembered of a node that was found dirty. NODES can be asked before any launch. Exits
    with 3 if a node could not be asked.
    """

    async def look() -> int:
        async with session.ops() as ops:
            remembered = {node.node: node for node in await ops.dirty_nodes()}
            reports: tuple[NodeGpus, ...] = ()
            if not dirty:
                await ops.look()
                if not nodes and not ops.nodes():
                    raise NothingToRead("no job of a run is on any node", "name the nodes: tau2tui gpus NODE…")
                reports = await ops.gpus(nodes, via)
        if as_json:
            put_json([asdict(report) for report in (remembered.values() if dirty else reports)])
        else:
            for report in reports:
                show(report)
            for node in remembered.values():
                if dirty or node.node in {report.node for report in reports}:
                    put(dirty_line(node))
        return Unreachable.exit_code if any(report.error for report in reports) else 0

    raise click.exceptions.Exit(run_async(look))


def dirty_line(node: DirtyNode) -> str:
    """Since when a node is dirty, and why."""
    since = f"{datetime.fromtimestamp(node.at):%Y-%m-%d %H:%M}" if node.at else "unknown"
    return f"{node.node} is dirty since {since}: {' '.join(node.reason.split())}"


def show(report: NodeGpus) -> None:
    """One node for people: a line for each GPU, and below it one for each process."""
    put(f"{report.node}  (by {report.via})" if not report.error else f"{report.node}  not known: {report.error}")
    for gpu in report.gpus:
        used = "–" if gpu.used_mib is None else f"{gpu.used_mib:.0f}"
        total = "–" if gpu.total_mib is None else f"{gpu.total_mib:.0f}"
        busy = "–" if gpu.utilization is None else f"{gpu.utilization:.0%}"
        put(f"  {gpu.index:>2}  {used:>6} / {total} MiB  {busy:>4}  {gpu.name}")
        for process in report.processes:
            if process.gpu_uuid == gpu.uuid:
                put(f"      {_line(process)}")
    for name in report.shared_memory:
        put(f"      STALE  /dev/shm/{name}")


def _line(process: GpuProcess) -> str:
    age = "–" if process.age_s is None else str(timedelta(seconds=round(process.age_s)))
    mark = "STALE" if process.stale else "     "
    command = " ".join(process.command.split())[:60]
    return f"{mark}  pid {process.pid}  {process.user}  {process.used_mib:.0f} MiB  {age}  {command}  – {process.why}"


@click.command()
@click.argument("nodes", nargs=-1)
@via_option
@dry_run_option
@yes_option
@click.pass_obj
def clean(session: Session, nodes: tuple[str, ...], via: Via, dry_run: bool, yes: bool) -> None:
    """End stale processes on the GPUs, and verify.

    On NODES, or on all nodes of the run: TERM, wait, KILL, each process only while it is the very one that was shown.
    Never another user's, never one of a job that lives; what is left is named with the reason.
    """

    async def end() -> None:
        async with session.ops() as ops:
            await ops.look()
            plan = ops.plan(CleanGpus(await ops.gpus(nodes, via)))
            await carry_out(ops, plan, dry_run=dry_run, yes=yes)

    run_async(end)
