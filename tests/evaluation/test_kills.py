"""A driver that is killed at random moments: the results are those of one that is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.kills import kill_and_compare

pytestmark = pytest.mark.slow


def test_whenever_it_is_killed_nothing_is_lost_changed_doubled_or_torn(tmp_path: Path) -> None:
    findings = kill_and_compare(tmp_path, kills=5, trials=3, seed=7)
    assert findings.good, findings
    assert (findings.kills, findings.units) == (5, 30)
