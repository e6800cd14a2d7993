"""Do: what each step of a plan is when it is carried out, and how one that waits knows that it may go on."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from tau2tui.core import layout
from tau2tui.core.driver import DRIVER_TIMEOUT_S
from tau2tui.core.model import EvalState, Job, JobState, Phase
from tau2tui.core.placement import endpoint_addresses
from tau2tui.core.step import (
    Await,
    AwaitEndpoints,
    AwaitEval,
    AwaitJobsGone,
    AwaitSmoke,
    Cancel,
    CleanNode,
    Do,
    Request,
    Step,
    Submit,
    WriteFile,
)
from tau2tui.core.verdict import Standing, Verdict
from tau2tui.errors import CommandFailed, GaveUp, Tau2TuiError, Unanswered
from tau2tui.ops.sight import Sight

T = TypeVar("T")
LOOK_UP_S = 180.0
"""How long the queue is asked what became of a change that nobody confirmed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """News of a plan that is being performed: a step began, said something, or is done."""

    step: Step
    done: bool
    message: str = ""
    target: str = ""
    """Which one of several targets it is about."""
    failed: bool = False


Report = Callable[[Progress], None]


class Steps:
    """Carries out steps on one run, one at a time."""

    def __init__(self, seen: Sight) -> None:
        self._seen = seen

    async def do(self, step: Step, report: Report) -> str:
        """Do one step; what it has to say. Raises Tau2TuiError."""
        seen = self._seen
        match step:
            case Do():
                completed = (await _to_its_end(seen.shell.run(step.argv, step.timeout_s))).check()
                return completed.stdout.strip().partition("\n")[0]
            case Submit():
                return await self._submit(step, report)
            case Cancel():
                return await self._cancel(step, report)
            case WriteFile():
                await seen.shell.write(step.path, step.text.encode())
                seen.launched = seen.launched or step.path.endswith("/" + layout.NODE_AGENT)
                return ""
            case Request():
                return await self._request(step, report)
            case Await():
                return await self._await(step, report)
            case AwaitJobsGone():
                return await self._await_jobs_gone(step)
            case AwaitEval():
                return await self._await_eval(step)
            case AwaitSmoke():
                return await self._await_smoke(step, report)
            case CleanNode():
                return await self._clean(step)
            case AwaitEndpoints():
                return await self._await_endpoints(step)
            case _:
                assert_never(step)

    async def _request(self, step: Request, report: Report) -> str:
        """Ask all targets at once; each answer is told, and a target that fails keeps none from being asked."""

        async def ask(target: str) -> str:
            user = getpass.getuser()
            try:
                said = await self._seen.run.ask(
                    target, step.verb, step.value, user, step.timeout_s, attempt=step.attempt(target)
                )
            except Tau2TuiError as error:
                if len(step.targets) > 1:
                    report(Progress(step, done=False, message=error.message, target=target, failed=True))
                raise
            if len(step.targets) > 1:
                report(Progress(step, done=False, message=said, target=target))
            return said

        answers = await asyncio.gather(*map(ask, step.targets), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return "" if len(step.targets) > 1 else str(answers[0])  # of several each was told

    async def _clean(self, step: CleanNode) -> str:
        """Clean one node; that something there cannot be ended is remembered for later launches, until it could be."""
        seen = self._seen
        file = seen.run.path.parent / layout.dirty_node_file(step.node)
        try:
            said = await seen.ways().clean(step.node, step.via, step.only)
        except CommandFailed as error:
            record = {"node": step.node, "at": seen.clock(), "reason": error.message, "run": seen.run.run_id}
            await seen.shell.run(("mkdir", "-p", str(file.parent)))
            await seen.shell.write(str(file), json.dumps(record).encode())
            raise
        # What an agent found names the GPUs, and is the next agent's to take back.
        if any(node.node == step.node and not node.gpus for node in await seen.dirty_nodes()):
            (await seen.shell.run(("rm", "-f", str(file)))).check()
        return said

    async def _submit(self, step: Submit, report: Report) -> str:
        """Submit, and if nobody answers look whether it was done: twice, a controller may still be working on it.

        Raises CommandFailed if the job is not there, Unanswered if the queue stays silent as well.
        """
        try:
            return (await _to_its_end(self._seen.scheduler.change(self._seen.shell, step.argv))).strip()
        except Unanswered as error:
            report(Progress(step, done=False, message=f"{error.message}; looking whether it was submitted"))
            for _ in range(2):
                jobs = await self._queue_after(error, f"whether {step.job} was submitted")
                new = [job.id for job in jobs if job.name == step.job and job.id not in step.known]
                if new:
                    return f"{new[0]} (found in the queue: {error.message})"
            raise CommandFailed(
                f"{step.job} was not submitted: {error.message}", "submit it again: tau2tui relaunch --job, or eval"
            ) from None

    async def _cancel(self, step: Cancel, report: Report) -> str:
        """Cancel; if nobody answers look first, and do it once more only if the jobs are still there."""
        try:
            await _to_its_end(self._seen.scheduler.change(self._seen.shell, step.argv))
            return ""
        except Unanswered as error:
            report(Progress(step, done=False, message=f"{error.message}; looking whether it was done"))
            jobs = await self._queue_after(error, f"whether {', '.join(step.job_ids)} were cancelled")
            there = [job for job in jobs if job.id in step.job_ids and job.may_live]
            if all(job.state is JobState.COMPLETING for job in there):
                return f"done, by the queue ({error.message})"
            await self._seen.scheduler.change(self._seen.shell, step.argv)
            return "done at the second try: the first was not heard"

    async def _queue_after(self, error: Unanswered, question: str) -> tuple[Job, ...]:
        """The queue as a read shows it that begins now. Raises Unanswered if none works in time."""
        began = self._seen.clock()
        while self._seen.clock() - began <= LOOK_UP_S:
            await self._seen.look_politely()
            jobs = self._seen.snapshot.jobs
            if jobs.value is not None and jobs.at is not None and jobs.at > began and not jobs.error:
                return jobs.value
        raise Unanswered(
            f"{question} is not known: {error.message}",
            "see `tau2tui status` when the scheduler answers, before anything is submitted again",
        )

    async def _await(self, step: Await, report: Report) -> str:
        """Wait until all replicas of the step have settled. Raises CommandFailed if one failed, GaveUp in the end."""
        began = self._seen.clock()
        told = ""
        while True:
            await self._seen.look_politely()
            run = self._seen.snapshot.run
            verdicts = [verdict for verdict in self._seen.verdicts() if verdict.wanted.name in step.replicas]
            fresh = run.at is not None and run.at >= began and not run.error
            open_ = [
                verdict for verdict in verdicts if verdict.standing is not step.standing or not _moved(verdict, step)
            ]
            failed = [verdict for verdict in open_ if _given_up(verdict) and _moved(verdict, step)]
            news = f"{len(verdicts) - len(open_)}/{len(verdicts)} {step.standing}"
            if fresh and not open_:
                return news
            if fresh and len(failed) == len(open_):
                raise CommandFailed(
                    "; ".join(_line(verdict) for verdict in failed), "see their logs, then relaunch them"
                )
            if self._seen.clock() - began > step.timeout_s:
                raise GaveUp(
                    f"{news} after {step.timeout_s:.0f} s: " + "; ".join(_line(verdict) for verdict in open_[:4]),
                    "they may still come: tau2tui wait",
                )
            if news != told:
                report(Progress(step, done=False, message=news))
                told = news

    async def _await_jobs_gone(self, step: AwaitJobsGone) -> str:
        began = self._seen.clock()
        while True:
            await self._seen.look_politely()
            jobs = self._seen.snapshot.jobs
            if jobs.at is not None and jobs.at >= began and not jobs.error:
                mine = [job for job in jobs.value or () if step.job in ("", job.name)]
                live = [job for job in mine if job.may_live]
                if not live:
                    ended = ", ".join(f"{job.id} {job.raw_state}" for job in mine)
                    return f"no job is left ({ended or 'the scheduler remembers none'})"
            if self._seen.clock() - began > step.timeout_s:
                raise GaveUp(f"jobs still there after {step.timeout_s:.0f} s: {jobs.error or 'see squeue'}")

    async def _await_eval(self, step: AwaitEval) -> str:
        began = self._seen.clock()
        while self._seen.clock() - began <= step.timeout_s:
            await self._seen.look_politely()
            run = self._seen.snapshot.run.value
            if run is not None and run.evaluation is not None and run.evaluation.started_at != step.previous_started_at:
                if run.evaluation.state is EvalState.FAILED:
                    raise CommandFailed(f"the evaluation failed: {run.evaluation.why}")
                return f"evaluation {run.evaluation.state} as pid {run.evaluation.pid} on {run.evaluation.host}"
        said = await self._seen.last_line(layout.EVAL_OUT)
        raise GaveUp(f"the evaluation did not start within {step.timeout_s:.0f} s: {said}", f"see {layout.EVAL_OUT}")

    async def _await_smoke(self, step: AwaitSmoke, report: Report) -> str:
        """Tell how far it is until it is over, passed or not. Raises CommandFailed if it could not be carried out."""
        began = self._seen.clock()
        told = ""
        while self._seen.clock() - began <= step.timeout_s:
            await self._seen.look_politely()
            seen = await self._seen.smoke_report()
            run = self._seen.snapshot.run
            if seen is None or seen.request != step.request:
                if self._seen.clock() - began < DRIVER_TIMEOUT_S:
                    continue
                raise CommandFailed(f"the smoke test did not start: {await self._seen.last_line(layout.SMOKE_OUT)}")
            if seen.state == "failed":
                raise CommandFailed(f"the smoke test was not carried out: {seen.why}")
            if seen.state == "finished":
                return f"{'passed' if seen.passed else 'failed'}, {len(seen.checks)} checks"
            if run.value is not None and not run.error and run.value.clock - seen.updated_at > DRIVER_TIMEOUT_S:
                raise GaveUp(f"no sign of life of the smoke test: {await self._seen.last_line(layout.SMOKE_OUT)}")
            if seen.why != told:
                report(Progress(step, done=False, message=seen.why))
                told = seen.why
        raise GaveUp(f"the smoke test was not over after {step.timeout_s:.0f} s", f"see {layout.SMOKE_OUT}")

    async def _await_endpoints(self, step: AwaitEndpoints) -> str:
        path = str(self._seen.run.path / layout.ENDPOINTS)
        began = self._seen.clock()
        while self._seen.clock() - began <= step.timeout_s:
            await self._seen.look_politely()
            run = self._seen.snapshot.run.value
            ready = {
                (replica.address, str(replica.port))
                for replica in (run.replicas if run else ())
                if replica.phase in (Phase.READY, Phase.DEGRADED)
            }
            with suppress(FileNotFoundError, ValueError):
                if ready == endpoint_addresses(json.loads(await self._seen.shell.read(path))):
                    return f"{path}: {len(ready)} endpoints"
        raise GaveUp(f"{path} does not hold all endpoints after {step.timeout_s:.0f} s", "see the jobs' output")


async def _to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await a call that must not be cut off half done: one that is cancelled meanwhile still comes to its end first."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _moved(verdict: Verdict, step: Await) -> bool:
    """Whether what is known of a replica comes from the job that a step waits for."""
    return not step.after_job or (verdict.seen is not None and verdict.seen.job_id != step.after_job)


def _given_up(verdict: Verdict) -> bool:
    """Neither ready nor on the way there by itself."""
    comes_back = verdict.seen is not None and verdict.seen.restart_at is not None
    return verdict.standing in (Standing.FAILED, Standing.STOPPED) and not comes_back


def _line(verdict: Verdict) -> str:
    return f"{verdict.wanted.name} {verdict.standing}: {verdict.why}"
