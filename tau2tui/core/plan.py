"""Command + what was seen → the steps that will be done, or a refusal before anything happens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol, assert_never

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.command import (
    EVAL_VERBS,
    CleanGpus,
    Command,
    HandOver,
    Launch,
    Relaunch,
    RelaunchJob,
    StartEval,
    StartSmoke,
    SteerEval,
    Stop,
)
from tau2tui.core.model import Job, JobState, Snapshot
from tau2tui.core.placement import PlannedJob, plan_jobs
from tau2tui.core.step import (
    Await,
    AwaitEndpoints,
    AwaitEval,
    AwaitJobsGone,
    AwaitSmoke,
    Cancel,
    CleanNode,
    Do,
    Follow,
    Request,
    Step,
    Submission,
    Submit,
    WriteFile,
)
from tau2tui.core.verdict import Standing, Verdict, judge_all
from tau2tui.errors import Refused

EVAL_QUEUE_S = 3600.0
"""How long the start of an evaluation that is a job is waited for: it may have to queue."""
DRIVER_TIMEOUT_S = 30.0
"""An evaluation driver writes its state at least every few seconds; after this it may be taken for gone."""


MANY = 4
"""From so many targets on a single key is not enough to end them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, in order."""

    command: Command
    steps: tuple[Step, ...]
    destructive: bool = False
    """Ends something that runs: it is confirmed first."""
    affects: tuple[str, ...] = ()
    """What else depends on it, in words, for the confirm screen."""
    doubts: tuple[str, ...] = ()
    """What is not known of its targets."""
    challenge: str = ""
    """The word that a person has to type, where much is ended at once; empty: a yes will do."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(str(step) for step in self.steps)


class Scheduler(Protocol):
    """The command lines of a scheduler."""

    def submit_argv(self, submission: Submission) -> tuple[str, ...]: ...

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan depends on."""

    config: Config
    run_id: str
    run_dir: PurePosixPath
    snapshot: Snapshot
    scheduler: Scheduler
    files: tuple[WriteFile, ...] = ()
    """What the command writes into the run directory; paths relative to it."""
    driver_argv: tuple[str, ...] = ()
    """How the evaluation is started on the login node."""
    smoke_argv: tuple[str, ...] = ()
    """How the smoke test is."""


def make_plan(command: Command, situation: Situation) -> Plan:
    """The steps for a command. Raises Refused, with what to do instead, before anything is changed."""
    match command:
        case Launch():
            return _launch(command, situation)
        case Relaunch():
            return _relaunch(command, situation)
        case RelaunchJob():
            return _relaunch_job(command, situation)
        case HandOver():
            return _hand_over(command, situation)
        case Stop():
            return _stop(command, situation)
        case StartEval():
            return _start_eval(command, situation)
        case StartSmoke():
            return _start_smoke(command, situation)
        case SteerEval():
            return _steer_eval(command, situation)
        case CleanGpus():
            return _clean(command)
        case _:
            assert_never(command)


def _clean(command: CleanGpus) -> Plan:
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
    return Plan(command, tuple(steps), destructive=True, challenge=_challenge("clean", ended))


def _launch(command: Launch, situation: Situation) -> Plan:
    config, run_dir = situation.config, situation.run_dir
    if not run_dir.is_absolute():  # jobs begin in the run directory, where the path would lead elsewhere
        raise Refused(f"run.directory = {str(run_dir.parent)!r} is relative", 'begin it with "/", "~/" or "$PWD/"')
    for job in situation.snapshot.jobs.value or ():
        if job.may_live:
            raise Refused(
                f"run {situation.run_id} has job {job.id} ({job.name}) {job.raw_state}", "stop it first: tau2tui stop"
            )
    jobs = plan_jobs(config)
    directories = layout.RunLayout(config.run.logs, config.run.outputs).directories
    steps: list[Step] = [
        Do(("mkdir", "-p", "-m", "700", str(run_dir))),
        Do(("mkdir", "-p", *(str(run_dir / name) for name in directories))),
    ]
    steps += [WriteFile(str(run_dir / file.path), file.text) for file in situation.files]
    steps += [_submit(job.name, situation, command.exclude) for job in jobs]
    if command.wait:
        names = tuple(replica.name for job in jobs for replica in job.replicas)
        latest_start_s = max(replica.delay_s for job in jobs for replica in job.replicas)
        steps += [Await(names, Standing.READY, latest_start_s + config.serve.start_timeout_s), AwaitEndpoints()]
    return Plan(command, tuple(steps))


def _submit(job: str, situation: Situation, exclude: tuple[str, ...] = (), follow: Follow | None = None) -> Submit:
    script = layout.sbatch_file(job)
    submission = Submission(situation.run_dir, situation.run_id, script, exclude, follow)
    return Submit(
        job,
        situation.scheduler.submit_argv(submission),
        tuple(seen.id for seen in situation.snapshot.jobs.value or () if seen.name == job),
    )


def _cancel(jobs: Iterable[Job], situation: Situation) -> Cancel:
    ids = tuple(job.id for job in jobs)
    return Cancel(ids, situation.scheduler.cancel_argv(ids))


def _agents(jobs: Iterable[Job]) -> tuple[str, ...]:
    """How the agents of these jobs are called: by the job's name, or by its id while two have the same name."""
    running = [job for job in jobs if job.state is JobState.RUNNING and job.name != layout.EVAL_JOB]
    names = Counter(job.name for job in running)
    return tuple(job.name if names[job.name] == 1 else job.id for job in running)


