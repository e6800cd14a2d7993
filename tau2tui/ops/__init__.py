"""Observe · plan · perform: the one path that both front ends take."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from tau2tui.config import Config, is_name
from tau2tui.core import layout
from tau2tui.core.command import Command, Launch, Relaunch, StartEval
from tau2tui.core.plan import Plan, Situation, make_plan
from tau2tui.core.smoke import PRACTICE_DOMAIN
from tau2tui.core.step import (
    Await,
    AwaitEndpoints,
    Step,
    WriteFile,
)
from tau2tui.core.verdict import Standing
from tau2tui.errors import ConfigError, Refused, Tau2TuiError
from tau2tui.ops.sight import BACKOFF_LIMIT_S, JobSource, Sight
from tau2tui.ops.steps import Progress, Report, Steps
from tau2tui.remote.local import SPOOL, Local
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
    _unwritten: list[dict[str, Any]] = field(default_factory=list)

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

    def refuse_if_read_only(self) -> None:
        """Raise Refused if nothing must be changed: before somebody is asked to agree to something."""
        if self.read_only:
            raise Refused("read-only: nothing was changed", "start without --read-only, or switch it off: `:read-only`")
        if self.looks_back_to:
            raise Refused(f"you look at {self.looks_back_to}, not at now: nothing was changed", "back to now: `:now`")

    async def perform(self, plan: Plan, report: Report) -> None:
        """Do the steps in order: the only function that changes the world.

        A step that fails stops the plan; its error says what was not done. Each step is written to activity.jsonl.
        """
        self.refuse_if_read_only()
        for number, step in enumerate(plan.steps, 1):
            report(Progress(step, done=False))
            began = self.clock()
            try:
                message = await Steps(self).do(step, report)
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
            if run_id is not None and not is_name(run_id):
                raise ConfigError(f"{run_id!r} is not a name for a run", "use letters, digits, '_', '.' and '-'")
            if run_id is not None and run_id in await run_ids(shell, str(parent)):
                raise Refused(f"run {run_id!r} exists already", "choose another name, or leave --run out")
        else:
            found = await find_run(shell, str(parent), run_id)
        directory = parent / (found or run_id or new_run_id(datetime.now()))
        run = RunDirectory(shell, directory, config.cluster.python)
        launched = found is not None and await run.exists()
        if launched:
            # The fleet is the one that was submitted; how to reach and show it is a matter of where we are now.
            ours = {name: getattr(config, name) for name in ("cluster", "poll", "screen", "notices", "keys")}
            config = (await run.config()).model_copy(update=ours)
        scheduler: JobSource = Local(parent / SPOOL) if config.cluster.scheduler == "local" else Slurm()
        yield Ops(config, shell, scheduler, run, launched, read_only=read_only)
