"""Quantities as people read them, on the screens and beside pictures: counts, shares, lengths of time, bytes."""

from __future__ import annotations

UNKNOWN = "–"
"""What stands for a value that is not known; unknown is not zero."""


def whole(value: float | None) -> str:
    """A count."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace(",", " ")


def percent(share: float | None, digits: int = 0) -> str:
    """A share (0–1) in per cent."""
    return UNKNOWN if share is None else f"{share * 100:.{digits}f}%"


def duration(seconds: float | None) -> str:
    """Seconds in at most two units: 42s, 4m05s, 3h10m, 1d03h."""
    if seconds is None:
        return UNKNOWN
    total = max(0, round(seconds))
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m{total % 60:02}s"
    if total < 86400:
        return f"{total // 3600}h{total % 3600 // 60:02}m"
    return f"{total // 86400}d{total % 86400 // 3600:02}h"


def latency(milliseconds: float | None) -> str:
    """Milliseconds with three digits that count: 93ms, 4.02s, 70.6s, 427s."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 9.995:
        return f"{milliseconds:.1f}ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.{2 if seconds < 9.995 else 1 if seconds < 99.95 else 0}f}s"


def threshold(milliseconds: float) -> str:
    """A round number of milliseconds as people say it: 5s, 1.5s, 200ms."""
    return f"{milliseconds / 1000:g}s" if milliseconds >= 1000 else f"{milliseconds:g}ms"


def size(count: int) -> str:
    """Bytes, in the unit that leaves at most four digits."""
    value, units = float(count), ["B", "KB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 10 else f"{value:.1f} {units[0]}"
