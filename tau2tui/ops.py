"""Observe · plan · perform: the one path that both front ends take."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol, TypeVar, assert_never

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.command import Command, Launch, Relaunch, StartEval
from tau2tui.core.gpus import NodeGpus
from tau2tui.core.model import DirtyNode, EvalProgress, EvalState, Job, JobState, Phase, RunState, Snapshot
from tau2tui.core.placement import PlannedJob, endpoint_addresses, plan_jobs
from tau2tui.core.plan import (
    DRIVER_TIMEOUT_S,
    Await,
    AwaitEndpoints,
    AwaitEval,
    AwaitJobsGone,
    AwaitSmoke,
    Cancel,
    CleanNode,
    Do,
    Plan,
    Request,
    Scheduler,
    Situation,
    Step,
    Submit,
    WriteFile,
    make_plan,
)
from tau2tui.core.smoke import PRACTICE_DOMAIN, SmokeReport, report_from
from tau2tui.core.store import Store
from tau2tui.core.verdict import Standing, Verdict, judge_all
from tau2tui.errors import CommandFailed, GaveUp, Refused, Tau2TuiError, Unanswered
from tau2tui.remote.gpu import Nodes, Via
from tau2tui.remote.local import SPOOL, Local
from tau2tui.remote.logfiles import RunLogs
from tau2tui.remote.render import changed_files, eval_job_file, launch_files
from tau2tui.remote.rundir import LATEST, RunDirectory, dirty_nodes, find_run, run_ids
from tau2tui.remote.shell import LocalShell, Shell, open_shell
from tau2tui.remote.slurm import Slurm

T = TypeVar("T")
Part = Literal["jobs", "run"]
Clock = Callable[[], float]
BACKOFF_LIMIT_S = 60.0
LOOK_UP_S = 180.0
"""How long the queue is asked what became of a change that nobody confirmed."""
NODES_AT_ONCE = 6
"""Nodes that are asked at a time; a login node and its sshd are shared by many."""


class JobSource(Scheduler, Protocol):
    """A scheduler that can also be asked for its queue."""

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str: ...

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str]) -> tuple[Job, ...]: ...

    async def live_jobs(self, shell: Shell) -> frozenset[str] | None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """News of a plan that is being performed: a step began, said something, or is done."""

    step: Step
    done: bool
    message: str = ""


Report = Callable[[Progress], None]


@dataclass
class Ops:
    """What a front end is given: one run, seen and changed through one shell."""

    config: Config
    shell: Shell
    scheduler: JobSource
    run: RunDirectory
    launched: bool
    """Whether the run directory exists."""
    read_only: bool = False
    clock: Clock = time.time
    store: Store = field(default_factory=Store)
    _locks: dict[Part, asyncio.Lock] = field(default_factory=lambda: {"jobs": asyncio.Lock(), "run": asyncio.Lock()})
    _asked_at: dict[Part, float] = field(default_factory=dict)
    _unwritten: list[dict[str, Any]] = field(default_factory=list)

    @property
    def jobs(self) -> tuple[PlannedJob, ...]:
        return plan_jobs(self.config)

    @property
    def snapshot(self) -> Snapshot:
        return self.store.latest

    def verdicts(self) -> tuple[Verdict, ...]:
        """How every replica of the run stands, by what was seen last."""
        return judge_all(self.jobs, self.snapshot)

    # look

    async def look(self) -> Snapshot:
        """Read both sources once, now."""
        await asyncio.gather(self.refresh("jobs", 0.0), self.refresh("run", 0.0))
        return self.snapshot

    async def observe(self) -> None:
        """Keep the store current until cancelled; a source that fails is asked again ever later, up to a minute."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll("jobs", self.config.poll.jobs_s))
            group.create_task(self._poll("run", self.config.poll.run_s))

    async def refresh(self, part: Part, not_before_s: float) -> bool:
        """Read one source, unless it was asked less than `not_before_s` ago; returns whether the last read worked.

        Readers share the answer and the limit: however many wait for a job, squeue is asked at its own pace.
        """
        async with self._locks[part]:
            began = self.clock()
            if part in self._asked_at and began - self._asked_at[part] < not_before_s:
                return not getattr(self.snapshot, part).error
            self._asked_at[part] = began
            try:
                if part == "jobs":
                    self.store.put_jobs(await self._read_jobs(), began)
                elif self.launched:
                    self.store.put_run(await self.run.state(), began)
                else:
                    self.store.put_run(RunState(clock=began), began)
            except Tau2TuiError as error:
                self.store.fail(part, str(error), self.clock())
                return False
            return True

    async def _read_jobs(self) -> tuple[Job, ...]:
        """The queue; jobs that were seen in it, or that an agent named, are asked after when they are not in it."""
        run = self.snapshot.run.value
        seen = {job.id for job in self.snapshot.jobs.value or ()}
        seen |= {replica.job_id for replica in run.replicas if replica.job_id} if run else set()
        return await self.scheduler.jobs(self.shell, self.run.run_id, frozenset(seen))

    async def _poll(self, part: Part, every_s: float) -> None:
        """Ask at the configured pace; ever more rarely while the source fails, and while the queue does not change."""
        wait_s = every_s
        before: object = None
        while True:
            worked = await self.refresh(part, every_s / 2)
            now = self.snapshot.jobs.value
            calm = worked and part == "jobs" and now is not None and _states(now) == before
            wait_s = min(2 * wait_s, BACKOFF_LIMIT_S) if calm or not worked else every_s
            before = _states(now or ())
            await asyncio.sleep(wait_s)

    async def gpus(self, nodes: Sequence[str] = (), via: Via = "auto") -> tuple[NodeGpus, ...]:
        """GPUs of these nodes, or of all nodes that the run's jobs and replicas are on, a few at a time.

        A node that cannot be reached is in the result with its error. If the scheduler does not say which jobs live,
        the nodes ask it themselves; where they get no answer either, no process counts as stale.
        """
        try:
            live = await self.scheduler.live_jobs(self.shell)
        except Tau2TuiError:
            live = None
        slots = asyncio.Semaphore(NODES_AT_ONCE)

        async def look(node: str) -> NodeGpus:
            async with slots:
                return await self._nodes().look(node, live, via)

        return tuple(await asyncio.gather(*(look(node) for node in nodes or self.nodes())))

    def nodes(self) -> tuple[str, ...]:
        """The nodes on which jobs or replicas of the run are, by what was seen last."""
        run = self.snapshot.run.value
        fleet = (job for job in self.snapshot.jobs.value or () if job.name != layout.EVAL_JOB)
        named = [job.nodes for job in fleet if job.state is JobState.RUNNING]
        named += [replica.node for replica in run.replicas] if run else []
        return tuple(dict.fromkeys(node for node in named if node))

    async def dirty_nodes(self) -> tuple[DirtyNode, ...]:
        """The nodes that some run found dirty and none has seen clean since; also before this run is launched."""
        return await dirty_nodes(self.shell, self.run.path.parent)

    def _nodes(self) -> Nodes:
        local = self.config.cluster.scheduler == "local"
        return Nodes(self.run, self.snapshot.jobs.value or (), local, getpass.getuser())

    # plan

    def plan(self, command: Command) -> Plan:
        """The steps for a command, by what was seen last. Raises Refused."""
        directory = self.run.path
        spawn = (self.run.python, str(directory / layout.NODE_AGENT), "spawn")
        situation = Situation(
            config=self.config,
            run_id=self.run.run_id,
            run_dir=directory,
            snapshot=self.snapshot,
            scheduler=self.scheduler,
            files=self._files(command),
            driver_argv=(*spawn, str(directory / layout.EVAL_OUT), "--", *self._driver()),
            smoke_argv=(*spawn, str(directory / layout.SMOKE_OUT), "--", *self._driver("--smoke")),
        )
        return make_plan(command, situation)

    def _driver(self, *options: str) -> tuple[str, ...]:
        """The command line that runs the evaluation to its end."""
        program = self.config.cluster.tau2tui or (
            (sys.executable, "-m", "tau2tui") if isinstance(self.shell, LocalShell) else ("tau2tui",)
        )
        return (*program, "drive", *options, str(self.run.path))

    def _files(self, command: Command) -> tuple[WriteFile, ...]:
        """The files that a command writes into the run directory."""
        match command:
            case Launch():
                return self.launch_files()
            case Relaunch(experts=experts) if experts:
                changed = self.config.model_copy(update={"experts": {**self.config.experts, **experts}})
                return changed_files(changed, self.run.path, datetime.now().astimezone())
            case StartEval(evaluation) if evaluation.where == "job":
                return (eval_job_file(self.config, evaluation, self._driver()),)
            case _:
                return ()

    def launch_files(self) -> tuple[WriteFile, ...]:
        """What a launch writes before it submits. Raises NothingToRead if a rehearsal lacks tau2's tasks."""
        script = None
        if self.config.serve.engine == "rehearsal":
            from tau2tui.rehearsal.script import build_script

            # The practice domain as well: a smoke test begins with it.
            script = build_script(dict.fromkeys((*self.config.evaluation.domains, PRACTICE_DOMAIN)))
        files = launch_files(self.config, self.run.path, datetime.now().astimezone(), script)
        return (*files, WriteFile(str(self.run.path.parent / LATEST), self.run.run_id))

    # do

    def failed(self) -> tuple[str, ...]:
        """The replicas that have failed, by what was seen last."""
        return tuple(v.wanted.name for v in self.verdicts() if v.standing is Standing.FAILED)

    async def perform(self, plan: Plan, report: Report) -> None:
        """Do the steps in order: the only function that changes the world.

        A step that fails stops the plan; its error says what was not done. Each step is written to activity.jsonl.
        """
        if self.read_only:
            raise Refused("read-only: nothing was changed", "start without --read-only")
        for number, step in enumerate(plan.steps, 1):
            report(Progress(step, done=False))
            began = self.clock()
            try:
                message = await self._do(step, report)
            except Tau2TuiError as error:
                await self._log(step, began, error.message)
                left = len(plan.steps) - number
                if left:
                    error.hint = "; ".join(filter(None, (error.hint, f"{left} further steps were not done")))
                raise
            await self._log(step, began, "")
            report(Progress(step, done=True, message=message))

    async def await_ready(self, timeout_s: float, report: Report) -> None:
        """Wait for the whole fleet and its endpoints: the end of a launch that did not wait itself."""
        names = tuple(replica.name for job in self.jobs for replica in job.replicas)
        await self.perform(Plan(Launch(), (Await(names, Standing.READY, timeout_s), AwaitEndpoints())), report)

    async def _do(self, step: Step, report: Report) -> str:
        match step:
            case Do():
                completed = (await _to_its_end(self.shell.run(step.argv, step.timeout_s))).check()
                return completed.stdout.strip().partition("\n")[0]
            case Submit():
                return await self._submit(step, report)
            case Cancel():
                return await self._cancel(step, report)
            case WriteFile():
                await self.shell.write(step.path, step.text.encode())
                self.launched = self.launched or step.path.endswith("/" + layout.NODE_AGENT)
                return ""
            case Request():
                asked = (
                    self.run.ask(target, step.verb, step.value, getpass.getuser(), step.timeout_s)
                    for target in step.targets
                )
                return "; ".join(await asyncio.gather(*asked))
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

    async def _clean(self, step: CleanNode) -> str:
        """Clean one node; that something there cannot be ended is remembered for later launches."""
        try:
            return await self._nodes().clean(step.node, step.via, step.only)
        except CommandFailed as error:
            record = {
                "node": step.node,
                "at": self.clock(),
                "reason": error.message,
                "gpus": [],
                "run": self.run.run_id,
            }
            parent = self.run.path.parent
            await self.shell.run(("mkdir", "-p", str(parent / layout.DIRTY_NODES)))
            await self.shell.write(str(parent / layout.dirty_node_file(step.node)), json.dumps(record).encode())
            raise

    async def _submit(self, step: Submit, report: Report) -> str:
        """Submit, and if nobody answers look whether it was done: twice, a controller may still be working on it.

        Raises CommandFailed if the job is not there, Unanswered if the queue stays silent as well.
        """
        try:
            return (await _to_its_end(self.scheduler.change(self.shell, step.argv))).strip()
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
            await _to_its_end(self.scheduler.change(self.shell, step.argv))
            return ""
        except Unanswered as error:
            report(Progress(step, done=False, message=f"{error.message}; looking whether it was done"))
            jobs = await self._queue_after(error, f"whether {', '.join(step.job_ids)} were cancelled")
            there = [job for job in jobs if job.id in step.job_ids and job.may_live]
            if all(job.state is JobState.COMPLETING for job in there):
                return f"done, by the queue ({error.message})"
            await self.scheduler.change(self.shell, step.argv)
            return "done at the second try: the first was not heard"

    async def _queue_after(self, error: Unanswered, question: str) -> tuple[Job, ...]:
        """The queue as a read shows it that begins now. Raises Unanswered if none works in time."""
        began = self.clock()
        while self.clock() - began <= LOOK_UP_S:
            await self._look_politely()
            jobs = self.snapshot.jobs
            if jobs.value is not None and jobs.at is not None and jobs.at > began and not jobs.error:
                return jobs.value
        raise Unanswered(
            f"{question} is not known: {error.message}",
            "see `tau2tui status` when the scheduler answers, before anything is submitted again",
        )

    async def _await(self, step: Await, report: Report) -> str:
        """Wait until all replicas of the step have settled. Raises CommandFailed if one failed, GaveUp in the end."""
        began = self.clock()
        told = ""
        while True:
            await self._look_politely()
            run = self.snapshot.run
            verdicts = [verdict for verdict in self.verdicts() if verdict.wanted.name in step.replicas]
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
            if self.clock() - began > step.timeout_s:
                raise GaveUp(
                    f"{news} after {step.timeout_s:.0f} s: " + "; ".join(_line(verdict) for verdict in open_[:4]),
                    "they may still come: tau2tui wait",
                )
            if news != told:
                report(Progress(step, done=False, message=news))
                told = news

    async def _await_jobs_gone(self, step: AwaitJobsGone) -> str:
        began = self.clock()
        while True:
            await self._look_politely()
            jobs = self.snapshot.jobs
            if jobs.at is not None and jobs.at >= began and not jobs.error:
                mine = [job for job in jobs.value or () if step.job in ("", job.name)]
                live = [job for job in mine if job.may_live]
                if not live:
                    ended = ", ".join(f"{job.id} {job.raw_state}" for job in mine)
                    return f"no job is left ({ended or 'the scheduler remembers none'})"
            if self.clock() - began > step.timeout_s:
                raise GaveUp(f"jobs still there after {step.timeout_s:.0f} s: {jobs.error or 'see squeue'}")

    async def _await_eval(self, step: AwaitEval) -> str:
        began = self.clock()
        while self.clock() - began <= step.timeout_s:
            await self._look_politely()
            run = self.snapshot.run.value
            if run is not None and run.evaluation is not None and run.evaluation.started_at != step.previous_started_at:
                if run.evaluation.state is EvalState.FAILED:
                    raise CommandFailed(f"the evaluation failed: {run.evaluation.why}")
                return f"evaluation {run.evaluation.state} as pid {run.evaluation.pid} on {run.evaluation.host}"
        said = await self._last_line(layout.EVAL_OUT)
        raise GaveUp(f"the evaluation did not start within {step.timeout_s:.0f} s: {said}", f"see {layout.EVAL_OUT}")

    async def _await_smoke(self, step: AwaitSmoke, report: Report) -> str:
        """Tell how far it is until it is over, passed or not. Raises CommandFailed if it could not be carried out."""
        began = self.clock()
        told = ""
        while self.clock() - began <= step.timeout_s:
            await self._look_politely()
            seen = await self.smoke_report()
            run = self.snapshot.run
            if seen is None or seen.request != step.request:
                if self.clock() - began < DRIVER_TIMEOUT_S:
                    continue
                raise CommandFailed(f"the smoke test did not start: {await self._last_line(layout.SMOKE_OUT)}")
            if seen.state == "failed":
                raise CommandFailed(f"the smoke test was not carried out: {seen.why}")
            if seen.state == "finished":
                return f"{'passed' if seen.passed else 'failed'}, {len(seen.checks)} checks"
            if run.value is not None and not run.error and run.value.clock - seen.updated_at > DRIVER_TIMEOUT_S:
                raise GaveUp(f"no sign of life of the smoke test: {await self._last_line(layout.SMOKE_OUT)}")
            if seen.why != told:
                report(Progress(step, done=False, message=seen.why))
                told = seen.why
        raise GaveUp(f"the smoke test was not over after {step.timeout_s:.0f} s", f"see {layout.SMOKE_OUT}")

    async def smoke_report(self) -> SmokeReport | None:
        """What the last smoke test of the run found; None if there was none that can be read."""
        try:
            return report_from(json.loads(await self.shell.read(str(self.run.path / layout.SMOKE_REPORT))))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    async def _last_line(self, name: str) -> str:
        try:
            text = (await self.shell.read(str(self.run.path / name))).decode(errors="replace")
        except FileNotFoundError:
            return "it said nothing"
        return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")[:300]

    async def follow_eval(self, tell: Callable[[EvalProgress], None]) -> EvalProgress:
        """Tell of every change of the evaluation until it is over; returns its last state.

        Raises GaveUp when its driver shows no sign of life: it may run on, but nobody knows.
        """
        told: EvalProgress | None = None
        while True:
            await self._look_politely()
            run = self.snapshot.run.value
            progress = run.evaluation if run else None
            if run is None or progress is None:
                continue
            if progress != told:
                tell(progress)
                told = progress
            if progress.state.over:
                return progress
            if self.snapshot.run.error == "" and run.clock - progress.updated_at > DRIVER_TIMEOUT_S:
                said = await self._last_line(layout.EVAL_OUT)
                raise GaveUp(
                    f"no sign of life of the evaluation for {DRIVER_TIMEOUT_S:.0f} s: {said}", "start it again"
                )

    async def _look_politely(self) -> None:
        """Look again at the configured pace; the local queue is a file and may be asked as often as the run."""
        poll = self.config.poll
        local = self.config.cluster.scheduler == "local"
        await asyncio.sleep(min(1.0, poll.run_s))
        await self.refresh("run", poll.run_s / 2)
        await self.refresh("jobs", poll.run_s if local else poll.jobs_s)

    async def _await_endpoints(self, step: AwaitEndpoints) -> str:
        path = str(self.run.path / layout.ENDPOINTS)
        began = self.clock()
        while self.clock() - began <= step.timeout_s:
            await self._look_politely()
            run = self.snapshot.run.value
            ready = {
                (replica.address, str(replica.port))
                for replica in (run.replicas if run else ())
                if replica.phase in (Phase.READY, Phase.DEGRADED)
            }
            with suppress(FileNotFoundError, ValueError):
                if ready == endpoint_addresses(json.loads(await self.shell.read(path))):
                    return f"{path}: {len(ready)} endpoints"
        raise GaveUp(f"{path} does not hold all endpoints after {step.timeout_s:.0f} s", "see the jobs' output")

    async def _log(self, step: Step, began: float, error: str) -> None:
        """One line of activity.jsonl; what happens before the directory exists is written with the first line after."""
        self._unwritten.append(
            {
                "at": began,
                "by": getpass.getuser(),
                "did": str(step),
                "ms": round((self.clock() - began) * 1000),
                "ok": not error,
                "error": error,
            }
        )
        if not self.launched:
            return
        lines = "".join(json.dumps(entry) + "\n" for entry in self._unwritten)
        await self.shell.append(str(self.run.path / layout.ACTIVITY), lines.encode())
        self._unwritten.clear()

    @property
    def logs(self) -> RunLogs:
        """All logs of the run: the evaluation's, the servers' by attempt, and the jobs' own output."""
        return RunLogs(self.run, self.config.run.logs)


