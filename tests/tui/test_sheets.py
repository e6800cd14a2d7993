"""Sheets above a screen: what is longer than they are can be read, and of several one is shown at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.containers import VerticalScroll

from tau2tui.tui.screens.help import HelpScreen
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tests.tui.driving import run_on, screen_text, shows, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow
LINES = tuple(f"step {number}" for number in range(60))


def fleet() -> FakeCluster:
    cluster = FakeCluster(seed_config())
    cluster.start_fleet()
    return cluster


@pytest.mark.parametrize(
    "sheet",
    [
        lambda: ReviewScreen("Really?", LINES, ()),
        lambda: ReviewScreen("Really?", LINES, (), challenge="stop"),
        lambda: ResultsScreen("Done", tuple((line, "gone", False) for line in LINES)),
    ],
    ids=["review", "review with a challenge", "results"],
)
async def test_all_of_a_long_sheet_can_be_read(sheet: Callable[[], ReviewScreen | ResultsScreen]) -> None:
    async with run_on(make_ops(fleet()), size=(80, 24)) as (app, pilot):
        app.push_screen(sheet())
        await shows(pilot, "step 3")
        await pilot.press("down", *["pagedown"] * 6)
        await shows(pilot, "step 59")
        await pilot.press(*["pageup"] * 6)
        await shows(pilot, "step 0")


async def test_help_is_moved_by_pages_with_the_keys_that_it_names() -> None:
    async with run_on(make_ops(fleet()), size=(80, 24)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        body = app.screen.query_one(VerticalScroll)
        await pilot.press("ctrl+d")
        await until(pilot, lambda: body.scroll_offset.y > 5)
        await pilot.press("ctrl+u")
        await until(pilot, lambda: body.scroll_offset.y == 0)


async def test_several_marked_jobs_are_asked_about_one_after_the_other_in_their_order() -> None:
    cluster = fleet()
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("2", "space", "space", "R")
        await shows(pilot, "Relaunch job oss_eval_node1?")
        assert sum(isinstance(screen, ReviewScreen) for screen in app.screen_stack) == 1
        await pilot.press("n")
        await shows(pilot, "Relaunch job oss_eval_node2?")
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, ReviewScreen))
        assert "Relaunch job" not in screen_text(app)
        assert cluster.requests == []