def _relaunch(command: Relaunch, situation: Situation) -> Plan:
    if not command.replicas:
        raise Refused("no replica has failed", "name the ones that are meant")
    verdicts = [_known_replica(name, situation) for name in command.replicas]
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
        Request("restart", command.replicas, timeout_s=serve.stop_timeout_s + 60, attempts=attempts),
        Await(command.replicas, Standing.READY, serve.start_timeout_s),
    ]
    alive = any(v.standing in (Standing.READY, Standing.DEGRADED, Standing.STARTING) for v in verdicts)
    affects = _in_flight(situation, command.replicas) if alive else ()
    challenge = _challenge("relaunch", len(command.replicas)) if alive else ""
    return Plan(command, tuple(steps), alive, affects, _doubts(verdicts), challenge)


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
    return [WriteFile(str(situation.run_dir / file.path), file.text) for file in situation.files]


def _relaunch_job(command: RelaunchJob, situation: Situation) -> Plan:
    """The agent stops its replicas and proves it, the job is cancelled and seen to be gone, then it is submitted."""
    job = _planned(command.job, situation)
    live = tuple(seen for seen in _known_queue(situation) if seen.name == command.job and seen.may_live)
    steps: list[Step] = []
    if agents := _agents(live):
        steps.append(Request("stop", agents, timeout_s=situation.config.serve.stop_timeout_s + 60))
    if live:
        steps += [_cancel(live, situation), AwaitJobsGone(job=command.job)]
    names = tuple(replica.name for replica in job.replicas)
    steps += [_submit(command.job, situation, command.exclude), Await(names, Standing.READY, _start_s(job, situation))]
    return Plan(command, tuple(steps), bool(live), _in_flight(situation, names) if live else ())


def _start_s(job: PlannedJob, situation: Situation) -> float:
    """The longest that all replicas of a job may take from its start until they are ready."""
    return max(replica.delay_s for replica in job.replicas) + situation.config.serve.start_timeout_s


def _hand_over(command: HandOver, situation: Situation) -> Plan:
    """A second job for each node, which starts elsewhere while the first goes on; the agents do the rest."""
    if situation.config.cluster.scheduler == "local":
        raise Refused("one machine has no second place for a job", "stop it and launch it again")
    queue = _known_queue(situation)
    steps: list[Step] = []
    waits: list[Step] = []
    for planned in (_planned(command.job, situation),) if command.job else plan_jobs(situation.config):
        name = planned.name
        live = [job for job in queue if job.name == name and job.may_live]
        if len(live) > 1:
            raise Refused(f"{name}: job {live[-1].id} follows job {live[0].id} already", "")
        if not live or live[0].state is not JobState.RUNNING:
            raise Refused(f"{name} does not run: there is nothing to take over", "tau2tui relaunch --job submits it")
        follow = Follow(live[0].id, _begin_s(live[0], command, situation.config))
        elsewhere = (*command.exclude, *filter(None, (live[0].nodes,)))
        steps.append(_submit(name, situation, elsewhere, follow))
        if command.now:
            names = tuple(replica.name for replica in planned.replicas)
            waits.append(Await(names, Standing.READY, _start_s(planned, situation), after_job=live[0].id))
    return Plan(command, (*steps, *waits))


