"""What is asked of an evaluation that runs, and what it does about its budget."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tau2tui.core.command import EVAL_VERBS
from tau2tui.core.model import EvalProgress, EvalState, RunningUnit
from tau2tui.evaluation.budget import Budget
from tau2tui.evaluation.control import Reply, Request
from tau2tui.evaluation.schedule import Schedule

_MOST_UNITS_AT_ONCE = 512


class Steering:
    """Decides on requests, and pauses when the budget is spent."""

    def __init__(
        self,
        schedule: Schedule,
        budget: Budget,
        stop: threading.Event,
        progress: Callable[[], EvalProgress],
        give_up: Callable[[RunningUnit, str, str], None],
    ) -> None:
        """`progress`: the counts of this moment; `give_up`: ends a unit with an error class and what happened."""
        self.budget = budget
        self.why = ""
        """Why it pauses or ends, in words."""
        self._schedule = schedule
        self._stop = stop
        self._progress = progress
        self._give_up = give_up

    @property
    def state(self) -> EvalState:
        """What the driver is doing, until it is over."""
        if self._schedule.finishing:
            return EvalState.STOPPING
        return EvalState.PAUSED if self._schedule.paused else EvalState.RUNNING

    def keep_to_budget(self) -> str:
        """Pause when the budget is spent, and say so; what runs may end, which is cheaper than to run it again."""
        if self.budget.unlimited or self._schedule.paused or self._schedule.finishing:
            return ""
        if why := self.budget.exceeded(self._progress()):
            self._schedule.paused = True
            self.why = why
        return why

    def decide(self, request: Request) -> Reply:
        """Do what is asked, if it can be done."""
        running = f"{self._schedule.running} units are running"
        match request:
            case Request("pause"):
                self._schedule.paused = True
                return Reply(True, f"paused: no new units start, {running} to their end")
            case Request("resume"):
                return self._resume()
            case Request("stop"):
                self._stop.set()
                return Reply(True, f"stopping: {running} and are given up")
            case Request("finish"):
                self._schedule.finishing = True
                self.why = "it ends when what runs has ended"
                return Reply(True, f"finishing: no new units start, {running} to their end")
            case Request("concurrency", int(limit)) if limit is not True and 1 <= limit <= _MOST_UNITS_AT_ONCE:
                self._schedule.limit = limit
                return Reply(True, f"at most {limit} units at once, {running}")
            case Request("concurrency"):
                return Reply(False, f"concurrency is a whole number from 1 to {_MOST_UNITS_AT_ONCE}")
            case Request("skip", str(name)):
                return self._skip(name)
            case Request("budget_usd" | "budget_tokens"):
                return self._limit(request)
        return Reply(False, f"unknown, or without its value: the evaluation takes {', '.join(EVAL_VERBS)}")

    def _resume(self) -> Reply:
        if why := self.budget.exceeded(self._progress()):
            return Reply(False, f"{why}: raise it with --budget-usd or --budget-tokens")
        self._schedule.paused = self._schedule.finishing = False
        self.why = ""
        return Reply(True, "resumed")

    def _limit(self, request: Request) -> Reply:
        match request:
            case Request("budget_usd", int(usd) | float(usd)) if usd is not True and usd > 0:
                self.budget.usd = float(usd)
                return Reply(True, f"the budget is ${usd:.2f}, spent are ${self._progress().spent_usd:.2f}")
            case Request("budget_tokens", int(tokens)) if tokens is not True and tokens > 0:
                self.budget.tokens = tokens
                return Reply(True, f"the budget is {tokens} tokens, spent are {self._progress().spent_tokens}")
        return Reply(False, f"{request.verb} is a number above 0")

    def _skip(self, name: str) -> Reply:
        running = next((unit for unit in self._progress().running if unit.name == name), None)
        if running is None:
            return Reply(False, f"no unit {name} is running")
        self._give_up(running, "skipped", f"skipped on request while it waited for {running.waits_for}")
        return Reply(True, f"{name} is given up; the next start runs it again")