async def _to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await a call that must not be cut off half done: one that is cancelled meanwhile still comes to its end first."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _states(jobs: tuple[Job, ...]) -> tuple[tuple[str, str, str], ...]:
    """What changes when something happens in a queue; the time that is left always does."""
    return tuple((job.id, job.raw_state, job.reason) for job in jobs)


def _moved(verdict: Verdict, step: Await) -> bool:
    """Whether what is known of a replica comes from the job that a step waits for."""
    return not step.after_job or (verdict.seen is not None and verdict.seen.job_id != step.after_job)


def _given_up(verdict: Verdict) -> bool:
    """Neither ready nor on the way there by itself."""
    comes_back = verdict.seen is not None and verdict.seen.restart_at is not None
    return verdict.standing in (Standing.FAILED, Standing.STOPPED) and not comes_back


def _line(verdict: Verdict) -> str:
    return f"{verdict.wanted.name} {verdict.standing}: {verdict.why}"


def new_run_id(when: datetime) -> str:
    """A name that sorts by time."""
    return when.strftime("%Y%m%d-%H%M%S")


async def list_runs(config: Config) -> tuple[str, ...]:
    """The ids of all runs, by name. Raises Unreachable."""
    async with open_shell(config.cluster) as shell:
        return await run_ids(shell, config.at_home(await shell.home()).run.directory)


