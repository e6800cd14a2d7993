"""How far the evaluation is: overall, by domain and trial, with what it has reached so far."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.core.driver import silent_s
from tau2tui.core.eta import seed_time_left_s
from tau2tui.core.fleet import per_minute
from tau2tui.core.intervals import wilson
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, TimeLeft
from tau2tui.tui.format import EVAL_STATES, UNKNOWN, Tone, bar, duration, percent, text, whole
from tau2tui.tui.widgets.eval_errors import counter_lines

_WIDE = 100
"""Columns from which on the seed's figure, steps and intervals are shown too."""
_BAR, _LEAST_BAR = 40, 8
_BEFORE_BAR = 22
"""Columns of a domain and its counts in front of its bar."""


class Seen(NamedTuple):
    """An evaluation, the cluster's clock when it was looked at, whether that may no longer be true; the time left."""

    progress: EvalProgress
    clock: float
    old: bool = False
    left: TimeLeft | None = None
    earlier: EvalProgress | None = None
    """The same a few minutes ago, for rates."""
    watched_s: float = 0.0
    """How long ago that was."""


class EvalSummary(Widget):
    """State, progress and time left; a line for each domain; counters of calls and errors."""

    seen: reactive[Seen | None] = reactive(None, layout=True)
    tall: reactive[bool] = reactive(False, layout=True)
    """Whether there is room for a line for each trial and for each class of errors."""
    planned: reactive[str] = reactive("")
    """What a start would run, in words."""

    def render(self) -> Group:
        if self.seen is None:
            return Group(
                text(("No evaluation of this run yet.", Tone.STRONG)),
                text(("s", Tone.ACCENT), f" starts one: {self.planned}."),
                text(("It needs a ready replica of every model: see 1 Fleet. ", Tone.MUTED)),
                text(("t", Tone.ACCENT), " tries everything on a few tasks first (smoke test)."),
            )
        seen, width = self.seen, self.size.width
        progress = seen.progress
        wide = width >= _WIDE
        header = _header(wide=wide)
        room = max(_LEAST_BAR, min(_BAR, width - len(header) - _BEFORE_BAR - 2))
        return Group(
            _state_line(seen, wide=wide),
            _overall_line(progress, seen.left, width),
            Text(),
            text((f" {'DOMAIN':<10}{'DONE':>9}  {' ' * room}{header}", Tone.MUTED)),
            *(line for domain in progress.domains for line in _domain_lines(domain, room, wide=wide, tall=self.tall)),
            Text(),
            *counter_lines(progress, seen.earlier, seen.watched_s, tall=self.tall, wide=wide),
        )


def _state_line(seen: Seen, *, wide: bool) -> Text:
    progress = seen.progress
    glyph, tone = EVAL_STATES[progress.state]
    state = (f"{glyph} {progress.state}?", Tone.MUTED) if seen.old else (f"{glyph} {progress.state}", tone)
    silence_s = silent_s(progress, seen.clock)
    if silence_s is not None:
        state = (f"? {progress.state}, but no sign of life for {duration(silence_s)}", Tone.DOUBT)
    elapsed_s = (progress.finished_at or progress.updated_at) - progress.started_at
    rate = len(progress.durations_s) / elapsed_s * 60 if elapsed_s > 0 else None
    parts = [
        f"{progress.max_concurrency} at once",
        f"{duration(elapsed_s)} elapsed",
        f"{UNKNOWN if rate is None else f'{rate:.1f}'} tasks/min",
    ]
    before = seen.earlier.steps if seen.earlier else None
    if wide and (steps := per_minute(progress.steps, before, seen.watched_s)) is not None:
        parts.append(f"{steps / 60:.1f} steps/s")
    why = f"   {progress.why}" if progress.why else ""
    return text(state, "   ", "  ·  ".join(parts), (why, Tone.WARN))


def _overall_line(progress: EvalProgress, left: TimeLeft | None, width: int) -> Text:
    share = progress.finished / progress.total if progress.total else 0.0
    numbers = f"  {whole(progress.finished)}/{whole(progress.total)}  {percent(share)}"
    end = numbers + _time_left(progress, left)
    if width >= _WIDE:
        end += _seeds_figure(progress)
    return bar(share, max(10, width - len(end))).append_text(text((end, Tone.STRONG)))


def _time_left(progress: EvalProgress, left: TimeLeft | None) -> str:
    """The estimate and its 80 % interval; only while units are being finished."""
    if progress.state is not EvalState.RUNNING:
        return ""
    if left is None:
        return f"  ETA {UNKNOWN}"
    return f"  ETA {duration(left.middle_s)} ({duration(left.low_s)} to {duration(left.high_s)})"


def _seeds_figure(progress: EvalProgress) -> str:
    """What `[OVERALL_ETA]` says in the logs, beside it."""
    if progress.state is not EvalState.RUNNING or (seconds := seed_time_left_s(progress)) is None:
        return ""
    return f", OVERALL_ETA {duration(seconds)}"


def _header(*, wide: bool) -> str:
    interval = f"{'95% INTERVAL':>16}" if wide else ""
    return f"{'OK':>7}{'ERRORS':>8}{'RUNNING':>9}{'PASSED':>8}{'PASS RATE':>11}{interval}"


def _domain_lines(domain: DomainProgress, room: int, *, wide: bool, tall: bool) -> list[Text]:
    """The domain, and below it each trial of several, where there is room."""
    share = domain.finished / domain.total if domain.total else 0.0
    done = f"{domain.finished}/{domain.total}"
    head = text(f" {domain.domain:<10}{done:>9}  ").append_text(bar(share, room))
    lines = [head.append_text(_counts(domain.ok, domain.errors, domain.running, domain.passed, wide=wide))]
    if len(domain.trials) > 1 and tall:
        for number, trial in enumerate(domain.trials):
            head = text((f"   trial {number:<3}{trial.ok + trial.errors:>8}  {' ' * room}", Tone.MUTED))
            lines.append(head.append_text(_counts(trial.ok, trial.errors, None, trial.passed, wide=wide)))
    return lines


def _counts(ok: int, errors: int, running: int | None, passed: int, *, wide: bool) -> Text:
    line = text(
        f"{ok:>7}",
        (f"{errors:>8}", Tone.WARN if errors else Tone.MUTED),
        f"{'' if running is None else running:>9}{passed:>8}",
        (f"{percent(passed / ok if ok else None, 1):>11}", Tone.STRONG),
    )
    interval = wilson(passed, ok)
    if wide and interval is not None:
        low, high = interval
        line.append_text(text((f"{f'{percent(low)} to {percent(high)}':>16}", Tone.MUTED)))
    return line
