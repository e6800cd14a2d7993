"""Plans that start servers: launch, relaunch in place, a job anew, and one that takes over from another."""

from __future__ import annotations

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.command import HandOver, Launch, Relaunch, RelaunchJob
from tau2tui.core.model import Job, JobState
from tau2tui.core.placement import PlannedJob
from tau2tui.core.plan.situation import Plan, Situation, challenge, doubts
from tau2tui.core.step import Await, AwaitEndpoints, AwaitJobsGone, Do, Follow, Request, Step, WriteFile
from tau2tui.core.verdict import Standing
from tau2tui.errors import Refused


def launch(command: Launch, situation: Situation) -> Plan:
    """Make the run directory, write its files, submit each job, and wait for all replicas if that is wanted."""
    config, run_dir = situation.config, situation.run_dir
    if not run_dir.is_absolute():  # jobs begin in the run directory, where the path would lead elsewhere
        raise Refused(f"run.directory = {str(run_dir.parent)!r} is relative", 'begin it with "/", "~/" or "$PWD/"')
    for job in situation.queue:
        if job.may_live:
            raise Refused(
                f"run {situation.run_id} has job {job.id} ({job.name}) {job.raw_state}", "stop it first: tau2tui stop"
            )
    jobs = situation.jobs
    directories = layout.RunLayout(config.run.logs, config.run.outputs).directories
    steps: list[Step] = [
        Do(("mkdir", "-p", "-m", "700", str(run_dir))),
        Do(("mkdir", "-p", *(str(run_dir / name) for name in directories))),
    ]
    steps += situation.written()
    steps += [situation.submit(job.name, command.exclude) for job in jobs]
    if command.wait:
        names = tuple(replica.name for job in jobs for replica in job.replicas)
        start_s = max(_start_s(job, situation) for job in jobs)
        steps += [Await(names, Standing.READY, start_s), AwaitEndpoints()]
    return Plan(command, tuple(steps))


def relaunch(command: Relaunch, situation: Situation) -> Plan:
    """The agents end what is left of the replicas, and start them again in their jobs."""
    if not command.replicas:
        raise Refused("no replica has failed", "name the ones that are meant")
    verdicts = situation.known_replicas(command.replicas)
    for verdict in verdicts:
        name = verdict.wanted.name
        if verdict.standing in (Standing.ABSENT, Standing.QUEUED):
            raise Refused(f"{name} is {verdict.standing}: {verdict.why}", "launch the fleet, or wait for its job")
        if verdict.job is not None and not verdict.job.may_live:
            raise Refused(
                f"the job of {name} has ended ({verdict.job.raw_state})", "tau2tui relaunch --job submits it again"
            )
    serve = situation.config.serve
    steps: list[Step] = [*_changed_files(command, situation)]
    seen = tuple((verdict.wanted.name, verdict.seen.attempt) for verdict in verdicts if verdict.seen is not None)
    # With changed settings any attempt is the wrong one: it may have begun without them.
    attempts = () if command.experts else seen
    steps += [
        Request("restart", command.replicas, timeout_s=situation.stop_s, attempts=attempts),
        Await(command.replicas, Standing.READY, serve.start_timeout_s),
    ]
    alive = any(v.standing in (Standing.READY, Standing.DEGRADED, Standing.STARTING) for v in verdicts)
    affects = situation.in_flight(command.replicas) if alive else ()
    word = challenge("relaunch", len(command.replicas)) if alive else ""
    return Plan(command, tuple(steps), alive, affects, doubts(verdicts), word)


IN_PLACE = {"gpu_memory_utilization", "tool_call_parser", "chat_template", "speculative_config", "args", "checkpoint"}
"""Settings of an expert that a server takes from its command line; all others need new jobs, or none at all."""


def _changed_files(command: Relaunch, situation: Situation) -> list[WriteFile]:
    """The files of the run that changed settings lead to: its configuration and the jobs' specifications."""
    for name, expert in command.experts.items():
        before = situation.config.experts[name]
        changed = {key for key in type(expert).model_fields if getattr(expert, key) != getattr(before, key)}
        if changed - IN_PLACE:
            raise Refused(
                f"experts.{name}: {', '.join(sorted(changed - IN_PLACE))} cannot change in a job that runs",
                f"only {', '.join(sorted(IN_PLACE))} can; else launch a new run",
            )
    return situation.written()


def relaunch_job(command: RelaunchJob, situation: Situation) -> Plan:
    """The agent stops its replicas and proves it, the job is cancelled and seen to be gone, then it is submitted."""
    job = situation.planned(command.job)
    live = tuple(seen for seen in situation.known_queue if seen.name == command.job and seen.may_live)
    steps = situation.stop_servers(live)
    if live:
        steps += [situation.cancel(live), AwaitJobsGone(job=command.job)]
    names = tuple(replica.name for replica in job.replicas)
    steps += [situation.submit(command.job, command.exclude), Await(names, Standing.READY, _start_s(job, situation))]
    return Plan(command, tuple(steps), bool(live), situation.in_flight(names) if live else ())


def _start_s(job: PlannedJob, situation: Situation) -> float:
    """The longest that all replicas of a job may take from its start until they are ready."""
    return max(replica.delay_s for replica in job.replicas) + situation.config.serve.start_timeout_s


def hand_over(command: HandOver, situation: Situation) -> Plan:
    """A second job for each node, which starts elsewhere while the first goes on; the agents do the rest."""
    if situation.config.cluster.scheduler == "local":
        raise Refused("one machine has no second place for a job", "stop it and launch it again")
    queue = situation.known_queue
    steps: list[Step] = []
    waits: list[Step] = []
    for planned in (situation.planned(command.job),) if command.job else situation.jobs:
        name = planned.name
        live = [job for job in queue if job.name == name and job.may_live]
        if len(live) > 1:
            raise Refused(f"{name}: job {live[-1].id} follows job {live[0].id} already", "")
        if not live or live[0].state is not JobState.RUNNING:
            raise Refused(f"{name} does not run: there is nothing to take over", "tau2tui relaunch --job submits it")
        follow = Follow(live[0].id, _begin_s(live[0], command, situation.config))
        elsewhere = (*command.exclude, *filter(None, (live[0].nodes,)))
        steps.append(situation.submit(name, elsewhere, follow))
        if command.now:
            names = tuple(replica.name for replica in planned.replicas)
            waits.append(Await(names, Standing.READY, _start_s(planned, situation), after_job=live[0].id))
    return Plan(command, (*steps, *waits))


def _begin_s(job: Job, command: HandOver, config: Config) -> int:
    """How long the successor of a job may wait: it is to be ready before the limit, and not to idle for long."""
    if command.now:
        return 0
    if job.time_left_s is None:
        raise Refused(f"job {job.id} ({job.name}) has no time limit that is known", "add --now to move it at once")
    return max(0, int(job.time_left_s - config.slurm.hand_over_s))
