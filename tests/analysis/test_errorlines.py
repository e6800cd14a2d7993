"""What a pattern of the configuration matches does not depend on how a line is dressed."""

from __future__ import annotations

import re

import polars as pl
import pytest

from tau2tui.analysis.errorlines import ErrorPatterns

DRESSES = [
    "{}",
    "  {}",
    "[tau2/cli.py STDERR] {}",
    "[2025-12-30 17:32:15] [tau2/cli.py STDOUT] {}",
    "\x1b[31m{}\x1b[0m",
    "[2025-12-30 17:32:15] \x1b[36m{}\x1b[0m \r",
]
PATTERNS = [
    "Task failed",
    "^Task failed",
    r"\ATask failed",
    "of order 17$",
    r"\bTask",
    "Task failed: .*17$",
    r"^Task failed: of order \d+$",
    "(?<!x)Task failed",
    r"^(T)ask.*\1?",
]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_the_message_however_it_is_dressed(pattern: str, dress: str) -> None:
    lines = pl.Series(["nothing", dress.format("Task failed: of order 17"), None, "\x1b[31m"])
    assert ErrorPatterns({"own": pattern}).parse(lines, "retail")["name"].to_list() == ["own"]


def test_colours_within_the_words_do_not_hide_them() -> None:
    lines = pl.Series(["Task \x1b[31mfailed\x1b[0m: x"])
    assert ErrorPatterns({"own": "Task failed"}).parse(lines, "").height == 1


@pytest.mark.parametrize("pattern", ["STDERR", r"^\[2025", "^$"])
def test_the_dress_itself_is_no_message(pattern: str) -> None:
    lines = pl.Series(["[2025-12-30 17:32:15] [tau2/cli.py STDERR] Task failed"])
    assert re.search(pattern, "Task failed") is None
    assert ErrorPatterns({"own": pattern}).parse(lines, "").is_empty()