def _planned(name: str, situation: Situation) -> PlannedJob:
    """The job of this name. Raises Refused if there is none."""
    jobs = {job.name: job for job in plan_jobs(situation.config)}
    if name not in jobs:
        raise Refused(f"unknown job {name!r}", f"known: {', '.join(jobs)}")
    return jobs[name]


def _known_queue(situation: Situation) -> tuple[Job, ...]:
    """The queue as it is now. Raises Refused unless the last read of it worked."""
    jobs = situation.snapshot.jobs
    if jobs.at is None or jobs.error:
        raise Refused(f"the queue is not known: {jobs.error or 'not read yet'}", "try again when the scheduler answers")
    return jobs.value or ()


def _begin_s(job: Job, command: HandOver, config: Config) -> int:
    """How long the successor of a job may wait: it is to be ready before the limit, and not to idle for long."""
    if command.now:
        return 0
    if job.time_left_s is None:
        raise Refused(f"job {job.id} ({job.name}) has no time limit that is known", "add --now to move it at once")
    return max(0, int(job.time_left_s - config.slurm.hand_over_s))


def _stop(command: Stop, situation: Situation) -> Plan:
    if command.replicas:
        return _stop_replicas(command, situation)
    return _stop_jobs(command, situation) if command.jobs else _stop_all(command, situation)


def _stop_replicas(command: Stop, situation: Situation) -> Plan:
    verdicts = [_known_replica(name, situation) for name in command.replicas]
    for verdict in verdicts:
        if verdict.seen is None:
            raise Refused(f"{verdict.wanted.name} is {verdict.standing}: {verdict.why}", "there is nothing to stop")
    step = Request("stop", command.replicas, timeout_s=situation.config.serve.stop_timeout_s + 60)
    return Plan(
        command,
        (step,),
        destructive=True,
        affects=_in_flight(situation, command.replicas),
        doubts=_doubts(verdicts),
        challenge=_challenge("stop", len(command.replicas)),
    )


def _stop_jobs(command: Stop, situation: Situation) -> Plan:
    """The agents stop their replicas and prove it; then the jobs are cancelled and seen to be gone."""
    queue = _known_queue(situation)
    steps: list[Step] = []
    names: list[str] = []
    for name in command.jobs:
        live = tuple(job for job in queue if job.name == name and job.may_live)
        if not live:
            raise Refused(f"no job {name!r} is queued or running", "see `tau2tui status` for the jobs of the run")
        if name == layout.EVAL_JOB:
            steps += [Request("stop", ("eval",))] if _driver_runs(situation) else []
        else:
            names += [replica.name for replica in _planned(name, situation).replicas]
        if agents := _agents(live):
            steps.append(Request("stop", agents, timeout_s=situation.config.serve.stop_timeout_s + 60))
        steps += [_cancel(live, situation), AwaitJobsGone(job=name)]
    return Plan(
        command,
        tuple(steps),
        destructive=True,
        affects=_in_flight(situation, tuple(names)) if names else _in_flight(situation),
        challenge=_challenge("stop", len(names)),
    )


