"""Faults that take minutes: `scripts/faults` alone runs them; each has a short form in the suite."""

from __future__ import annotations

from pathlib import Path

from tests.bench.kills import kill_and_compare
from tests.faults.storms import kills_and_refusals, weather

STORM_S = 600.0
KILLS = 100
Figures = dict[str, object]


def ten_minutes_of_kills_and_refusals(directory: Path) -> Figures:
    """Every replica killed at random. Raises AssertionError if any result differs, is missing or doubled."""
    weathered = weather(directory, kills_and_refusals, STORM_S, seed=11)
    findings = weathered.findings
    assert not findings.differing and not findings.not_once and not findings.counted_twice, findings
    assert weathered.retries > 0 and weathered.harm["replicas killed"] == 5
    return dict(weathered.figures)


def a_hundred_kills_of_the_driver(directory: Path) -> Figures:
    """At random moments. Raises AssertionError if any result differs or is doubled, or any log line is torn."""
    findings = kill_and_compare(directory, kills=KILLS, trials=KILLS // 4, seed=7)
    assert findings.good, findings
    return {
        "kills": findings.kills,
        "within 2 s of the start": findings.early,
        "units": findings.units,
        "results that differ": 0,
        "torn lines": 0,
    }
