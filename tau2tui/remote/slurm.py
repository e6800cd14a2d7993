"""SLURM: squeue, sbatch and scancel, as argv and as parsers of what they print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tau2tui.core.model import Job, JobState
from tau2tui.core.slurm_time import slurm_seconds
from tau2tui.core.step import Submission
from tau2tui.errors import CommandFailed, Tau2TuiError, Unanswered, Unreachable
from tau2tui.remote.shell import Shell

COMMENT = "tau2tui "
"""Jobs of ours carry this and the run's id as their comment."""

_SEPARATOR = "\x1f"
"""Between fields: job names and reasons may hold blanks, commas and bars."""
_FORMAT = _SEPARATOR.join(("%A", "%T", "%L", "%N", "%k", "%r", "%j"))
"""%A is the id that a job finds in SLURM_JOB_ID; %i says 12_3 and 12+1 of arrays and of heterogeneous jobs."""

_SACCT = ("sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State,ExitCode,NodeList,JobName")

_STATES = {
    JobState.PENDING: "PENDING CONFIGURING REQUEUED REQUEUE_HOLD REQUEUE_FED SPECIAL_EXIT RESV_DEL_HOLD",
    JobState.RUNNING: "RUNNING STAGE_OUT SIGNALING",
    JobState.COMPLETING: "COMPLETING",
    JobState.ENDED: "COMPLETED CANCELLED FAILED TIMEOUT NODE_FAIL OUT_OF_MEMORY PREEMPTED BOOT_FAIL DEADLINE REVOKED",
}
_BY_WORD = {word: state for state, words in _STATES.items() for word in words.split()}

_UNANSWERED = ("Socket timed out", "Zero Bytes were transmitted", "Connection reset")
"""The controller had the request, and may yet do what it asks: a frozen one does when it wakes."""
_UNREACHABLE = ("Unable to contact slurm controller", "Connection refused", *_UNANSWERED)
_CHANGE_TIMEOUT_S = 60.0
_MOST_DIGITS = 18


class Slurm:
    """Jobs of one user on one cluster."""

    name = "SLURM"

    def submit_argv(self, submission: Submission) -> tuple[str, ...]:
        """Submit one job script; it prints the job id.

        One that follows another job runs beside it for a while: what the command line says replaces the singleton
        dependency of the script.
        """
        words = ["sbatch", "--parsable", f"--comment={COMMENT}{submission.run_id}", f"--chdir={submission.run_dir}"]
        if submission.exclude:
            words.append(f"--exclude={','.join(submission.exclude)}")
        if submission.follow is not None:
            words.append(f"--dependency=after:{submission.follow.job_id}")
            if submission.follow.begin_s:
                words.append(f"--begin=now+{submission.follow.begin_s}")
        return (*words, submission.path)

    def cancel_argv(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Cancel exactly these jobs."""
        return ("scancel", *job_ids)

    def queue_argv(self) -> tuple[str, ...]:
        """All jobs of the user that the controller still remembers, ended ones too."""
        return ("squeue", "--me", "--noheader", "--states=all", f"--format={_FORMAT}")

    async def change(self, shell: Shell, argv: tuple[str, ...]) -> str:
        """Run a line of `submit_argv` or `cancel_argv` to its end; what it printed.

        Raises Unanswered if it may have been done and nobody said so, CommandFailed if it was not done.
        """
        try:
            completed = await shell.run(argv, _CHANGE_TIMEOUT_S)
        except Unreachable as error:
            raise Unanswered(error.message) from None
        if completed.status != 0 and any(sign in completed.stderr for sign in _UNANSWERED):
            raise Unanswered(f"{argv[0]} got no answer: {completed.complaint}")
        return completed.check().stdout

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str]) -> tuple[Job, ...]:
        """The jobs of one run, oldest first.

        The controller forgets a job some minutes after its end. Of those in `known` that it no longer shows the
        accounting is asked; without a word from that they are FORGOTTEN: gone, but nobody says how they ended. Raises
        Unreachable, or CommandFailed with SLURM's own words.
        """
        shown = tuple(job for job in await self._queue(shell) if job.comment == COMMENT + run_id)
        forgotten = sorted(known - {job.id for job in shown})
        return _by_number((*await self._accounted(shell, forgotten), *shown)) if forgotten else shown

    async def _accounted(self, shell: Shell, job_ids: list[str]) -> tuple[Job, ...]:
        """What the accounting says of jobs, one for each id."""
        ended: dict[str, Job] = {}
        why = "the controller has forgotten it"
        try:
            completed = await shell.run((*_SACCT, f"--jobs={','.join(job_ids)}"), timeout_s=30)
            ended = {job.id: job for job in parse_accounting(completed.check().stdout)}
        except Tau2TuiError as error:
            why += f"; {error.message}"
        gone = Job("", "", JobState.FORGOTTEN, "forgotten", reason=why)
        return tuple(ended.get(job_id, replace(gone, id=job_id)) for job_id in job_ids)

    async def live_jobs(self, shell: Shell) -> frozenset[str] | None:
        """The ids of all of the user's jobs that have not ended. Raises like `jobs`."""
        return frozenset(job.id for job in await self._queue(shell) if job.may_live)

    async def _queue(self, shell: Shell) -> tuple[Job, ...]:
        completed = await shell.run(self.queue_argv(), timeout_s=30)
        if completed.status != 0 or "error:" in completed.stderr:
            message = f"squeue did not say (status {completed.status}): {completed.complaint}"
            unreachable = any(sign in completed.stderr for sign in _UNREACHABLE)
            raise Unreachable(message) if unreachable else CommandFailed(message)
        return parse_queue(completed.stdout)


def parse_queue(text: str) -> tuple[Job, ...]:
    """squeue's output in our format. A line with another number of fields is no job of ours and is passed over."""
    jobs = []
    for line in text.split("\n"):
        fields = line.split(_SEPARATOR)
        if len(fields) != 7:
            continue
        job_id, word, left, nodes, comment, reason, name = (field.strip() for field in fields)
        state = _BY_WORD.get(word, JobState.UNKNOWN)
        jobs.append(
            Job(
                id=job_id,
                name=name,
                state=state,
                raw_state=word,
                nodes=nodes,
                reason="" if reason == "None" else reason,
                time_left_s=slurm_seconds(left) if state is JobState.RUNNING else None,
                comment=comment,
            )
        )
    return _by_number(jobs)


def parse_accounting(text: str) -> tuple[Job, ...]:
    """sacct's output in our format; "CANCELLED by 1000" is a state and who did it."""
    jobs = []
    for line in text.split("\n"):
        fields = line.split("|", 4)
        if len(fields) == 5:
            job_id, word, exit_code, nodes, name = fields
            state = _BY_WORD.get(word.partition(" ")[0], JobState.UNKNOWN)
            reason = "" if exit_code in ("", "0:0") else f"exit code {exit_code}"
            jobs.append(Job(job_id, name, state, word, nodes=nodes, reason=reason))
    return tuple(jobs)


def _by_number(jobs: Iterable[Job]) -> tuple[Job, ...]:
    return tuple(sorted(jobs, key=lambda job: [int(part) if _is_number(part) else 0 for part in job.id.split("_")]))


def _is_number(text: str) -> bool:
    """Digits that `int` takes: `isdigit` is true of ² as well, and thousands of digits are refused."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
