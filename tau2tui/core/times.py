"""Times and lengths of time as people type them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from tau2tui.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def time_of(text: str, last: datetime) -> datetime:
    """A whole time, a time of the day of `last` or the day before, or so long before `last` (30m). Raises ConfigError.

    Local time, as in the logs; one with a zone is brought to it.
    """
    if re.fullmatch(r"\d+[smhd]", text):
        return last - timedelta(seconds=seconds_of(text))
    if clock := re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text):
        hour, minute, second = (int(part or 0) for part in clock.groups())
        if hour < 24 and minute < 60 and second < 60:
            at = last.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return at if at <= last else at - timedelta(days=1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time", "for example 03:10, 2026-01-02 03:10, or 30m") from None
    return at.astimezone().replace(tzinfo=None) if at.tzinfo else at


def seconds_of(text: str) -> float:
    """30s, 10m, 1h, 2d in seconds. Raises ConfigError."""
    length = re.fullmatch(r"(\d+)([smhd])", text)
    if not length or not int(length[1]):
        raise ConfigError(f"{text!r} is no length of time", "for example 30s, 10m or 1h")
    return int(length[1]) * _UNITS[length[2]]
