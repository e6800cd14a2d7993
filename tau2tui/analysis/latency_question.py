"""What a latency picture is asked to show, for the screen and for the word `latency` alike. Imports no Polars."""

from __future__ import annotations

from dataclasses import dataclass

from tau2tui.core.window import WHOLE_RUN, Window

METRICS = {"duration_ms": "total", "prefill_ms": "prefill", "decode_ms": "decode", "queue_ms": "queue"}
"""Column of the events → what people call it; the prefill ends with the first token (TTFT), and the queue is what total
leaves beside prefill and decode."""
COLUMNS = {name: column for column, name in METRICS.items()} | {"ttft": "prefill_ms"}
"""What people call it → column of the events."""
PICTURES = ("histogram", "cdf", "heat-map")
PICTURE_NAMES = {"histogram": "histogram", "cdf": "distribution function (CDF)", "heat-map": "heat-map over time"}
MOST_BINS = 1000
LEAST_SPAN_MS = 1e-3
"""No axis is shorter: bins between numbers that hardly differ have no edges."""


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """Which calls are drawn, and how."""

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
    """Room for the picture, columns of a terminal; a heat-map in a file has as many stretches of time as fit there."""
    height: int = 10
    """Lines of a terminal, likewise."""
