"""The rehearsal of `scripts/bench rehearsal` in small: faults cost time and no reward, and no unit is run twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench.rehearsal import Faults, practice_config, rehearse

pytestmark = pytest.mark.slow


def test_errors_and_killed_servers_change_no_reward_and_every_unit_is_run_exactly_once(tmp_path: Path) -> None:
    faults = Faults(rate=0.05, kill_every_s=4)
    config = practice_config(tmp_path, faults, num_tasks=8, max_concurrency=8, speed=200)
    result = asyncio.run(rehearse(config, faults, lambda _: None))
    assert len(result.rewards) == 4 * 8
    assert result.exceptions == []
    assert result.exactly_once, (result.markers, result.simulations)
    assert result.killed > 0
    assert len(result.errors) > 1, "several kinds of errors"
