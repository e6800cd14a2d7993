"""Plans that end what runs: replicas, the jobs of nodes, everything of a run, and what is stale on GPUs."""

from __future__ import annotations

from tau2tui.core import layout
from tau2tui.core.command import CleanGpus, Stop
from tau2tui.core.plan.situation import Plan, Situation, challenge, doubts, queue_unknown
from tau2tui.core.step import AwaitJobsGone, CleanNode, Request, Step
from tau2tui.errors import Refused


def stop(command: Stop, situation: Situation) -> Plan:
    """Stop what is named, or everything."""
    if command.replicas:
        return _stop_replicas(command, situation)
    return _stop_jobs(command, situation) if command.jobs else _stop_all(command, situation)


def _stop_replicas(command: Stop, situation: Situation) -> Plan:
    verdicts = situation.known_replicas(command.replicas)
    for verdict in verdicts:
        if verdict.seen is None:
            raise Refused(f"{verdict.wanted.name} is {verdict.standing}: {verdict.why}", "there is nothing to stop")
    step = Request("stop", command.replicas, timeout_s=situation.stop_s)
    return Plan(
        command,
        (step,),
        destructive=True,
        affects=situation.in_flight(command.replicas),
        doubts=doubts(verdicts),
        challenge=challenge("stop", len(command.replicas)),
    )


def _stop_jobs(command: Stop, situation: Situation) -> Plan:
    """The agents stop their replicas and prove it; then the jobs are cancelled and seen to be gone."""
    queue = situation.known_queue
    steps: list[Step] = []
    names: list[str] = []
    for name in command.jobs:
        live = tuple(job for job in queue if job.name == name and job.may_live)
        if not live:
            raise Refused(f"no job {name!r} is queued or running", "see `tau2tui status` for the jobs of the run")
        if name == layout.EVAL_JOB:
            steps += situation.stop_driver()
        else:
            names += [replica.name for replica in situation.planned(name).replicas]
        steps += [*situation.stop_servers(live), situation.cancel(live), AwaitJobsGone(job=name)]
    return Plan(
        command,
        tuple(steps),
        destructive=True,
        affects=situation.in_flight(tuple(names)),
        challenge=challenge("stop", len(names)),
    )


def _stop_all(command: Stop, situation: Situation) -> Plan:
    """The evaluation first, then each agent stops its replicas and proves it; cancelling is only the last word."""
    jobs = situation.snapshot.jobs
    if jobs.at is None:
        raise queue_unknown(jobs.error)
    live = tuple(job for job in situation.queue if job.may_live)
    steps = [*situation.stop_driver(), *situation.stop_servers(live)]
    if live:
        steps += [situation.cancel(live), AwaitJobsGone()]
    if not steps:
        raise Refused(f"nothing of run {situation.run_id} is running", "")
    return Plan(
        command,
        tuple(steps),
        destructive=True,
        affects=situation.in_flight(),
        doubts=doubts(situation.verdicts()),
        challenge="stop",
    )


def clean(command: CleanGpus) -> Plan:
    """End exactly the stale processes that were seen, node by node."""
    steps = []
    for node in command.nodes:
        stale = [process for process in node.processes if process.stale and process.started_ticks is not None]
        if stale or node.shared_memory:
            keys = dict.fromkeys((process.pid, process.started_ticks or 0) for process in stale)
            told = dict.fromkeys(
                f"pid {process.pid} ({process.command[:60]}, {process.used_mib:.0f} MiB): {process.why}"
                for process in stale
            )
            files = [f"{len(node.shared_memory)} files in /dev/shm"] if node.shared_memory else []
            steps.append(CleanNode(node.node, node.via, tuple(keys), (*told, *files)))
    if not steps:
        raise Refused("no process on these GPUs is stale", "see `tau2tui gpus` for what holds them, and why it stays")
    ended = sum(process.stale for node in command.nodes for process in node.processes)
    return Plan(command, tuple(steps), destructive=True, challenge=challenge("clean", ended))
