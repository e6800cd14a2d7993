"""Stretches of time in logs as people type them."""

from __future__ import annotations

from datetime import datetime

import pytest

from tau2tui.core.window import Window, parse_window

NEWEST = datetime.fromisoformat("2025-12-30 17:52:25")


@pytest.mark.parametrize(
    ("words", "begin", "end"),
    [
        ("15m", "2025-12-30 17:37:25", None),
        ("15", "2025-12-30 17:37:25", None),
        ("90s", "2025-12-30 17:50:55", None),
        ("03:10 04:00", "2025-12-30 03:10:00", "2025-12-30 04:00:00"),
        ("3:10 – 4:00", "2025-12-30 03:10:00", "2025-12-30 04:00:00"),
        ("17:40", "2025-12-30 17:40:00", None),
        ("23:30 00:15", "2025-12-29 23:30:00", "2025-12-30 00:15:00"),
        ("18:00 18:30", "2025-12-29 18:00:00", "2025-12-29 18:30:00"),
        ("2025-12-28 17:40 18:00", "2025-12-28 17:40:00", "2025-12-28 18:00:00"),
        ("2025-12-28T23:00:30 2025-12-30T01:00", "2025-12-28 23:00:30", "2025-12-30 01:00:00"),
        ("2025-12-28 17:40..18:00", "2025-12-28 17:40:00", "2025-12-28 18:00:00"),
        ("03:10..", "2025-12-30 03:10:00", None),
        ("all", None, None),
        ("", None, None),
    ],
)
def test_a_window_is_a_stretch_of_the_logs_own_time(words: str, begin: str | None, end: str | None) -> None:
    wanted = tuple(None if moment is None else datetime.fromisoformat(moment) for moment in (begin, end))
    assert parse_window(words).bounds(NEWEST) == wanted


@pytest.mark.parametrize(
    "words",
    [
        "yesterday",
        "03:10 04:00 05:00",
        "25:00",
        "03:70 04:00",
        "0m",
        "..04:00",
        "03:10 to 04:00",
        "2025-13-01 03:10",
        "9999-12-31 23:59 00:01",
    ],
)
def test_what_is_no_window_is_said_to_be_none(words: str) -> None:
    with pytest.raises(ValueError, match=r"is no window|is no time|some length"):
        parse_window(words)


def test_a_window_says_what_it_is() -> None:
    assert str(Window()) == "whole run"
    assert str(parse_window("15m")) == "last 15 min"
    assert str(parse_window("3h")) == "last 3 h"


@pytest.mark.parametrize("words", ["9" * 400, "99999999h"])
def test_a_window_that_no_clock_can_hold_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="longer than anything"):
        parse_window(words)
