"""The whole run in one line: what the top of every screen says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tau2tui.core.driver import silent_s
from tau2tui.core.model import EvalProgress, EvalState, TimeLeft
from tau2tui.core.verdict import Standing
from tau2tui.ops import Ops
from tau2tui.tui.format import EVAL_STATES, STANDINGS, duration, percent
from tau2tui.tui.sources import sources


@dataclass(frozen=True, slots=True)
class Summary:
    """The parts of the status line; empty where there is nothing to say."""

    title: str
    as_of: str = ""
    """As of when the fleet is shown, if that is not now."""
    standings: tuple[tuple[Standing, int], ...] = ()
    evaluation: str = ""
    ages: str = ""


def summarise(
    title: str, ops: Ops | None, now: float, moment: datetime | None = None, *, fleet: bool = False
) -> Summary:
    """What was seen last, in one line; without a run only the title.

    While the fleet is shown as of another moment that is said before all else; on its own screen, and nothing of now.
    """
    if ops is None:
        return Summary(title)
    as_of = ""
    if moment is not None:
        day = "" if moment.date() == datetime.fromtimestamp(now).date() else f"{moment:%m-%d} "
        ago = duration(now - moment.timestamp())
        as_of = f"{'' if fleet else 'FLEET '}AS OF {day}{moment:%H:%M:%S}, {ago} ago: acts are off"
        if fleet:
            return Summary(" ".join(filter(None, (title, ops.run.run_id))), as_of)
    counts = ops.counts()
    seen = sources(ops.config, ops.snapshot, now)
    run = ops.snapshot.run.value
    return Summary(
        title=" ".join(filter(None, (title, ops.run.run_id))),
        as_of=as_of,
        standings=tuple((standing, counts[standing]) for standing in STANDINGS if counts[standing]),
        evaluation=_evaluation(run.evaluation, run.clock, ops.snapshot.time_left) if run and run.evaluation else "",
        ages=" ".join(f"{source.short} {duration(source.age_s)}" for source in seen),
    )


def window_name(ops: Ops) -> str:
    """The fleet and the evaluation in a few characters, for the name of a window."""
    counts = ops.counts()
    run = ops.snapshot.run.value
    progress = run.evaluation if run else None
    shown = [f"{STANDINGS[standing][0]}{counts[standing]}" for standing in STANDINGS if counts[standing]]
    done = f" {percent(progress.finished / progress.total)}" if progress and progress.total else ""
    return f"tau2 {''.join(shown)}{done}"


def _evaluation(progress: EvalProgress, clock: float, left: TimeLeft | None) -> str:
    share = percent(progress.finished / progress.total if progress.total else None)
    if silent_s(progress, clock) is not None:
        return f"eval ? {share}"
    glyph, _ = EVAL_STATES[progress.state]
    if left is None or progress.state is not EvalState.RUNNING:
        return f"eval {glyph} {share}"
    spread_s = max(left.high_s - left.middle_s, left.middle_s - left.low_s)
    return f"eval {share} ETA {duration(left.middle_s)}±{duration(spread_s)}"
