"""Words for the fleet: plan, launch, wait, status, relaunch, stop, runs."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tau2tui.cli.doctor import refuse_if_fatal
from tau2tui.cli.evaluate import EvalTeller, account_lines, time_left_words, trouble_lines
from tau2tui.cli.hygiene import dirty_line
from tau2tui.cli.options import dry_run_option, exclude_dirty_option, exclude_option, json_option, yes_option
from tau2tui.cli.session import Session, carry_out, put, put_json, put_table, run_async, say, tell
from tau2tui.cli.settings import changed_experts, save_settings
from tau2tui.core.command import HandOver, Launch, Relaunch, RelaunchJob, Stop
from tau2tui.core.fleet import FleetRow
from tau2tui.core.layout import EVAL_JOB
from tau2tui.core.placement import gpu_hours, server_argv
from tau2tui.core.verdict import Standing
from tau2tui.errors import CommandFailed, Unreachable

if TYPE_CHECKING:
    from tau2tui.core.lint import Finding
    from tau2tui.core.model import Reading
    from tau2tui.ops import Ops


READY_S, LONG_S = 1800.0, 7 * 86400.0


@click.command()
@click.option("--offline", is_flag=True, help="Judge the configuration without asking the cluster.")
@json_option
@click.pass_obj
def plan(session: Session, offline: bool, as_json: bool) -> None:
    """Show what a launch would do.

    Placement, the exact text of every job script and command line, and what `doctor` has to say; nothing is changed.
    """

    async def show() -> None:
        async with session.ops(new=True) as ops:
            from tau2tui.core import layout

            await ops.look()
            findings = await examine(ops, offline=offline)
            steps = ops.plan(Launch())
            files = {file.path: file.text for file in ops.launch_files()}
            jobs = [
                {
                    "job": job.name,
                    "script": files[layout.sbatch_file(job.name)],
                    "replicas": [
                        {**asdict(replica), "argv": server_argv(ops.config, replica, ops.run.path)}
                        for replica in job.replicas
                    ],
                }
                for job in ops.jobs
            ]
            hours = gpu_hours(ops.config)
            if as_json:
                found = [asdict(finding) for finding in findings]
                put_json(
                    {
                        "run_dir": str(ops.run.path),
                        "jobs": jobs,
                        "gpu_hours": hours,
                        "findings": found,
                        "steps": steps.lines,
                    }
                )
                return
            for job in jobs:
                put(f"### {layout.sbatch_file(str(job['job']))}\n{job['script']}")
            for planned in ops.jobs:
                put(f"### {planned.name}")
                for placed in planned.replicas:
                    gpus = ",".join(map(str, placed.gpus))
                    put(f"{placed.name}: port {placed.port}, GPUs {gpus}, starts after {placed.delay_s:.0f} s")
                    put(f"    {shlex.join(server_argv(ops.config, placed, ops.run.path))}")
            put(f"\n{len(ops.jobs)} jobs, at most {hours:.0f} GPU-hours")
            for line in steps.lines:
                put(line)

    run_async(show)


async def examine(ops: Ops, *, offline: bool = False) -> tuple[Finding, ...]:
    """What is wrong with the configuration, told to the user; judged by itself where the cluster does not answer.

    A rehearsal is served by nothing that these rules are about.
    """
    from tau2tui.core.lint import lint
    from tau2tui.remote.probe import default_cache, probe, remembered

    if ops.config.serve.engine == "rehearsal":
        return ()
    facts = remembered(ops.config, default_cache())
    if not offline:
        try:
            facts = await probe(ops.config, ops.shell, default_cache())
        except (Unreachable, CommandFailed) as error:
            say(f"the configuration is judged by itself: {error.message}")
    findings = lint(ops.config, facts)
    for finding in findings:
        say(f"{finding.severity}: {finding.where}: {finding.message} → {finding.remedy} [{finding.rule}]")
    return findings


@click.command()
@click.option("--no-wait", is_flag=True, help="Return after submitting; `tau2tui wait` goes on from there.")
@click.option("--strict", is_flag=True, help="What `doctor` warns of is as fatal as its errors.")
@click.option("--skip-doctor", is_flag=True, help="Submit whatever `doctor` would say.")
@exclude_option
@exclude_dirty_option
@dry_run_option
@click.pass_obj
def launch(
    session: Session,
    no_wait: bool,
    strict: bool,
    skip_doctor: bool,
    exclude: tuple[str, ...],
    exclude_dirty: bool,
    dry_run: bool,
) -> None:
    """Submit the fleet and wait until it is ready.

    One job for each node; ready means that every replica is proved so in four levels. Writes model_config_oss.json
    into the run directory when all are. With --run NAME the new run gets that name. What `tau2tui doctor` calls an
    error is refused before anything is submitted.
    """

    async def start() -> None:
        async with session.ops(new=True) as ops:
            await ops.look()
            excluded = await excluded_nodes(ops, exclude, exclude_dirty=exclude_dirty)
            plan = ops.plan(Launch(wait=not no_wait, exclude=excluded))
            if not skip_doctor:
                refuse_if_fatal(await examine(ops), strict=strict)
            say(f"run {ops.run.run_id} in {ops.run.path}")
            await carry_out(ops, plan, dry_run=dry_run)

    run_async(start)


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
@click.argument("replicas", nargs=-1)
@click.option("--failed", is_flag=True, help="All that have failed.")
@click.option(
    "--job", metavar="NAME", help="The whole job of a node: it is stopped, seen to be gone, and submitted again."
)
@click.option(
    "--hand-over",
    is_flag=True,
    help="With --job, or of all jobs: a second job starts elsewhere before the time limit, and takes over when ready.",
)
@click.option("--now", is_flag=True, help="With --hand-over: at once, and wait until it is done.")
@exclude_option
@exclude_dirty_option
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of their expert, as in the file; args.NAME is one argument of the server.",
)
@click.option("--save", is_flag=True, help="Write what --set says into the configuration as well, comments kept.")
@dry_run_option
@yes_option
@click.pass_obj
def relaunch(
    session: Session,
    replicas: tuple[str, ...],
    failed: bool,
    job: str | None,
    hand_over: bool,
    now: bool,
    exclude: tuple[str, ...],
    exclude_dirty: bool,
    settings: tuple[str, ...],
    save: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Start replicas again.

    In their jobs, without queueing; everything else goes on. Waits until they are ready. With --set, for example
    gpu_memory_utilization=0.88, their expert's servers get that from their next start on.
    """
    if bool(replicas) + failed + (job is not None or hand_over) != 1:
        raise click.UsageError("name replicas, or --failed, or --job NAME, or --hand-over")
    if save and not settings:
        raise click.UsageError("--save needs --set")
    if now and not hand_over:
        raise click.UsageError("--now needs --hand-over")
    if (exclude or exclude_dirty) and not (job or hand_over):
        raise click.UsageError("--exclude is for jobs: a replica starts again where it was")

    async def again() -> None:
        async with session.ops() as ops:
            await ops.look()
            names = ops.failed() if failed else replicas
            experts = changed_experts(ops.config, names, settings)
            excluded = await excluded_nodes(ops, exclude, exclude_dirty=exclude_dirty)
            command: Relaunch | RelaunchJob | HandOver = Relaunch(names, experts)
            if hand_over:
                command = HandOver(job or "", now, excluded)
            elif job:
                command = RelaunchJob(job, excluded)
            await carry_out(ops, ops.plan(command), dry_run=dry_run, yes=yes)
        if save and not dry_run:
            save_settings(session.config_file, tuple(experts), settings)
            say(f"{session.config_file} says so too")

    run_async(again)


