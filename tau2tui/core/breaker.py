"""A circuit breaker for each replica: one that keeps failing gets no calls for ever longer, then one that tries it."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_OPEN_S = 1.0
LONGEST_OPEN_S = 30.0
PATIENCE = 3
"""Failures in a row after which a replica that still answers is taken out; one that does not answer is at once."""


@dataclass(slots=True)
class Breaker:
    """The state of one replica; times are on the monotonic clock of whoever asks."""

    failures: int = 0
    """Failed calls since the last good one."""
    openings: int = 0
    """How often in a row it was opened: each time is twice as long as the one before."""
    open_until: float | None = None
    """None: closed, calls go through."""
    on_trial: bool = False
    """Its time is over, and the one call that decides is under way."""

    @property
    def closed(self) -> bool:
        return self.open_until is None

    def lets_through(self, now: float) -> bool:
        """Whether a call may be made: any if it is closed; when its time is over, one."""
        return self.open_until is None or (now >= self.open_until and not self.on_trial)

    def begin(self) -> bool:
        """A call is made that was let through; whether it is a trial."""
        self.on_trial = self.open_until is not None
        return self.on_trial

    def succeeded(self) -> bool:
        """The replica answered, if only to refuse the request; whether this closed it."""
        was_open = self.open_until is not None
        self.failures, self.openings, self.open_until, self.on_trial = 0, 0, None, False
        return was_open

    def failed(self, now: float, *, at_once: bool) -> float | None:
        """The replica did not do its part; for how many seconds it is open from now on, None if it is not.

        `at_once`: it could not be reached, or was silent for minutes: no second call should have to find that out.
        Calls that were under way when it was opened say nothing new, unless one was the trial.
        """
        self.failures += 1
        if self.open_until is not None and not self.on_trial:
            return None
        if not at_once and not self.on_trial and self.failures < PATIENCE:
            return None
        open_s = min(FIRST_OPEN_S * 2.0**self.openings, LONGEST_OPEN_S)
        self.openings += 1
        self.open_until, self.on_trial = now + open_s, False
        return open_s
