"""How far what is shown can be trusted: the sources of a snapshot, their ages, and what ails them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tau2tui.config import Config
from tau2tui.core.model import Reading, Snapshot
from tau2tui.ops import BACKOFF_LIMIT_S

PATIENCE = 4
"""A run directory that is silent for so many of its periods is old, even if no read has failed yet."""
LEAST_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """One part of a snapshot, as the status line speaks of it."""

    name: str
    short: str
    age_s: float | None
    """Since the read of what is shown began; None: it was never read."""
    error: str
    patience_s: float
    """Silence for longer than this is trouble."""
    unreadable: tuple[str, ...] = ()
    """Parts of it that should have been readable and were not."""

    @property
    def old(self) -> bool:
        """Whether what it last said may no longer be true."""
        return bool(self.error) or self.age_s is None or self.age_s > self.patience_s

    @property
    def trouble(self) -> str:
        """Why it is old or not complete, in one line; empty if it is neither, or was not asked yet."""
        if self.error:
            return f"{self.name}: {self.error}"
        if self.old and self.age_s is not None:
            return f"{self.name}: no answer"
        more = f" (+{len(self.unreadable) - 1} more)" if len(self.unreadable) > 1 else ""
        return f"{self.name}: {self.unreadable[0]}{more}" if self.unreadable else ""


def sources(config: Config, snapshot: Snapshot, now: float) -> tuple[Source, Source]:
    """The scheduler and the run directory."""
    scheduler = "SLURM" if config.cluster.scheduler == "slurm" else "local scheduler"
    jobs, run = snapshot.jobs, snapshot.run
    unreadable = run.value.unreadable if run.value else ()
    # A calm queue is asked ever more rarely, down to once in BACKOFF_LIMIT_S.
    jobs_patience_s = BACKOFF_LIMIT_S + 2 * config.poll.jobs_s
    run_patience_s = max(LEAST_PATIENCE_S, PATIENCE * config.poll.run_s)
    return (
        Source(scheduler, "jobs", _age_s(jobs, now), jobs.error, jobs_patience_s),
        Source("run directory", "run", _age_s(run, now), run.error, run_patience_s, unreadable),
    )


def _age_s(reading: Reading[Any], now: float) -> float | None:
    return None if reading.at is None else max(0.0, now - reading.at)