@asynccontextmanager
async def open_ops(
    config: Config, run_id: str | None = None, *, new: bool = False, read_only: bool = False
) -> AsyncIterator[Ops]:
    """The wiring of one run: the one named or the newest, or with `new` one that does not exist yet.

    Raises NothingToRead for a run that does not exist, Refused for a new one that does, Unreachable, ConfigError.
    """
    async with open_shell(config.cluster) as shell:
        config = config.at_home(await shell.home())
        parent = PurePosixPath(config.run.directory)
        found = None
        if new:
            if run_id is not None and run_id in await run_ids(shell, str(parent)):
                raise Refused(f"run {run_id!r} exists already", "choose another name, or leave --run out")
        else:
            found = await find_run(shell, str(parent), run_id)
        directory = parent / (found or run_id or new_run_id(datetime.now()))
        run = RunDirectory(shell, directory, config.cluster.python)
        launched = found is not None and await run.exists()
        if launched:
            # The fleet is the one that was submitted; how to reach it is a matter of where we are now.
            config = (await run.config()).model_copy(update={"cluster": config.cluster, "poll": config.poll})
        scheduler: JobSource = Local(parent / SPOOL) if config.cluster.scheduler == "local" else Slurm()
        yield Ops(config, shell, scheduler, run, launched, read_only)
