"""The counts of a run while it goes on, and the file that shows them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tau2tui.core.layout import EVAL_STATE
from tau2tui.core.model import FULL_REWARD, DomainProgress, EvalProgress, EvalState, RunningUnit, TrialProgress
from tau2tui.core.steady import steady_time, stepped_s
from tau2tui.core.wire import progress_from, progress_to
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.units import Unit
from tau2tui.files import write_atomically

_EVERY_S = 0.5
_HEARTBEAT_S = 5.0


@dataclass(slots=True)
class _DomainCount:
    total: int
    ok: int = 0
    errors: int = 0
    passed: int = 0
    reward_sum: float = 0.0
    trials: dict[int, TrialProgress] = field(default_factory=dict)

    def ended(self, trial: int, **more: int) -> None:
        """Count a unit of a trial."""
        before = self.trials.get(trial, TrialProgress())
        self.trials[trial] = replace(before, **{name: getattr(before, name) + count for name, count in more.items()})


class Tally:
    """Everything that is counted, by any thread.

    Units are counted from their result files and calls from the last state, so that both go on where an earlier driver
    of the run left off.
    """

    def __init__(self, totals: Mapping[str, int], start: EvalProgress) -> None:
        """`totals`: units by domain; `start`: the first state of this driver, with the calls of those before it."""
        self._lock = threading.Lock()
        self._start = start
        self._domains = {domain: _DomainCount(total) for domain, total in totals.items()}
        self._running: dict[Unit, RunningUnit] = {}
        self._durations_s: list[float] = []
        self._duration_domains: list[str] = []
        self._unit_starts: list[float] = []
        self._calls = Counter(start.calls)
        self._errors = Counter(start.errors)
        self._errors_by_replica = Counter(start.errors_by_replica)
        self._errors_by_role = Counter(start.errors_by_role)
        self._retries = start.retries
        self._steps = 0
        self._unit_errors: Counter[str] = Counter()
        self._terminations: Counter[str] = Counter()
        self._cost_usd = dict(start.cost_usd)
        self._tokens = Counter(start.tokens)

    def started(self, unit: Unit) -> None:
        """The unit runs."""
        now = steady_time()
        with self._lock:
            self._running[unit] = RunningUnit(unit.domain, unit.task_id, unit.trial, started_at=now, last_event_at=now)

    def doing(self, unit: Unit, series: str, replica: str = "") -> None:
        """The unit waits for this series."""
        self._event(unit, doing=series, replica=replica)

    def stepped(self, unit: Unit, steps: int) -> None:
        """The unit has gone through so many steps."""
        with self._lock:
            running = self._running.get(unit)
            self._steps += max(0, steps - (running.steps if running else 0))
        self._event(unit, steps=steps)

    def called(self, series: str, cost_usd: float = 0.0, tokens: int = 0) -> None:
        """A model call was answered, at this cost."""
        with self._lock:
            self._calls[series] += 1
            self._cost_usd[series] = self._cost_usd.get(series, 0.0) + cost_usd
            self._tokens[series] += tokens

    def spent_at_least(self, cost_usd: Mapping[str, float], tokens: Mapping[str, int]) -> None:
        """What is known to have been spent by series; where the last state says more, that holds."""
        with self._lock:
            for series, usd in cost_usd.items():
                self._cost_usd[series] = max(usd, self._cost_usd.get(series, 0.0))
            for series, count in tokens.items():
                self._tokens[series] = max(count, self._tokens[series])

    def failed(self, kind: str, replica: str, *, retried: bool, role: str = "") -> None:
        """An attempt at a model call failed; `role`: of whom was asked."""
        with self._lock:
            self._errors[kind] += 1
            if replica:
                self._errors_by_replica[replica] += 1
            if role:
                self._errors_by_role[role] += 1
            self._retries += retried

    def finished(self, outcome: Outcome) -> None:
        """The unit is over; without a reward it ended in an infrastructure error."""
        unit, reward = outcome.unit, outcome.reward
        with self._lock:
            self._running.pop(unit, None)
            self._durations_s.append(outcome.finished_at - outcome.started_at)
            self._duration_domains.append(unit.domain)
            self._unit_starts.append(outcome.started_at)
            domain = self._domains[unit.domain]
            if reward is None:
                domain.errors += 1
                domain.ended(unit.trial, errors=1)
                self._unit_errors[outcome.error_class or "unknown"] += 1
            else:
                domain.ok += 1
                passed = reward >= FULL_REWARD
                domain.passed += passed
                domain.ended(unit.trial, ok=1, passed=int(passed))
                domain.reward_sum += reward
                self._terminations[outcome.termination] += 1

    def running(self) -> tuple[RunningUnit, ...]:
        """What runs at this moment."""
        with self._lock:
            return tuple(self._running.values())

    def stalled(self, name: str) -> None:
        """The unit of this name is stalled, until its next event."""
        with self._lock:
            for unit, running in self._running.items():
                if running.name == name:
                    self._running[unit] = replace(running, stalled=True)

    def abandoned(self) -> None:
        """Nothing runs any more; what ran has not ended."""
        with self._lock:
            self._running.clear()

    def domain(self, name: str) -> DomainProgress:
        """The counts of one domain at this moment."""
        with self._lock:
            return self._domain(name, Counter(unit.domain for unit in self._running))

    def progress(self, state: EvalState, max_concurrency: int) -> EvalProgress:
        """The counts of this moment."""
        now, step_s = time.time(), stepped_s()
        with self._lock:
            running = Counter(unit.domain for unit in self._running)
            return replace(
                self._start,
                state=state,
                updated_at=now,
                domains=tuple(self._domain(name, running) for name in self._domains),
                running=tuple(_told(unit, step_s) for unit in self._running.values()),
                durations_s=tuple(self._durations_s),
                duration_domains=tuple(self._duration_domains),
                unit_starts=tuple(self._unit_starts),
                max_concurrency=max_concurrency,
                errors=dict(self._errors),
                errors_by_replica=dict(self._errors_by_replica),
                errors_by_role=dict(self._errors_by_role),
                calls=dict(self._calls),
                steps=self._steps,
                retries=self._retries,
                unit_errors=dict(self._unit_errors),
                terminations=dict(self._terminations),
                cost_usd=dict(self._cost_usd),
                tokens=dict(self._tokens),
                finished_at=now if state.over else None,
            )

    def _domain(self, name: str, running: Mapping[str, int]) -> DomainProgress:
        count = self._domains[name]
        return DomainProgress(
            name,
            count.total,
            count.ok,
            count.errors,
            running.get(name, 0),
            count.passed,
            count.reward_sum,
            tuple(count.trials.get(trial, TrialProgress()) for trial in range(max(count.trials, default=-1) + 1)),
        )

    def _event(self, unit: Unit, **changes: Any) -> None:
        with self._lock:
            if running := self._running.get(unit):
                self._running[unit] = replace(running, last_event_at=steady_time(), stalled=False, **changes)


class StateFile:
    """`eval/state.json`, written when the state changes and otherwise no more often than every half second."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVAL_STATE
        self._written: EvalProgress | None = None
        self._written_at = 0.0

    def read(self) -> EvalProgress | None:
        """What the last driver wrote; None if there was none, or nothing can be read of it."""
        try:
            return progress_from(json.loads(self._path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def show(self, progress: EvalProgress) -> None:
        """Write this, unless it says nothing new or the last one is too young. Raises OSError."""
        age_s = time.monotonic() - self._written_at
        same_state = self._written is not None and self._written.state is progress.state
        if same_state and (age_s < _EVERY_S or (age_s < _HEARTBEAT_S and self._same(progress))):
            return
        write_atomically(self._path, json.dumps(progress_to(progress)), parents=True)
        self._written, self._written_at = progress, time.monotonic()

    def fail(self, why: str) -> None:
        """Show that the driver ended by an error, whatever it showed last. Raises OSError."""
        if self._written is not None:
            now = time.time()
            self.show(
                replace(self._written, state=EvalState.FAILED, why=why, running=(), updated_at=now, finished_at=now)
            )

    def _same(self, progress: EvalProgress) -> bool:
        return self._written is not None and replace(self._written, updated_at=progress.updated_at) == progress


def _told(unit: RunningUnit, step_s: float) -> RunningUnit:
    """A unit with its times by the clock as it is now: who reads the state compares them with that."""
    if not step_s:
        return unit
    return replace(unit, started_at=unit.started_at + step_s, last_event_at=unit.last_event_at + step_s)
