"""The log lines of an evaluation, in the formats of the seed, so that its grep recipes and scripts keep working."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.evaluation.logwriter import Echo, LineFile, LogWriter, Target
from tau2tui.evaluation.results import OK, Outcome

DEBUG = "DEBUG"
PROFILE = "PROFILE"
USER_JUDGE = "USER_JUDGE"

Value = str | int | float | bool | None

HEARTBEAT_S = 30.0

_RED = "\x1b[31m"
_RESET = "\x1b[0m"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Journal:
    """Where everything that happens is written: one file for the whole run, two for each domain."""

    def __init__(
        self,
        run_dir: Path,
        layout: RunLayout,
        domains: tuple[str, ...],
        *,
        echo: int | None = None,
        level: str = PROFILE,
    ) -> None:
        """`echo`: a file descriptor that gets the driver's lines as well, such as that of stdout.

        `level`: DEBUG or PROFILE, the lowest that is written.
        """
        self.debugging = level == DEBUG
        self._writer = LogWriter(self._lost)
        self._full = LineFile(run_dir / layout.full_log)
        self._profile = {domain: LineFile(run_dir / layout.profile_log(domain)) for domain in domains}
        self._eval = {domain: LineFile(run_dir / layout.eval_log(domain)) for domain in domains}
        self._echo = Echo(echo) if echo is not None else None
        self._said_at = self._beat_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer.close():  # else the writer may still be in the middle of a file
            for file in (self._full, *self._profile.values(), *self._eval.values()):
                file.close()

    def heartbeat(self, now: float | None = None) -> None:
        """A sign of life after every half minute in which there was nothing to say. `now`: on the monotonic clock."""
        now = time.monotonic() if now is None else now
        if now - max(self._said_at, self._beat_at) >= HEARTBEAT_S:
            silent_s, said_at = now - self._said_at, self._said_at
            self.say(f"evaluation still running (pid={os.getpid()}); no output for {silent_s:.0f}s...")
            self._said_at, self._beat_at = said_at, now

    def say(self, message: str, domain: str = "") -> None:
        """A line of the driver: in the run's log and, if it is about one domain, in that domain's."""
        self._put(f"[{datetime.now():%Y-%m-%d %H:%M:%S}] {one_line(message)}", domain)

    def trace(self, domain: str, text: str) -> None:
        """Many lines that belong together, such as a traceback: in the log of their domain only."""
        self._write(self._eval[domain], "\n".join(_CONTROL.sub(" ", line) for line in text.splitlines()))

    def outcome(self, outcome: Outcome, domain: DomainProgress) -> None:
        """How a unit ended, and the marker that progress is counted by; `domain` counts this unit too."""
        unit = outcome.unit
        if outcome.status == OK:
            what = f"Domain: {unit.domain}, Task: {unit.task_id}, Agent: DelegatingAgent, User: SimulatedUser"
            self.say(f"FINISHED SIMULATION: {what}. Reward: {outcome.reward}", unit.domain)
        else:
            # A harmony error stands in the line of its attempt: those who grep for its words count attempts.
            why = "" if outcome.error_class == ErrorClass.HARMONY else f": {outcome.error}"
            self.say(f"Task failed: {unit.name}: {outcome.error_class}{why}", unit.domain)
        status = "ok" if outcome.status == OK else "error"
        marker = (
            f"[TAU2_TASK_COMPLETE] domain={unit.domain} trial={unit.trial} task_id={one_line(unit.task_id)} "
            f"status={status} completed_domain={domain.finished} total_domain={domain.total}"
        )
        self._put(marker, unit.domain)

    def summary(self, progress: EvalProgress, elapsed_s: float, ended: int) -> None:
        """The last line of a driver, in whose time `ended` units came to their end."""
        rate = 60 * ended / elapsed_s if elapsed_s > 0 else 0.0
        counts = f"ok={progress.evaluated} error={progress.lost} total={progress.total}"
        pace = f"elapsed_s={elapsed_s:.1f} tasks_per_min={rate:.2f}"
        end = "complete" if progress.state is EvalState.FINISHED else str(progress.state)
        self.say(f"Global evaluation {end}: {counts} {pace}")

    def eta(self, finished: int, total: int, elapsed_s: float, eta_s: float | None) -> None:
        """How far the whole run is, and the time left; None: nothing is known of it yet."""
        eta = "--:--" if eta_s is None else clock_time(eta_s)
        self._put(f"{_RED}[OVERALL_ETA] done={finished}/{total} elapsed={clock_time(elapsed_s)} eta={eta}{_RESET}")

    def event(self, level: str, kind: str, domain: str, task_id: str, values: Mapping[str, Value]) -> None:
        """A profile line: what was done for this task, with its timings. Values that are None are left out."""
        pairs = " ".join(f"{key}={_value(value)}" for key, value in values.items() if value is not None)
        self._write(self._profile[domain], f"{_head(level, task_id)} type={kind} {pairs}")

    def debug(self, domain: str, task_id: str, message: str) -> None:
        """A line for those who look for a mistake, at level DEBUG only."""
        if self.debugging:
            self._write(self._profile[domain], f"{_head(DEBUG, task_id)} {one_line(message)}")

    def _put(self, line: str, domain: str = "") -> None:
        self._said_at = time.monotonic()
        self._write(self._full, line)
        if domain:
            self._write(self._eval[domain], line)
        if self._echo:
            self._write(self._echo, line)

    def _write(self, target: Target, line: str) -> None:
        self._writer.put(target, encoded(line))

    def _lost(self, lines: int, why: str) -> None:
        self.say(f"{lines} log lines were lost: {why}")


def _head(level: str, task_id: str) -> str:
    now = datetime.now()
    return (
        f"[{level}] {now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d} task={_value(task_id)} "
        f"thread={threading.get_ident()}"
    )


def encoded(line: str) -> bytes:
    """A line as it is written; a lone surrogate in a model's answer must not end a unit."""
    return f"{line}\n".encode(errors="backslashreplace")


def one_line(text: str) -> str:
    """Text of others as a part of a line: no line ends, no escape sequences."""
    return _CONTROL.sub(" ", text).strip()


def clock_time(seconds: float) -> str:
    """MM:SS, or HH:MM:SS from an hour on."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}" if hour else f"{minute:02d}:{second:02d}"


def _value(value: Value) -> str:
    """A value as it stands in a profile line: floats with two decimals, and nothing with a space in it."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return "_".join(one_line(str(value)).split()) or "-"
