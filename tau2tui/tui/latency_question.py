"""What the latency screen is asked for: series, metric, domain, stretch of time, axis, picture; and how it is typed."""

from __future__ import annotations

from dataclasses import dataclass

from tau2tui.core.times import parse_latency
from tau2tui.core.window import WHOLE_RUN, Window

METRICS = {"duration_ms": "total", "prefill_ms": "prefill", "decode_ms": "decode", "queue_ms": "queue"}
"""Column of the events → what the screen calls it; the prefill ends with the first token (TTFT), and the queue is what
total leaves beside prefill and decode."""
PICTURES = ("histogram", "cdf", "heat-map")
PICTURE_NAMES = {"histogram": "histogram", "cdf": "distribution function (CDF)", "heat-map": "heat-map over time"}
BINS = (10, 20, 40, 80)
MOST_BINS = 1000
LAST_MINUTES = (None, 5, 15, 60)
"""The windows that a key goes through; None: the whole run."""
LEAST_SPAN_MS = 1e-3
"""No axis is shorter: bins between numbers that hardly differ have no edges."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the screen wants to see."""

    series: str = ""
    """The series that is drawn; empty or unknown: the first."""
    other: str = ""
    """A second one over it; of the other run, if there is one."""
    picture: str = "histogram"
    """One of PICTURES."""
    metric: str = "duration_ms"
    """One of METRICS."""
    domain: str = ""
    """Only the calls of this domain; empty: of all."""
    window: Window = WHOLE_RUN
    bins: int = 40
    log: bool = False
    zoom: tuple[float, float] | None = None
    """Where the axis of latencies begins and ends, milliseconds; None: by itself."""
    sla_ms: float = 5000.0
    width: int = 78
    height: int = 10


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


def next_bins(now: int, step: int) -> int:
    """The next of the numbers of bins that a key goes through, or the last of them."""
    further = [bins for bins in BINS if (bins - now) * step > 0]
    return (further[0] if step > 0 else further[-1]) if further else now
