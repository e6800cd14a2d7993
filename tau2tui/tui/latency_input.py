"""What is typed at the latency screen, and what its keys go through."""

from __future__ import annotations

from tau2tui.analysis.latency_question import LEAST_SPAN_MS, MOST_BINS
from tau2tui.core.times import parse_latency

BINS = (10, 20, 40, 80)
LAST_MINUTES = (None, 5, 15, 60)
"""The windows that a key goes through; None: the whole run."""
_MOST_SHOWN = 20
"""Characters of what was typed, in an answer to it."""


def parse_sla(words: str) -> float:
    """A threshold in milliseconds. Raises ValueError."""
    if not (value := parse_latency(words)):
        raise ValueError("a threshold of 0 has no call below it")
    return value


def parse_zoom(words: str) -> tuple[float, float] | None:
    """`LOW HIGH` in milliseconds, both with a unit if there is one; nothing: the whole axis. Raises ValueError."""
    parts = words.split()
    if not parts:
        return None
    if len(parts) != 2:
        raise ValueError("zoom takes where the axis begins and where it ends: 500ms 3s")
    low, high = (parse_latency(part) for part in parts)
    if high - low < LEAST_SPAN_MS:
        raise ValueError(f"{parts[0]} does not lie before {parts[1]}")
    return low, high


def parse_bins(words: str) -> int:
    """A number of bars. Raises ValueError."""
    digits = words.strip().lstrip("0")
    # Of thousands of digits `int` makes no number, and says that in words of its own.
    if digits.isdecimal() and len(digits) <= len(str(MOST_BINS)) and int(digits) <= MOST_BINS:
        return int(digits)
    raise ValueError(f"bins are a number from 1 to {MOST_BINS}, not {_cut(words)!r}")


def _cut(words: str) -> str:
    return words if len(words) <= _MOST_SHOWN else f"{words[:_MOST_SHOWN]}…"


def next_bins(now: int, step: int) -> int:
    """The next of the numbers of bins that a key goes through, or the last of them."""
    further = [bins for bins in BINS if (bins - now) * step > 0]
    return (further[0] if step > 0 else further[-1]) if further else now
