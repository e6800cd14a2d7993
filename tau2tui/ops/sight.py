"""Look: the two sources of a run, read at their own pace, and what else can be asked; nothing is changed here."""

from __future__ import annotations

import asyncio
import getpass
import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, cast

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.deadline import Deadline, deadlines
from tau2tui.core.diagnosis import table
from tau2tui.core.driver import silent_s
from tau2tui.core.durations import Durations
from tau2tui.core.eta import time_left
from tau2tui.core.fleet import RATE_WINDOW_S, FleetRow, fleet_rows, per_minute
from tau2tui.core.gpus import NodeGpus
from tau2tui.core.jobs import JobRow, job_rows
from tau2tui.core.model import DirtyNode, EvalProgress, EvalState, Job, JobState, RunState, Snapshot
from tau2tui.core.placement import PlannedJob, plan_jobs
from tau2tui.core.plan import Scheduler
from tau2tui.core.smoke import SmokeReport, report_from
from tau2tui.core.steady import steady_time
from tau2tui.core.store import Store
from tau2tui.core.verdict import Standing, Verdict, judge_all
from tau2tui.errors import GaveUp, Tau2TuiError
from tau2tui.ops.earlier import earlier_durations
from tau2tui.remote.gpu import Nodes, Via
from tau2tui.remote.logfiles import RunLogs
from tau2tui.remote.login import Login
from tau2tui.remote.rundir import RunDirectory, dirty_nodes
from tau2tui.remote.shell import Shell

T = TypeVar("T")
Part = Literal["jobs", "run"]
Clock = Callable[[], float]
BACKOFF_LIMIT_S = 60.0
PAUSE_LOOK_S = 0.5
"""How often it is looked whether a pause is over."""
FORESEE_AGAIN_S = 20.0
"""While nothing ends or begins, the time left is estimated so seldom."""
NODES_AT_ONCE = 6
"""Nodes that are asked at a time; a login node and its sshd are shared by many."""


@dataclass
class Poll:
    """How one source is asked, and how it answered."""

    part: Part
    asked: int = 0
    failed: int = 0
    took_ms: deque[float] = field(default_factory=lambda: deque(maxlen=60))
    """How long the last answers took."""
    next_at: float | None = None
    """When it is asked again; None while nothing is observed."""


class JobSource(Scheduler, Protocol):
    """A scheduler that can also be asked for its queue."""

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str: ...

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str]) -> tuple[Job, ...]: ...

    async def live_jobs(self, shell: Shell) -> frozenset[str] | None: ...


