"""What goes wrong in the evaluation: failed attempts by class with their rates, where, and of how many calls."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from tau2tui.core.fleet import per_minute
from tau2tui.core.model import EvalProgress
from tau2tui.tui.format import UNKNOWN, Tone, duration, percent, text, whole

_MOST_CLASSES = 6


def counter_lines(
    progress: EvalProgress, earlier: EvalProgress | None, watched_s: float, *, tall: bool, wide: bool
) -> list[Text]:
    """Counters with the largest first; what does not fit is cut off at the edge. In a tall terminal a line a class."""
    total = sum(progress.errors.values())
    told = f"{whole(total)} in all, {whole(progress.retries)} tried again" if total else "none"
    if total and wide:
        calls = sum(progress.calls.values())
        told += f", {percent(total / (total + calls), 1)} of attempts"
    if tall and total:
        lines = [text((f" {'errors':<10}", Tone.MUTED), told), *_class_lines(progress, earlier, watched_s)]
    else:
        lines = [_counters("errors", progress.errors, told)]
    if progress.errors_by_replica:
        lines.append(_counters("  at", progress.errors_by_replica, ""))
    if progress.unit_errors:
        lines.append(_counters("lost units", progress.unit_errors, ""))
    lines.append(_counters("calls", progress.calls, "" if progress.calls else "none yet"))
    return lines


def _class_lines(progress: EvalProgress, earlier: EvalProgress | None, watched_s: float) -> list[Text]:
    """The most frequent classes: how often, and how often a minute lately and over the whole run."""
    elapsed_min = (progress.updated_at - progress.started_at) / 60
    watched = per_minute(1.0, 0.0, watched_s) is not None
    lately = f"/MIN {duration(watched_s)}" if earlier is not None and watched else "/MIN NOW"
    lines = [text((f"    {'CLASS':<14}{'COUNT':>7}{lately:>13}{'/MIN RUN':>10}{'SHARE':>8}", Tone.MUTED))]
    total = sum(progress.errors.values())
    for name, count in _largest(progress.errors)[:_MOST_CLASSES]:
        now = per_minute(count, earlier.errors.get(name, 0) if earlier else None, watched_s)
        rising = now is not None and elapsed_min > 0 and now > 2 * count / elapsed_min and now >= 1
        lines.append(
            text(
                f"    {name[:14]:<14}",
                (f"{whole(count):>7}", Tone.STRONG),
                (f"{UNKNOWN if now is None else f'{now:.1f}':>13}", Tone.WARN if rising else Tone.PLAIN),
                f"{UNKNOWN if elapsed_min <= 0 else f'{count / elapsed_min:.1f}':>10}",
                (f"{percent(count / total):>8}", Tone.MUTED),
            )
        )
    return lines


def _counters(title: str, counts: Mapping[str, int], told: str) -> Text:
    largest = _largest(counts)
    line = text((f" {title:<10}", Tone.MUTED), told, "   " if told and largest else "")
    parts = [text((name, Tone.PLAIN), " ", (whole(count), Tone.STRONG)) for name, count in largest]
    return line.append_text(Text("  ·  ").join(parts))


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
