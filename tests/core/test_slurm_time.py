"""Lengths of time as SLURM writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.core.slurm_time import slurm_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("1:00:00", 3600),
        ("24:00:00", 86400),
        ("2-12", 216000),
        ("1-0:30", 88200),
        ("1-00:00:30", 86430),
        ("infinite", None),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("NOT_SET", None),
        ("1:2:3:4", None),
        ("-1:00", None),
        ("²:00", None),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_lengths_are_read_as_slurm_reads_them(text: str, seconds: float | None) -> None:
    assert slurm_seconds(text) == seconds


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_length_is_the_seconds_that_were_written(days: int, hours: int, minutes: int, seconds: int) -> None:
    wanted = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert slurm_seconds(f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}") == wanted


@given(st.text(alphabet="0123456789²٣_-:+|, RUNING\x1f\n%\x00é", max_size=30))
def test_no_text_is_a_crash_or_less_than_nothing(text: str) -> None:
    assert (slurm_seconds(text) or 0.0) >= 0.0
