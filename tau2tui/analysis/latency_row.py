"""One series of calls in numbers, and what is said of it beside a picture. Imports no Polars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One series: milliseconds, and a share (0–1); None for a series without the figure."""

    series: str
    count: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    p10: float | None = None
    p20: float | None = None
    p25: float | None = None
    p30: float | None = None
    p40: float | None = None
    p50: float | None = None
    p60: float | None = None
    p70: float | None = None
    p75: float | None = None
    p80: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    under_sla: float | None = None


@dataclass(frozen=True, slots=True)
class Legend:
    """One of the one or two samples that are drawn."""

    row: LatencyRow
    """Its numbers, of the calls that the question is about."""
    run: str = ""
    """The run that it is of, if that is not this one."""
    says: str = ""
    """How many there are, and what the picture leaves out."""
