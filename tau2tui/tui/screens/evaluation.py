"""4 Eval: how far the evaluation is, what goes wrong in it, and which simulation is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tau2tui.core.command import Command, StartEval, SteerEval
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.messages import Asked
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.eval_summary import EvalSummary, Seen
from tau2tui.tui.widgets.tab_line import View
from tau2tui.tui.widgets.unit_table import UnitTable

MOST_AT_ONCE = 512


class EvalScreen(Framed):
    """The summary and, below it, the simulations in flight."""

    BINDING_GROUP_TITLE = "Evaluation"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Evaluation")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops = ops
        self._asked_at_once: int | None = None

    def compose_body(self) -> ComposeResult:
        yield EvalSummary()
        yield Static(id="units-title")
        yield UnitTable()

    def show(self) -> None:
        run = self.snapshot.run.value
        progress = run.evaluation if run else None
        summary = self.query_one(EvalSummary)
        summary.planned = self._planned()
        summary.seen = Seen(progress, run.clock, self.old, self.snapshot.time_left) if run and progress else None
        units = progress.running if progress else ()
        title = text((f" {len(units)} in flight, longest idle first ", Tone.MUTED)) if progress else text()
        self.query_one("#units-title", Static).update(title)
        table = self.query_one(UnitTable)
        table.display = progress is not None
        table.show_units(units, run.clock if run else 0.0)
        if progress is None or progress.state.over or progress.max_concurrency == self._asked_at_once:
            self._asked_at_once = None

    def action_start(self) -> None:
        self._ask(StartEval(self._ops.config.evaluation))

    def action_pause(self) -> None:
        paused = self._progress is not None and self._progress.state is EvalState.PAUSED
        self.action_steer("resume" if paused else "pause")

    def action_steer(self, verb: str) -> None:
        self._ask(SteerEval(verb))

    def action_concurrency(self, change: int) -> None:
        """One more or fewer than was last asked for: the driver confirms only after a while."""
        now = self._asked_at_once or (self._progress.max_concurrency if self._progress else 0)
        wanted = min(MOST_AT_ONCE, max(1, now + change))
        if self._progress is not None and wanted != now:
            self._asked_at_once = wanted
        self._ask(SteerEval("concurrency", wanted))

    @property
    def _progress(self) -> EvalProgress | None:
        run = self.snapshot.run.value
        return run.evaluation if run else None

    def _planned(self) -> str:
        evaluation = self._ops.config.evaluation
        trials = "1 trial" if evaluation.trials == 1 else f"{evaluation.trials} trials"
        return f"{', '.join(evaluation.domains)}, {trials} each, {evaluation.max_concurrency} at once"

    def _ask(self, command: Command) -> None:
        self.post_message(Asked(command))