async def excluded_nodes(ops: Ops, named: tuple[str, ...], *, exclude_dirty: bool) -> tuple[str, ...]:
    """The nodes that were named, and on request those that are remembered as dirty, each told with its reason."""
    if not exclude_dirty:
        return named
    dirty = await ops.dirty_nodes()
    for node in dirty:
        say(f"excluded: {dirty_line(node)}")
    return tuple(dict.fromkeys((*named, *(node.node for node in dirty))))


@click.command()
@click.argument("replicas", nargs=-1)
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="The job of a node with all of its replicas.")
@dry_run_option
@yes_option
@click.pass_obj
def stop(session: Session, replicas: tuple[str, ...], jobs: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Stop REPLICAS, the jobs of nodes, or everything.

    Without either: the evaluation, then the whole fleet. Says what was verified.
    """
    if replicas and jobs:
        raise click.UsageError("name replicas, or --job NAME")

    async def end() -> None:
        async with session.ops() as ops:
            await ops.look()
            await carry_out(ops, ops.plan(Stop(replicas, jobs)), dry_run=dry_run, yes=yes)

    run_async(end)


@click.command()
@json_option
@click.pass_obj
def runs(session: Session, as_json: bool) -> None:
    """List the runs, the newest last."""
    from tau2tui.ops import list_runs

    names = run_async(lambda: list_runs(session.config()))
    if as_json:
        put_json(list(names))
        return
    for name in names:
        put(name)
