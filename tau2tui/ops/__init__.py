"""Observe · plan · perform: the one path that both front ends take."""

from __future__ import annotations

import getpass
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from tau2tui.config import Config, is_name
from tau2tui.core import layout
from tau2tui.core.command import Command, Launch, Relaunch, StartEval, Stop
from tau2tui.core.plan import Plan, Situation, make_plan
from tau2tui.core.smoke import PRACTICE_DOMAIN
from tau2tui.core.step import (
    Await,
    AwaitEndpoints,
    AwaitJobsGone,
    Cancel,
    Do,
    Step,
    Submit,
    WriteFile,
)
from tau2tui.core.verdict import Standing
from tau2tui.errors import CommandFailed, ConfigError, Refused, Tau2TuiError
from tau2tui.ops.sight import BACKOFF_LIMIT_S, JobSource, Sight
from tau2tui.ops.steps import Progress, Report, Steps
from tau2tui.remote.claims import Claim, claimed
from tau2tui.remote.local import SPOOL, Local
from tau2tui.remote.login import Login
from tau2tui.remote.render import changed_files, eval_job_file, launch_files
from tau2tui.remote.rundir import LATEST, RunDirectory, find_run, run_ids
from tau2tui.remote.shell import LocalShell, open_shell
from tau2tui.remote.slurm import Slurm

__all__ = ["BACKOFF_LIMIT_S", "Ops", "Progress", "Report", "list_runs", "new_run_id", "open_ops"]


