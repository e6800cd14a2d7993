from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tau2tui.analysis.timeline import UnitRun, most_at_once

NOON = datetime.fromisoformat("2025-12-30 12:00:00")


def run(start: int, took: int | None) -> UnitRun:
    begun = NOON + timedelta(seconds=start)
    return UnitRun("retail", "1", begun, begun, None if took is None else begun + timedelta(seconds=took))


@given(st.lists(st.builds(run, st.integers(0, 20), st.none() | st.integers(0, 10)), max_size=12), st.integers(0, 20))
def test_the_most_at_once_is_what_comparing_all_with_all_finds(runs: list[UnitRun], since: int) -> None:
    now, after = NOON + timedelta(seconds=40), NOON + timedelta(seconds=since)
    starts = [one.started_at for one in runs if one.started_at >= after]
    expected = [sum(other.started_at <= at < (other.ended_at or now) for other in runs) for at in starts]
    assert most_at_once(runs, after, now) == max(expected, default=0)
