"""Times and lengths of time as people type them."""

from __future__ import annotations

from datetime import datetime

import pytest

from tau2tui.core.times import seconds_of, time_of
from tau2tui.errors import ConfigError

LAST = datetime.fromisoformat("2026-01-02 03:12:05")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", "2026-01-02 02:42:05"),
        ("2d", "2025-12-31 03:12:05"),
        ("03:10", "2026-01-02 03:10:00"),
        ("3:10:59", "2026-01-02 03:10:59"),
        ("23:10", "2026-01-01 23:10:00"),
        ("2026-01-01 09:00", "2026-01-01 09:00:00"),
        ("2026-01-01", "2026-01-01 00:00:00"),
    ],
)
def test_a_time_of_the_day_is_the_last_one_that_was(text: str, expected: str) -> None:
    assert time_of(text, LAST) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "3:60", "3:1", "m", "-5m", "1.5h"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        time_of(text, LAST)


def test_lengths_have_one_unit_and_are_not_nothing() -> None:
    assert [seconds_of(text) for text in ("30s", "10m", "1h", "2d")] == [30, 600, 3600, 172800]
    for text in ("0m", "10", "1w", "m"):
        with pytest.raises(ConfigError, match="no length of time"):
            seconds_of(text)
