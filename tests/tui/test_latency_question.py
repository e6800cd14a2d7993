"""What is typed at the latency screen, and which stretch of time it means."""

from __future__ import annotations

from datetime import datetime

import pytest

from tau2tui.core.times import parse_latency
from tau2tui.core.window import Window, parse_window
from tau2tui.tui.latency_question import next_bins, parse_sla, parse_zoom

NEWEST = datetime.fromisoformat("2025-12-30 17:52:25")


@pytest.mark.parametrize(
    ("words", "milliseconds"),
    [("3s", 3000), ("250ms", 250), ("1.5s", 1500), ("2m", 120_000), ("800", 800), (" 1 h ", 3.6e6)],
)
def test_a_latency_is_typed_with_its_unit_or_in_milliseconds(words: str, milliseconds: float) -> None:
    assert parse_latency(words) == milliseconds


@pytest.mark.parametrize("words", ["", "fast", "-3s", "3 parsecs", "1e3", "nan", "3s 4s"])
def test_what_is_no_latency_is_said_to_be_none(words: str) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        parse_latency(words)


def test_what_no_clock_can_hold_is_refused() -> None:
    for words in ("9" * 400, "99999999h"):
        with pytest.raises(ValueError, match="longer than anything"):
            parse_latency(words)
        with pytest.raises(ValueError, match="longer than anything"):
            parse_window(words)
    with pytest.raises(ValueError, match="does not lie before"):
        parse_zoom("1000 1000.0000000001")


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no call below"):
        parse_sla("0s")


def test_a_zoom_has_two_ends_in_order_or_none() -> None:
    assert parse_zoom("500ms 3s") == (500, 3000)
    assert parse_zoom("  ") is None
    with pytest.raises(ValueError, match="3s does not lie before 1s"):
        parse_zoom("3s 1s")
    with pytest.raises(ValueError, match="where the axis begins"):
        parse_zoom("3s")


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


def test_bins_go_up_and_down_also_from_a_number_that_was_typed() -> None:
    assert [next_bins(bins, 1) for bins in (10, 40, 80, 33, 200)] == [20, 80, 80, 40, 200]
    assert [next_bins(bins, -1) for bins in (10, 40, 80, 33, 200)] == [10, 20, 40, 20, 80]
