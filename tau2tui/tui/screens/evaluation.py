"""4 Eval: how far the evaluation is, what goes wrong in it, and which simulation is stuck."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tau2tui.core.command import Command, StartEval, StartSmoke, SteerEval
from tau2tui.core.model import EvalProgress, EvalState, RunningUnit
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, duration, text
from tau2tui.tui.messages import Asked, DetailAsked, JumpAsked, Told
from tau2tui.tui.screens.frame import TALL, Framed
from tau2tui.tui.widgets.deadline_lines import DeadlineLines
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
        self._ops: Ops = ops
        self._asked_at_once: int | None = None

    def compose_body(self) -> ComposeResult:
        yield DeadlineLines()
        yield EvalSummary()
        yield Static(id="units-title")
        yield UnitTable()

    async def on_resize(self) -> None:
        self.query_one(EvalSummary).tall = self.app.size.height >= TALL

    def show(self) -> None:
        run = self.snapshot.run.value
        progress = run.evaluation if run else None
        summary = self.query_one(EvalSummary)
        summary.planned = self._planned()
        earlier = self._ops.earlier_state()
        before, watched_s = (earlier.evaluation, run.clock - earlier.clock) if earlier and run else (None, 0.0)
        left = self.snapshot.time_left
        summary.seen = Seen(progress, run.clock, self.old, left, before, watched_s) if run and progress else None
        self.query_one(DeadlineLines).deadlines = self._ops.deadlines()
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

    def action_at_once(self, words: str) -> None:
        """So many simulations at once."""
        try:
            wanted = int(words)
        except ValueError:
            wanted = 0
        if 1 <= wanted <= MOST_AT_ONCE:
            self._ask(SteerEval("concurrency", wanted))
        else:
            self.post_message(Told(f"{words!r} is no number from 1 to {MOST_AT_ONCE}", trouble=True))

    def action_skip(self) -> None:
        """Give up the marked simulations; without marks the one under the cursor. Each is asked about."""
        for name in self.query_one(UnitTable).chosen:
            self._ask(SteerEval("skip", name))

    def action_smoke(self) -> None:
        self._ask(StartSmoke(self._ops.config.evaluation, uuid.uuid4().hex))

    def action_budget_usd(self, words: str) -> None:
        self._budget("budget_usd", words, _number(words.strip().lstrip("$")))

    def action_budget_tokens(self, words: str) -> None:
        self._budget("budget_tokens", words, int(_number(words)))

    def _budget(self, verb: str, words: str, limit: float) -> None:
        if limit > 0:
            self._ask(SteerEval(verb, limit))
        else:
            self.post_message(Told(f"{words!r} is no budget; write a number", trouble=True))

    def action_jump(self) -> None:
        """To the replica that the simulation waits for."""
        unit = self._unit
        if unit is not None and unit.replica:
            self.post_message(JumpAsked("fleet", unit.replica))
        else:
            self.post_message(Told("it waits for no replica"))

    @on(UnitTable.RowSelected)
    def action_detail(self) -> None:
        unit, run = self._unit, self.snapshot.run.value
        if unit is None or run is None:
            return
        facts = [
            ("unit", unit.name),
            ("waits for", unit.waits_for),
            ("running for", duration(run.clock - unit.started_at)),
            ("silent for", duration(run.clock - unit.last_event_at)),
            ("steps", str(unit.steps)),
            ("stalled", "yes: nothing for longer than evaluation.stall_s" if unit.stalled else ""),
        ]
        self.post_message(DetailAsked(unit.name, facts))

    @property
    def _unit(self) -> RunningUnit | None:
        """The simulation under the cursor."""
        key = self.query_one(UnitTable).cursor_key
        progress = self._progress
        return next((unit for unit in progress.running if unit.name == key), None) if progress else None

    def action_concurrency(self, change: int) -> None:
        """One more or fewer than was last asked for: the driver confirms only after a while."""
        now = self._asked_at_once or (self._progress.max_concurrency if self._progress else 0)
        wanted = min(MOST_AT_ONCE, max(1, now + change))
        refused = self.read_only or self.recalled or self.moment is not None
        if self._progress is not None and wanted != now and not refused:
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


def _number(words: str) -> float:
    """The number that was typed; 0 for what is none, or has no end."""
    try:
        number = float(words)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
