"""Words that change the fleet: `plan` and `launch`, `relaunch`, `stop`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tau2tui.cli.doctor import refuse_if_fatal
from tau2tui.cli.hygiene import dirty_line
from tau2tui.cli.options import dry_run_option, exclude_dirty_option, exclude_option, json_option, yes_option
from tau2tui.cli.session import Session, carry_out, put, put_json, run_async, say
from tau2tui.cli.settings import changed_experts, save_settings
from tau2tui.core.command import HandOver, Launch, Relaunch, RelaunchJob, Stop
from tau2tui.core.placement import gpu_hours, server_argv
from tau2tui.errors import CommandFailed, Unreachable

if TYPE_CHECKING:
    from tau2tui.core.lint import Finding
    from tau2tui.ops import Ops


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
