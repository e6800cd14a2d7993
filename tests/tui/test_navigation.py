"""Going from screen to screen."""

from __future__ import annotations

import pytest

from tests.tui.driving import run_on, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def fleet() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    return cluster


async def test_minus_goes_back_to_the_screen_before() -> None:
    async with run_on(make_ops(fleet())) as (app, pilot):
        await pilot.press("5", "6", "minus")
        assert app.current_mode == "latency"
        await pilot.press("minus")
        assert app.current_mode == "logs"


async def test_the_fleet_of_now_comes_back_wherever_the_operator_is() -> None:
    async with run_on(make_ops(fleet())) as (app, pilot):
        await pilot.press("colon", *"at 1m", "enter")
        await until(pilot, lambda: app.moment is not None)
        await pilot.press("2", "full_stop")
        await until(pilot, lambda: app.moment is None)
        assert app.current_mode == "jobs"