def _doubts(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The targets of which nobody knows how they are."""
    return tuple(
        f"{verdict.wanted.name}: its real state is not known: {verdict.why}"
        for verdict in verdicts
        if verdict.standing is Standing.UNKNOWN
    )


def _challenge(word: str, targets: int) -> str:
    return word if targets >= MANY else ""


def _stop_all(command: Stop, situation: Situation) -> Plan:
    """The evaluation first, then each agent stops its replicas and proves it; cancelling is only the last word."""
    jobs = situation.snapshot.jobs
    if jobs.at is None:
        raise Refused(f"the queue is not known: {jobs.error or 'not read yet'}", "try again when the scheduler answers")
    live = tuple(job for job in jobs.value or () if job.may_live)
    steps: list[Step] = []
    if _driver_runs(situation):
        steps.append(Request("stop", ("eval",)))
    if agents := _agents(live):
        steps.append(Request("stop", agents, timeout_s=situation.config.serve.stop_timeout_s + 60))
    if live:
        steps += [_cancel(live, situation), AwaitJobsGone()]
    if not steps:
        raise Refused(f"nothing of run {situation.run_id} is running", "")
    return Plan(
        command,
        tuple(steps),
        destructive=True,
        affects=_in_flight(situation),
        doubts=_doubts(judge_all(plan_jobs(situation.config), situation.snapshot)),
        challenge="stop",
    )


def _start_eval(command: StartEval, situation: Situation) -> Plan:
    if _driver_runs(situation):
        raise Refused(f"an evaluation of run {situation.run_id} is running", "stop it first: tau2tui eval --stop")
    if waiting := _eval_jobs(situation):
        raise Refused(
            f"the evaluation of run {situation.run_id} is submitted as job {waiting[0].id}",
            "wait for it, or cancel it: tau2tui eval --stop",
        )
    _refuse_without_fleet(situation)
    request = WriteFile(str(situation.run_dir / layout.EVAL_REQUEST), command.evaluation.model_dump_json(indent=1))
    run = situation.snapshot.run.value
    before = run.evaluation.started_at if run and run.evaluation else None
    if command.evaluation.where == "login":
        return Plan(command, (request, Do(situation.driver_argv), AwaitEval(before)))
    script = tuple(WriteFile(str(situation.run_dir / file.path), file.text) for file in situation.files)
    return Plan(command, (request, *script, _submit(layout.EVAL_JOB, situation), AwaitEval(before, EVAL_QUEUE_S)))


def _eval_jobs(situation: Situation) -> tuple[Job, ...]:
    """The evaluation's own jobs that are queued or running."""
    jobs = situation.snapshot.jobs.value or ()
    return tuple(job for job in jobs if job.name == layout.EVAL_JOB and job.may_live)


def _start_smoke(command: StartSmoke, situation: Situation) -> Plan:
    _refuse_without_fleet(situation)
    request = {"request": command.request, "evaluation": command.evaluation.model_dump(mode="json")}
    limit_s = command.evaluation.smoke_timeout_s + 60
    return Plan(
        command,
        (
            WriteFile(str(situation.run_dir / layout.SMOKE_REQUEST), json.dumps(request, indent=1)),
            Do(situation.smoke_argv),
            AwaitSmoke(command.request, limit_s),
        ),
    )


def _refuse_without_fleet(situation: Situation) -> None:
    """Raises Refused unless a replica of every model is ready."""
    verdicts = judge_all(plan_jobs(situation.config), situation.snapshot)
    ready = {verdict.wanted.expert for verdict in verdicts if verdict.standing is Standing.READY}
    missing = [name for name in situation.config.experts if name not in ready]
    if missing:
        raise Refused(f"no replica of {', '.join(missing)} is ready", "see `tau2tui status`, or wait: `tau2tui wait`")


def _steer_eval(command: SteerEval, situation: Situation) -> Plan:
    if command.verb not in EVAL_VERBS:
        raise Refused(f"unknown request {command.verb!r}", f"one of {', '.join(EVAL_VERBS)}")
    if command.verb == "stop" and not _driver_runs(situation) and (waiting := _eval_jobs(situation)):
        return Plan(command, (_cancel(waiting, situation), AwaitJobsGone(job=layout.EVAL_JOB)), True)
    if not _driver_runs(situation):
        raise Refused(f"no evaluation of run {situation.run_id} is running", "start one: tau2tui eval")
    step = Request(command.verb, ("eval",), command.value)
    destructive = command.verb in ("stop", "skip")
    if command.verb == "skip":
        return Plan(command, (step,), destructive, (f"{command.value} is given up; the next start runs it again",))
    return Plan(command, (step,), destructive, _in_flight(situation) if destructive else ())


def _known_replica(name: str, situation: Situation) -> Verdict:
    """The verdict on a replica of the plan. Raises Refused for a name that is none."""
    verdicts = judge_all(plan_jobs(situation.config), situation.snapshot)
    for verdict in verdicts:
        if verdict.wanted.name == name:
            return verdict
    raise Refused(f"unknown replica {name!r}", f"known: {', '.join(v.wanted.name for v in verdicts)}")


def _driver_runs(situation: Situation) -> bool:
    """Whether an evaluation driver shows signs of life."""
    run = situation.snapshot.run.value
    if run is None or run.evaluation is None or run.evaluation.state.over:
        return False
    return run.clock - run.evaluation.updated_at < DRIVER_TIMEOUT_S


def _in_flight(situation: Situation, replicas: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What an interruption costs, in words."""
    run = situation.snapshot.run.value
    if run is None or run.evaluation is None or not _driver_runs(situation):
        return ()
    units = [unit for unit in run.evaluation.running if not replicas or unit.replica in replicas]
    place = f" at {', '.join(replicas)}" if replicas else ""
    return (f"{len(units)} simulations are in flight{place}; what is lost is run again",) if units else ()
