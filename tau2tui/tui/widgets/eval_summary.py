"""How far the evaluation is: overall, by domain, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.core.eta import seed_time_left_s
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, TimeLeft
from tau2tui.tui.format import EVAL_STATES, UNKNOWN, Tone, bar, duration, percent, text, whole
from tau2tui.tui.summary import silent_s

_HEADER = f" {'DOMAIN':<10}{'DONE':>9}  {'%b'}{'OK':>7}{'ERRORS':>8}{'RUNNING':>9}{'PASSED':>8}{'PASS RATE':>11}"
_WIDE = 100
"""Columns from which on the seed's figure is shown too."""
_FIXED_WIDTH = len(_HEADER.replace("%b", "")) + 2


class Seen(NamedTuple):
    """An evaluation, the cluster's clock when it was looked at, whether that may no longer be true; the time left."""

    progress: EvalProgress
    clock: float
    old: bool = False
    left: TimeLeft | None = None


class EvalSummary(Widget):
    """State, progress and time left; a line for each domain; counters of calls and errors."""

    seen: reactive[Seen | None] = reactive(None, layout=True)
    planned: reactive[str] = reactive("")
    """What a start would run, in words."""

    def render(self) -> Group:
        if self.seen is None:
            return Group(
                text(("No evaluation of this run yet.", Tone.STRONG)),
                text(("s", Tone.ACCENT), f" starts one: {self.planned}."),
                text(("It needs a ready replica of every model: see 1 Fleet.", Tone.MUTED)),
            )
        progress, clock, old, left = self.seen
        room = max(8, min(40, self.size.width - _FIXED_WIDTH))
        return Group(
            _state_line(progress, clock, old=old),
            _overall_line(progress, left, self.size.width),
            Text(),
            text((_HEADER.replace("%b", " " * room), Tone.MUTED)),
            *(_domain_line(domain, room) for domain in progress.domains),
            Text(),
            *_counter_lines(progress),
        )


def _state_line(progress: EvalProgress, clock: float, *, old: bool) -> Text:
    glyph, tone = EVAL_STATES[progress.state]
    state = (f"{glyph} {progress.state}?", Tone.MUTED) if old else (f"{glyph} {progress.state}", tone)
    silence_s = silent_s(progress, clock)
    if silence_s is not None:
        state = (f"? {progress.state}, but no sign of life for {duration(silence_s)}", Tone.DOUBT)
    elapsed_s = (progress.finished_at or progress.updated_at) - progress.started_at
    rate = len(progress.durations_s) / elapsed_s * 60 if elapsed_s > 0 else None
    parts = [
        f"{progress.max_concurrency} at once",
        f"{duration(elapsed_s)} elapsed",
        f"{UNKNOWN if rate is None else f'{rate:.1f}'} tasks/min",
    ]
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


def _domain_line(domain: DomainProgress, room: int) -> Text:
    share = domain.finished / domain.total if domain.total else 0.0
    passed = domain.passed / domain.ok if domain.ok else None
    done = f"{domain.finished}/{domain.total}"
    return (
        text(f" {domain.domain:<10}{done:>9}  ")
        .append_text(bar(share, room))
        .append_text(
            text(
                f"{domain.ok:>7}",
                (f"{domain.errors:>8}", Tone.WARN if domain.errors else Tone.MUTED),
                f"{domain.running:>9}{domain.passed:>8}",
                (f"{percent(passed, 1):>11}", Tone.STRONG),
            )
        )
    )


def _counter_lines(progress: EvalProgress) -> list[Text]:
    """Counters with the largest first; what does not fit is cut off at the edge."""
    total = sum(progress.errors.values())
    told = f"{whole(total)} in all, {whole(progress.retries)} tried again" if total else "none"
    lines = [_counters("errors", progress.errors, told)]
    if progress.errors_by_replica:
        lines.append(_counters("  at", progress.errors_by_replica, ""))
    lines.append(_counters("calls", progress.calls, "" if progress.calls else "none yet"))
    return lines


def _counters(title: str, counts: Mapping[str, int], told: str) -> Text:
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    line = text((f" {title:<10}", Tone.MUTED), told, "   " if told and largest else "")
    parts = [text((name, Tone.PLAIN), " ", (whole(count), Tone.STRONG)) for name, count in largest]
    return line.append_text(Text("  ·  ").join(parts))
