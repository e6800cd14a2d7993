"""Whether the jobs outlast the evaluation: its time left against theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tau2tui.core.jobs import JobRow
from tau2tui.core.model import TimeLeft


@dataclass(frozen=True, slots=True)
class Deadline:
    """A job that may end before the evaluation does."""

    job: str
    job_id: str
    left_s: float
    """Until the job's time limit."""
    middle_s: float
    high_s: float
    """The evaluation's time left: the median, and the upper end of the 80 % interval."""

    @property
    def certain(self) -> bool:
        """Whether it ends even before the median: more likely than not."""
        return self.left_s < self.middle_s

    @property
    def short_s(self) -> float:
        """By how much it falls short of the upper end."""
        return self.high_s - self.left_s


def deadlines(jobs: Iterable[JobRow], left: TimeLeft | None) -> tuple[Deadline, ...]:
    """The jobs that end before the evaluation's upper bound, the nearest first; none while nothing is known."""
    if left is None:
        return ()
    near = (
        Deadline(job.name, job.id, job.time_left_s, left.middle_s, left.high_s)
        for job in jobs
        if job.live and job.replicas and job.time_left_s is not None and job.time_left_s < left.high_s
    )
    return tuple(sorted(near, key=lambda deadline: deadline.left_s))
