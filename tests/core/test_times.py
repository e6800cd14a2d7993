"""Times and lengths of time as people type them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tau2tui.core.times import parse_latency, parse_length, parse_moment

LAST = datetime.fromisoformat("2026-01-02 03:12:05")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", "2026-01-02 02:42:05"),
        ("30 min", "2026-01-02 02:42:05"),
        ("1.5h", "2026-01-02 01:42:05"),
        ("2d", "2025-12-31 03:12:05"),
        ("03:10", "2026-01-02 03:10:00"),
        ("3:10:59", "2026-01-02 03:10:59"),
        ("23:10", "2026-01-01 23:10:00"),
        (" 2026-01-01 09:00 ", "2026-01-01 09:00:00"),
        ("2026-01-01T09:00:00.250", "2026-01-01 09:00:00.250"),
        ("2026-01-01", "2026-01-01 00:00:00"),
        ("2027-01-01 9:00", "2027-01-01 09:00:00"),
    ],
)
def test_a_time_of_the_day_is_the_last_one_that_was(text: str, expected: str) -> None:
    assert parse_moment(text).at(LAST) == datetime.fromisoformat(expected)


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "EST5EDT")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 03:10Z", "2026-01-01 22:10:00"),
        ("2026-07-02T03:10:00+02:00", "2026-07-01 21:10:00"),
        ("2026-01-02 03:10-0500", "2026-01-02 03:10:00"),
    ],
)
def test_a_time_with_a_zone_is_brought_to_local_time(in_new_york: None, text: str, expected: str) -> None:
    assert parse_moment(text).at(LAST) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "3:60", "3:1", "m", "10", "-5m", "1.5", "2026-13-01", "2026-01-02 03:10+99:00", "9999-01-01"],
)
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: 03:10, 2026-01-02 03:10"):
        parse_moment(text)


def test_lengths_have_a_unit_or_that_of_who_asks() -> None:
    assert [parse_length(text) for text in ("30s", "10m", "1h", "2d", "250ms", "1.5h")] == [
        *(30, 600, 3600, 172800),
        *(0.25, 5400),
    ]
    assert parse_length("10", "m") == 600
    for text in ("10", "1w", "m", "-3s"):
        with pytest.raises(ValueError, match="no length of time"):
            parse_length(text)


def test_a_length_beyond_all_logs_is_none() -> None:
    with pytest.raises(ValueError, match="longer than anything"):
        parse_moment("99999999d")


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


@pytest.mark.parametrize("words", ["9" * 400, "99999999h"])
def test_a_latency_that_no_clock_can_hold_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="longer than anything"):
        parse_latency(words)
