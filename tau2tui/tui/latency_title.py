"""The lines above a latency picture: its kind, what it is of, and the numbers of what is drawn."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from tau2tui.analysis.latency_question import METRICS, PICTURE_NAMES
from tau2tui.analysis.latency_row import Legend
from tau2tui.tui.format import Tone, middle_cut, text
from tau2tui.tui.latencies import Answer


def title_lines(answer: Answer | None, width: int, trouble: str = "") -> Group:
    """What is drawn, or first of all why it may be old."""
    lines = [text((" STALE ", Tone.MATCH), (f" {trouble}", Tone.WARN))] if trouble else []
    if answer and answer.rows:
        lines.append(text((PICTURE_NAMES[answer.question.picture], Tone.STRONG), (_described(answer), Tone.MUTED)))
        marks = ("█ ", "× ") if len(answer.legends) > 1 else ("",)
        lines += [_legend_line(*each, width) for each in zip(marks, answer.legends, strict=True)]
        if answer.note:
            lines.append(text((answer.note, Tone.MUTED)))
    return Group(*lines)


def _described(answer: Answer) -> str:
    """What stands behind the kind of picture."""
    question = answer.question
    of = f" of {METRICS[question.metric]} time"
    if question.metric == "prefill_ms":
        of += " (to the first token)"
    parts = [of + (f", {question.bins} bins" if question.picture == "histogram" else "")]
    parts[0] += ", log axis" if question.log else ""
    parts += ["zoomed"] if question.zoom else []
    parts += [question.domain] if question.domain else []
    if answer.span and not question.window.whole:
        begin, end = answer.span
        layout = "%H:%M" if begin.date() == end.date() else "%m-%d %H:%M"
        named = f"{question.window} " if question.window.last_s else ""
        parts.append(f"{named}{begin:{layout}}–{end:{layout}}")
    parts += [f"{answer.skipped} lines not readable"] if answer.skipped else []
    if answer.incidents:
        more = f" (+{len(answer.incidents) - 1} more)" if len(answer.incidents) > 1 else ""
        parts.append(f"{answer.incidents[-1]}{more}")
    return " · ".join(parts)


def _legend_line(mark: str, legend: Legend, width: int) -> Text:
    run = f" ({legend.run})" if legend.run else ""
    room = max(16, width - len(mark) - len(legend.says) - 2)
    name = middle_cut(f"{legend.row.series}{run}", room)
    return text((mark, Tone.STRONG), (name, Tone.STRONG), f"  {legend.says}")


def no_calls() -> Group:
    """What stands where there is nothing to draw yet."""
    return Group(
        text(("No calls in the logs yet.", Tone.STRONG)),
        text(("They appear as soon as an evaluation writes profile lines, ", Tone.MUTED)),
        text(("such as logs/tau2_<domain>.log.", Tone.MUTED)),
    )
