"""What a plan is made of: itself, what it depends on, and what its makers ask of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.command import Command
from tau2tui.core.driver import driver_runs
from tau2tui.core.model import Job, JobState, Snapshot
from tau2tui.core.placement import PlannedJob, plan_jobs
from tau2tui.core.step import Cancel, Follow, Request, Step, Submission, Submit, WriteFile
from tau2tui.core.verdict import Standing, Verdict, judge_all
from tau2tui.errors import Refused

MANY = 4
"""From so many targets on a single key is not enough to end them."""
STOP_MARGIN_S = 60.0
"""What an agent may take to answer that something was stopped, beyond the time that its servers have for it."""


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

    @property
    def jobs(self) -> tuple[PlannedJob, ...]:
        """The jobs of the fleet as they are configured."""
        return plan_jobs(self.config)

    @property
    def queue(self) -> tuple[Job, ...]:
        """The queue as it was seen last; nothing if it never was."""
        return self.snapshot.jobs.value or ()

    @property
    def known_queue(self) -> tuple[Job, ...]:
        """The queue as it is now. Raises Refused unless the last read of it worked."""
        jobs = self.snapshot.jobs
        if jobs.at is None or jobs.error:
            raise queue_unknown(jobs.error)
        return self.queue

    @property
    def driver_runs(self) -> bool:
        """Whether an evaluation driver shows signs of life."""
        return driver_runs(self.snapshot.run.value)

    @property
    def stop_s(self) -> float:
        """How long the answer to a request may take that stops servers."""
        return self.config.serve.stop_timeout_s + STOP_MARGIN_S

    def verdicts(self) -> tuple[Verdict, ...]:
        """How every replica of the fleet stands."""
        return judge_all(self.jobs, self.snapshot)

    def planned(self, name: str) -> PlannedJob:
        """The job of this name. Raises Refused if there is none."""
        jobs = {job.name: job for job in self.jobs}
        if name not in jobs:
            raise Refused(f"unknown job {name!r}", f"known: {', '.join(jobs)}")
        return jobs[name]

    def known_replicas(self, names: Iterable[str]) -> list[Verdict]:
        """The verdicts on these replicas of the fleet. Raises Refused for a name that is none."""
        verdicts = {verdict.wanted.name: verdict for verdict in self.verdicts()}
        for name in (names := tuple(names)):
            if name not in verdicts:
                raise Refused(f"unknown replica {name!r}", f"known: {', '.join(verdicts)}")
        return [verdicts[name] for name in names]

    def written(self) -> list[WriteFile]:
        """The steps that write the command's files."""
        return [WriteFile(str(self.run_dir / file.path), file.text) for file in self.files]

    def submit(self, job: str, exclude: tuple[str, ...] = (), follow: Follow | None = None) -> Submit:
        """The step that submits a job's script."""
        submission = Submission(self.run_dir, self.run_id, layout.sbatch_file(job), exclude, follow)
        known = tuple(seen.id for seen in self.queue if seen.name == job)
        return Submit(job, self.scheduler.submit_argv(submission), known)

    def cancel(self, jobs: Iterable[Job]) -> Cancel:
        """The step that cancels jobs."""
        ids = tuple(job.id for job in jobs)
        return Cancel(ids, self.scheduler.cancel_argv(ids))

    def stop_servers(self, jobs: Iterable[Job]) -> list[Step]:
        """The request to the agents of those of these jobs that run, if any does, to stop their replicas.

        An agent is called by the name of its job, or by the id while two jobs have the same name.
        """
        running = [job for job in jobs if job.state is JobState.RUNNING and job.name != layout.EVAL_JOB]
        names = Counter(job.name for job in running)
        agents = tuple(job.name if names[job.name] == 1 else job.id for job in running)
        return [Request("stop", agents, timeout_s=self.stop_s)] if agents else []

    def stop_driver(self) -> list[Step]:
        """The request to the evaluation driver to stop, if it runs."""
        return [Request("stop", ("eval",))] if self.driver_runs else []

    def in_flight(self, replicas: tuple[str, ...] = ()) -> tuple[str, ...]:
        """What an interruption of these replicas, or of all, costs, in words."""
        run = self.snapshot.run.value
        if run is None or run.evaluation is None or not self.driver_runs:
            return ()
        units = [unit for unit in run.evaluation.running if not replicas or unit.replica in replicas]
        place = f" at {', '.join(replicas)}" if replicas else ""
        return (f"{len(units)} simulations are in flight{place}; what is lost is run again",) if units else ()


def queue_unknown(error: str) -> Refused:
    """Why nothing is planned that depends on the queue."""
    return Refused(f"the queue is not known: {error or 'not read yet'}", "try again when the scheduler answers")


def doubts(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The targets of which nobody knows how they are."""
    return tuple(
        f"{verdict.wanted.name}: its real state is not known: {verdict.why}"
        for verdict in verdicts
        if verdict.standing is Standing.UNKNOWN
    )


def challenge(word: str, targets: int) -> str:
    """The word to be typed where so many are ended at once; empty: a yes will do."""
    return word if targets >= MANY else ""