@dataclass
class Ops(Sight):
    """What a front end is given: one run, seen and changed through one shell."""

    read_only: bool = False
    looks_back_to: str = ""
    """The moment that whoever decides sees instead of now: nothing is changed by what was true then. Empty: now."""
    _writer: str = field(default_factory=lambda: f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}")
    """What the file of its activity is called: by time, and by chance never as that of another program."""
    _unwritten: list[dict[str, Any]] = field(default_factory=list)

    def plan(self, command: Command) -> Plan:
        """The steps for a command, by what was seen last. Raises Refused."""
        directory = self.run.path
        spawn = (self.run.python, str(directory / layout.NODE_AGENT), "spawn")
        situation = Situation(
            config=self.config,
            run_id=self.run.run_id,
            run_dir=directory,
            snapshot=self.store.live,
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

    @property
    def awaits_first_answer(self) -> bool:
        """Whether what is shown was seen before, and nothing is known yet, not even that the run cannot be read."""
        return self.store.recalled and self.snapshot.run.failed_at is None

    def refuse_if_read_only(self) -> None:
        """Raise Refused if nothing must be changed: before somebody is asked to agree to something."""
        if self.read_only:
            raise Refused("read-only: nothing was changed", "start without --read-only, or switch it off: `:read-only`")
        if self.looks_back_to:
            raise Refused(f"you look at {self.looks_back_to}, not at now: nothing was changed", "back to now: `:now`")
        if self.awaits_first_answer:
            raise Refused(
                "what is shown was seen before this was opened: nothing was changed", "wait for the first answer"
            )

    async def perform(self, plan: Plan, report: Report) -> None:
        """Do the steps in order: the only function that changes the world.

        A step that fails stops the plan; its error says what was not done. Each step is written into `activity/`.
        """
        self.refuse_if_read_only()
        last = _claimed_steps(plan)
        async with AsyncExitStack() as held:
            claim = None
            if last:
                claim, plan = await held.enter_async_context(self._claimed(plan, report))
            for number, step in enumerate(plan.steps, 1):
                check = claim.check if claim and number <= last and isinstance(step, Submit | Do) else None
                await self._perform(step, len(plan.steps) - number, check, report)
                if number == last:
                    await held.aclose()

    @asynccontextmanager
    async def _claimed(self, plan: Plan, report: Report) -> AsyncIterator[tuple[Claim | None, Plan]]:
        """Be the only operator who submits and ends jobs of this run, and look again if another was at it meanwhile.

        To stop everything takes the claim from whoever holds it, who then submits nothing more, and is done without
        one if the run directory takes none. Raises Refused if what was planned is not what would be planned now.
        """
        stops_all = isinstance(plan.command, Stop) and not plan.command.jobs

        def tell(words: str) -> None:
            report(Progress(plan.steps[0], done=False, message=words))

        async with AsyncExitStack() as held:
            try:
                claiming = claimed(self.run, type(plan.command).__name__, tell, at_once=stops_all)
                claim = await held.enter_async_context(claiming)
            except CommandFailed:
                if not stops_all:
                    raise
                yield None, plan
                return
            seen = self.snapshot.jobs
            if claim.before_s is not None and (seen.at is None or claim.before_s <= self.clock() - seen.at):
                await self.look()
                again = self.plan(plan.command)
                if stops_all:
                    plan = again
                elif _what_is_done(again) != _what_is_done(plan):
                    raise Refused(
                        f"another operator has changed the jobs of run {self.run.run_id} meanwhile",
                        "see `tau2tui status`, and ask again for what is still wanted",
                    )
            yield claim, plan

    async def _perform(
        self, step: Step, left: int, check: Callable[[], Awaitable[None]] | None, report: Report
    ) -> None:
        """One step, if `check` lets it pass; `left`: how many there are after it."""
        report(Progress(step, done=False))
        began = self.clock()
        try:
            if check is not None:
                await check()
            message = await Steps(self).do(step, report)
        except Tau2TuiError as error:
            await self._log(step, began, error.message)
            if left:
                error.hint = "; ".join(filter(None, (error.hint, f"{left} further steps were not done")))
            raise
        await self._log(step, began, "")
        report(Progress(step, done=True, message=message))

    async def await_ready(self, timeout_s: float, report: Report) -> None:
        """Wait for the whole fleet and its endpoints: the end of a launch that did not wait itself."""
        names = tuple(replica.name for job in self.jobs for replica in job.replicas)
        await self.perform(Plan(Launch(), (Await(names, Standing.READY, timeout_s), AwaitEndpoints())), report)

    async def _log(self, step: Step, began: float, error: str) -> None:
        """One line of our file in `activity/`; what was done before there was a run is written with the first after."""
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
        await self.shell.append(str(self.run.path / layout.activity_file(self._writer)), lines.encode())
        self._unwritten.clear()


def _claimed_steps(plan: Plan) -> int:
    """Up to which step of a plan only one operator may be at work: the last that submits, ends or starts something."""
    starts = isinstance(plan.command, StartEval)
    ends = (Submit, Cancel, AwaitJobsGone, *((Do,) if starts else ()))
    last = max((number for number, step in enumerate(plan.steps, 1) if isinstance(step, ends)), default=0)
    # A driver on the login node shows itself within seconds; until then another start would not know of it.
    return last + 1 if last and starts and isinstance(plan.steps[last - 1], Do) else last


def _what_is_done(plan: Plan) -> list[str]:
    """The steps but for the files, which bear the time at which they were made."""
    return [str(step) for step in plan.steps if not isinstance(step, WriteFile)]


def new_run_id(when: datetime, taken: Collection[str] = ()) -> str:
    """A name that sorts by time; where another run was made in the same second, the next that is not taken."""
    name = when.strftime("%Y%m%d-%H%M%S")
    later = (f"{name}-{number}" for number in count(2))
    return next(free for free in chain((name,), later) if free not in taken)


async def list_runs(config: Config, login: Login | None = None) -> tuple[str, ...]:
    """The ids of all runs, by name. Raises Unreachable."""
    async with open_shell(config.cluster, login) as shell:
        return await run_ids(shell, config.at_home(await shell.home()).run.directory)


@asynccontextmanager
async def open_ops(
    config: Config,
    run_id: str | None = None,
    *,
    new: bool = False,
    read_only: bool = False,
    login: Login | None = None,
) -> AsyncIterator[Ops]:
    """The wiring of one run: the one named or the newest, or with `new` one that does not exist yet.

    `login` answers what the login node asks; without it nobody does.

    Raises NothingToRead for a run that does not exist, Refused for a new one that does, Unreachable, ConfigError.
    """
    login = login or Login()
    async with open_shell(config.cluster, login) as shell:
        config = config.at_home(await shell.home())
        parent = PurePosixPath(config.run.directory)
        found = None
        if new:
            if run_id is not None and not is_name(run_id):
                raise ConfigError(f"{run_id!r} is not a name for a run", "use letters, digits, '_', '.' and '-'")
            taken = await run_ids(shell, str(parent))
            if run_id in taken:
                raise Refused(f"run {run_id!r} exists already", "choose another name, or leave --run out")
            name = run_id or new_run_id(datetime.now(), taken)
        else:
            found = await find_run(shell, str(parent), run_id)
            name = found or new_run_id(datetime.now())
        directory = parent / name
        run = RunDirectory(shell, directory, config.cluster.python)
        launched = found is not None and await run.exists()
        if launched:
            # The fleet is the one that was submitted; how to reach and show it is a matter of where we are now.
            ours = {name: getattr(config, name) for name in ("cluster", "poll", "screen", "notices", "keys")}
            config = (await run.config()).model_copy(update=ours)
        scheduler: JobSource = Local(parent / SPOOL) if config.cluster.scheduler == "local" else Slurm()
        yield Ops(config, shell, scheduler, run, launched, login=login, read_only=read_only)