@dataclass
class Sight:
    """One run, seen through one shell."""

    config: Config
    shell: Shell
    scheduler: JobSource
    run: RunDirectory
    launched: bool
    """Whether the run directory exists."""
    clock: Clock = steady_time
    login: Login = field(default_factory=Login)
    """Who answers what the login node asks."""
    store: Store = field(default_factory=Store)
    _locks: dict[Part, asyncio.Lock] = field(default_factory=lambda: {"jobs": asyncio.Lock(), "run": asyncio.Lock()})
    polls: dict[Part, Poll] = field(default_factory=lambda: {"jobs": Poll("jobs"), "run": Poll("run")})
    paused: bool = False
    """Whether nothing is asked by itself; what an operator asks for still is."""
    _asked_at: dict[Part, float] = field(default_factory=dict)
    _run_news: asyncio.Event = field(default_factory=asyncio.Event)
    _earlier: asyncio.Task[Durations] | None = None
    _foreseen: tuple[object, float] = (None, -math.inf)
    """Of what the time left was estimated last, and when."""
    _made: dict[str, tuple[tuple[object, ...], object]] = field(default_factory=dict)
    """What was made of the values that were seen last, by name, with these values."""

    @property
    def jobs(self) -> tuple[PlannedJob, ...]:
        return self._once("jobs", (self.config,), lambda: plan_jobs(self.config))

    @property
    def snapshot(self) -> Snapshot:
        return self.store.latest

    def verdicts(self) -> tuple[Verdict, ...]:
        """How every replica of the run stands, by what was seen last."""
        seen = self.snapshot
        return self._once("verdicts", (self.jobs, seen.run, seen.jobs), lambda: judge_all(self.jobs, seen))

    def earlier_state(self) -> RunState | None:
        """What the run was a few minutes ago, for rates; None if it was not watched then."""
        earlier = self.store.since(self.clock() - RATE_WINDOW_S)
        return earlier.run.value if earlier else None

    def fleet(self) -> tuple[FleetRow, ...]:
        """Every replica joined from its job to the evaluation, by what was seen last."""
        run, then = self.snapshot.run.value, self.earlier_state()
        verdicts, limits = self.verdicts(), self.config.verdicts
        failed = any(verdict.standing is Standing.FAILED for verdict in verdicts)
        known = table(self.config.diagnosis) if failed else None  # a tenth of a second, when it is asked for first
        return self._once(
            "fleet", (verdicts, run, then, known, limits), lambda: fleet_rows(verdicts, run, then, known, limits)
        )

    def errors_per_min(self) -> float | None:
        """Failed attempts at calls over the last minutes; None if they were not watched for long enough."""
        now, then = self.snapshot.run.value, self.earlier_state()
        if now is None or then is None or now.evaluation is None or then.evaluation is None:
            return None
        count, before = (sum(progress.errors.values()) for progress in (now.evaluation, then.evaluation))
        return per_minute(count, before, now.clock - then.clock)

    def job_rows(self) -> tuple[JobRow, ...]:
        """Every job of the run, joined with its replicas, by what was seen last."""
        verdicts, seen = self.verdicts(), self.snapshot
        return self._once("job rows", (verdicts, seen.jobs), lambda: job_rows(self.jobs, verdicts, seen))

    def deadlines(self) -> tuple[Deadline, ...]:
        """The jobs that may end before the evaluation does."""
        rows, left = self.job_rows(), self.snapshot.time_left
        return self._once("deadlines", (rows, left), lambda: deadlines(rows, left))

    def counts(self) -> Counter[Standing]:
        """How many replicas stand how, by what was seen last."""
        verdicts = self.verdicts()
        return self._once("counts", (verdicts,), lambda: Counter(verdict.standing for verdict in verdicts))

    def _once(self, name: str, of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What follows from values that are never changed, only replaced: made once for as long as they are the same.

        Several screens, the status line and the notices ask for the same of each snapshot.
        """
        known = self._made.get(name)
        if known is None or any(before is not now for before, now in zip(known[0], of, strict=True)):
            known = self._made[name] = (of, make())
        return cast("T", known[1])

    def failed(self) -> tuple[str, ...]:
        """The replicas that have failed, by what was seen last."""
        return tuple(v.wanted.name for v in self.verdicts() if v.standing is Standing.FAILED)

    async def look(self) -> Snapshot:
        """Read both sources once, now."""
        await asyncio.gather(self.refresh("jobs", 0.0), self.refresh("run", 0.0))
        return self.snapshot

    async def observe(self) -> None:
        """Keep the store current until cancelled; a source that fails is asked again ever later, up to a minute."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll("jobs", self.config.poll.jobs_s))
            group.create_task(self._poll("run", self.config.poll.run_s))
            group.create_task(self._keep_foreseeing())

    async def refresh(self, part: Part, not_before_s: float) -> bool:
        """Read one source, unless it was asked less than `not_before_s` ago; returns whether the last read worked.

        Readers share the answer and the limit: however many wait for a job, squeue is asked at its own pace.
        """
        async with self._locks[part]:
            began = self.clock()
            if part in self._asked_at and began - self._asked_at[part] < not_before_s:
                return not getattr(self.snapshot, part).error
            self._asked_at[part] = began
            poll, started = self.polls[part], time.monotonic()
            poll.asked += 1
            try:
                if part == "jobs":
                    self.store.put_jobs(await self._read_jobs(), began)
                elif self.launched:
                    self.store.put_run(await self.run.state(), began)
                else:
                    self.store.put_run(RunState(clock=began), began)
            except Tau2TuiError as error:
                poll.failed += 1
                self.store.fail(part, str(error), self.clock())
                return False
            finally:
                poll.took_ms.append(1000 * (time.monotonic() - started))
            if part == "run":
                self._run_news.set()
            return True

    async def earlier(self) -> Durations:
        """How long units of the same domains took in earlier runs; they are read once."""
        if self._earlier is None:
            run = self.snapshot.run.value
            known = run.evaluation.domains if run and run.evaluation else ()
            domains = frozenset(one.domain for one in known) or frozenset(self.config.evaluation.domains)
            self._earlier = asyncio.create_task(earlier_durations(self.shell, self.run.path, domains))
        return await asyncio.shield(self._earlier)

    async def foresee(self) -> None:
        """Estimate the time left of the evaluation that was seen last, away from the event loop.

        Only if a unit began or ended since the last time, or FORESEE_AGAIN_S have passed.
        """
        run = self.snapshot.run.value
        progress = run.evaluation if run else None
        if progress is None or progress.state is not EvalState.RUNNING:
            self.store.put_time_left(None)
            return
        units = tuple(unit.name for unit in progress.running)
        of = (progress.started_at, progress.finished, progress.total, progress.max_concurrency, units)
        now = self.clock()
        if of != self._foreseen[0] or now - self._foreseen[1] >= FORESEE_AGAIN_S:
            self._foreseen = (of, now)
            self.store.put_time_left(await asyncio.to_thread(time_left, progress, await self.earlier()))

    async def _keep_foreseeing(self) -> None:
        while True:
            await self._run_news.wait()
            self._run_news.clear()
            await self.foresee()

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
            while self.paused:
                self.polls[part].next_at = None
                await asyncio.sleep(PAUSE_LOOK_S)
            worked = await self.refresh(part, every_s / 2)
            now = self.snapshot.jobs.value
            calm = worked and part == "jobs" and now is not None and _states(now) == before
            wait_s = min(2 * wait_s, BACKOFF_LIMIT_S) if calm or not worked else every_s
            before = _states(now or ())
            self.polls[part].next_at = self.clock() + wait_s
            await asyncio.sleep(wait_s)

    async def look_politely(self) -> None:
        """Look again at the configured pace; the local queue is a file and may be asked as often as the run."""
        poll = self.config.poll
        local = self.config.cluster.scheduler == "local"
        await asyncio.sleep(min(1.0, poll.run_s))
        await self.refresh("run", poll.run_s / 2)
        await self.refresh("jobs", poll.run_s if local else poll.jobs_s)

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
                return await self.ways().look(node, live, via)

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

    def ways(self) -> Nodes:
        """The ways to the nodes of the run."""
        local = self.config.cluster.scheduler == "local"
        return Nodes(self.run, self.snapshot.jobs.value or (), local, getpass.getuser())

    async def smoke_report(self) -> SmokeReport | None:
        """What the last smoke test of the run found; None if there was none that can be read."""
        try:
            return report_from(json.loads(await self.shell.read(str(self.run.path / layout.SMOKE_REPORT))))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    async def last_line(self, name: str) -> str:
        """The end of a file in the run directory, for an error: what a program said last."""
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
            await self.look_politely()
            run = self.snapshot.run.value
            progress = run.evaluation if run else None
            if run is None or progress is None:
                continue
            if progress != told:
                tell(progress)
                told = progress
            if progress.state.over:
                return progress
            silence_s = silent_s(progress, run.clock)
            if silence_s is not None and not self.snapshot.run.error:
                said = await self.last_line(layout.EVAL_OUT)
                raise GaveUp(f"no sign of life of the evaluation for {silence_s:.0f} s: {said}", "start it again")

    @property
    def logs(self) -> RunLogs:
        """All logs of the run: the evaluation's, the servers' by attempt, and the jobs' own output."""
        return RunLogs(self.run, self.config.run.logs)


def _states(jobs: tuple[Job, ...]) -> tuple[tuple[str, str, str], ...]:
    """What changes when something happens in a queue; the time that is left always does."""
    return tuple((job.id, job.raw_state, job.reason) for job in jobs)
