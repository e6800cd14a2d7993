"""Plans for the evaluation: its start, the smoke test, and what is asked of it while it runs."""

from __future__ import annotations

import json

from tau2tui.core import layout
from tau2tui.core.command import EVAL_VERBS, StartEval, StartSmoke, SteerEval
from tau2tui.core.model import Job
from tau2tui.core.plan.situation import Plan, Situation
from tau2tui.core.step import AwaitEval, AwaitJobsGone, AwaitSmoke, Do, Request, WriteFile
from tau2tui.core.verdict import Standing
from tau2tui.errors import Refused

EVAL_QUEUE_S = 3600.0
"""How long the start of an evaluation that is a job is waited for: it may have to queue."""


def start(command: StartEval, situation: Situation) -> Plan:
    """Write what is asked for, start the driver here or as a job, and wait until it shows itself."""
    if situation.driver_runs:
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
    submit = situation.submit(layout.EVAL_JOB)
    return Plan(command, (request, *situation.written(), submit, AwaitEval(before, EVAL_QUEUE_S)))


def _eval_jobs(situation: Situation) -> tuple[Job, ...]:
    """The evaluation's own jobs that are queued or running."""
    return tuple(job for job in situation.queue if job.name == layout.EVAL_JOB and job.may_live)


def smoke(command: StartSmoke, situation: Situation) -> Plan:
    """Write what is asked for, start the smoke test here, and wait until it is over."""
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
    ready = {verdict.wanted.expert for verdict in situation.verdicts() if verdict.standing is Standing.READY}
    missing = [name for name in situation.config.experts if name not in ready]
    if missing:
        raise Refused(f"no replica of {', '.join(missing)} is ready", "see `tau2tui status`, or wait: `tau2tui wait`")


def steer(command: SteerEval, situation: Situation) -> Plan:
    """Ask the driver; an evaluation that is a job and waits in the queue is cancelled instead of stopped."""
    if command.verb not in EVAL_VERBS:
        raise Refused(f"unknown request {command.verb!r}", f"one of {', '.join(EVAL_VERBS)}")
    if command.verb == "stop" and not situation.driver_runs and (waiting := _eval_jobs(situation)):
        return Plan(command, (situation.cancel(waiting), AwaitJobsGone(job=layout.EVAL_JOB)), True)
    if not situation.driver_runs:
        raise Refused(f"no evaluation of run {situation.run_id} is running", "start one: tau2tui eval")
    step = Request(command.verb, ("eval",), command.value)
    destructive = command.verb in ("stop", "skip")
    if command.verb == "skip":
        return Plan(command, (step,), destructive, (f"{command.value} is given up; the next start runs it again",))
    return Plan(command, (step,), destructive, situation.in_flight() if destructive else ())
