"""From a command to its end: plan it, show the plan if it ends something, do it, and say how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tau2tui.core.command import Command
from tau2tui.core.plan import Plan
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops, Progress
from tau2tui.tui.format import command_words, printable
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.sources import sources

if TYPE_CHECKING:
    from textual.app import App

Tell = Callable[[tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command that was agreed to."""

    words: str
    """The command."""
    error: str = ""
    """Why it was not done to its end."""
    results: tuple[tuple[str, str, bool], ...] = ()
    """Where it had several targets: each with what was said of it, and whether it failed."""


class Asking:
    """What was asked for and is being done, with its sheets and toasts on an app; `tell` hears of every change."""

    def __init__(self, app: App[Any], ops: Ops, tell: Tell) -> None:
        self._app, self._ops, self._tell = app, ops, tell
        self._doing: dict[object, str] = {}
        self._reviewing = asyncio.Lock()
        """Held while a sheet is shown: of several that were asked for at once each waits for the one before."""

    async def ask_all(self, commands: Sequence[Command]) -> None:
        """Do these in order, and say what became of each; one that is refused, fails or is not agreed to ends it."""
        for command in commands:
            outcome = await self._ask(command)
            if outcome is None:
                return
            if len(outcome.results) > 1:
                self._app.push_screen(ResultsScreen(outcome.words.capitalize(), outcome.results))
            if outcome.error:
                title = f"Not done: {outcome.words}"
                self._app.notify(printable(outcome.error), title=title, severity="error", markup=False)
                return
            self._app.notify(f"Done: {printable(outcome.words)}", markup=False)

    async def _ask(self, command: Command) -> Outcome | None:
        """Do it; None if it was not agreed to. A refusal and a step that fails are outcomes, not exceptions."""
        words = command_words(command)
        results: list[tuple[str, str, bool]] = []
        try:
            plan = await self._agreed(command)
            if plan is None:
                return None
            await self._perform(plan, words, results)
        except Tau2TuiError as error:
            return Outcome(words, str(error), tuple(results))
        return Outcome(words, "", tuple(results))

    async def _agreed(self, command: Command) -> Plan | None:
        """The plan, once it was agreed to if it ends something."""
        self._ops.refuse_if_read_only()
        plan = self._ops.plan(command)
        if not plan.destructive:
            return plan
        waits = self._reviewing.locked()
        async with self._reviewing:
            return await self._reviewed(command, self._ops.plan(command) if waits else plan)

    async def _reviewed(self, command: Command, plan: Plan) -> Plan | None:
        """The plan as it was agreed to; what has changed while it was looked at is shown again."""
        while plan.destructive:
            seen = sources(self._ops.config, self._ops.snapshot, self._ops.clock())
            doubts = (*plan.doubts, *(source.trouble for source in seen if source.trouble))
            title = f"{command_words(command).capitalize()}?"
            if not await self._app.push_screen_wait(
                ReviewScreen(title, plan.lines, plan.affects, doubts, plan.challenge)
            ):
                return None
            agreed, plan = plan, self._ops.plan(command)
            if plan.steps == agreed.steps:
                break
        return plan

    async def _perform(self, plan: Plan, words: str, results: list[tuple[str, str, bool]]) -> None:
        key = object()

        def report(progress: Progress) -> None:
            number = plan.steps.index(progress.step) + 1
            message = f": {progress.message}" if progress.message else ""
            if progress.target:
                results.append((progress.target, progress.message, progress.failed))
            self._doing[key] = f"{words}  {number}/{len(plan.steps)} {progress.target or progress.step}{message}"
            self._tell(tuple(self._doing.values()))

        try:
            await self._ops.perform(plan, report)
        finally:
            self._doing.pop(key, None)
            self._tell(tuple(self._doing.values()))
