"""Units in which nothing happens are named once, and those that take too long are found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tau2tui.core.layout import RunLayout
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.units import Unit
from tau2tui.evaluation.watch import Watch

UNIT = Unit("retail", "17", 1, 7)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tally() -> Tally:
    tally = Tally({"retail": 2}, EvalProgress(EvalState.STARTING, 1.0, 1.0))
    tally.started(UNIT)
    tally.doing(UNIT, "expert-1", "expert-1-0")
    return tally


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, RunLayout(), ("retail",)) as journal:
        yield journal


def test_a_stalled_unit_is_named_once_with_what_it_waits_for(tally: Tally, journal: Journal, tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tally, journal, stall_s=300, unit_timeout_s=7200, clock=clock)
    clock.now += 200
    assert watch.overdue() == []
    assert not tally.running()[0].stalled
    for _ in range(2):
        clock.now += 101
        assert watch.overdue() == []
    assert tally.running()[0].stalled
    # It goes on, and stalls again: that is news.
    tally.stepped(UNIT, 3)
    clock.now += 301
    watch.overdue()
    with journal:
        pass  # everything that was said is in the files once it is closed
    first, second = (tmp_path / "logs/fullrun.log").read_text().splitlines()
    assert "retail/17#1 stalled: no event for 301 s, it waits for expert-1 at expert-1-0 after 0 steps" in first
    assert "retail/17#1 stalled: " in second and second.endswith("after 3 steps")
    assert [first, second] == (tmp_path / "logs/eval_retail.log").read_text().splitlines()


def test_what_takes_too_long_as_a_whole_is_found_even_if_it_is_busy(tally: Tally, journal: Journal) -> None:
    clock = Clock()
    watch = Watch(tally, journal, stall_s=1e9, unit_timeout_s=600, clock=clock)
    clock.now += 590
    tally.stepped(UNIT, 9)
    assert watch.overdue() == []
    clock.now += 11
    assert [unit.name for unit in watch.overdue()] == ["retail/17#1"]
