"""Themes, ASCII, and plain lines for screen readers hold for all screens at once."""

from __future__ import annotations

from functools import partial

import pytest

from tau2tui.config import ScreenConfig
from tests.tui.driving import WatchedApp, run_on, screen_text, shows, until
from tests.tui.fakes import ailing_cluster, make_ops

pytestmark = pytest.mark.slow


def wears(app: WatchedApp, look: str) -> bool:
    return app.theme == f"tau2tui-{look}"


async def test_every_look_can_be_worn_and_ascii_draws_nothing_else() -> None:
    async with run_on(make_ops(ailing_cluster()), size=(140, 36)) as (app, pilot):
        for look in ("light", "high-contrast", "colour-blind", "mono", "dark"):
            await pilot.press("colon", *f"theme {look}", "enter")
            await until(pilot, partial(wears, app, look))
        await pilot.press("colon", *"ascii", "enter")
        await until(pilot, lambda: "X failed" in screen_text(app))
        body = screen_text(app).splitlines()[:20]
        assert [line for line in body if not line.isascii()] == []
        await pilot.press("colon", *"ascii", "enter")
        await until(pilot, lambda: "✖ failed" in screen_text(app))


@pytest.mark.parametrize("size", [(80, 24), (180, 45)])
async def test_for_screen_readers_there_is_one_pane_of_plain_lines(size: tuple[int, int]) -> None:
    cluster = ailing_cluster()
    cluster.config = cluster.config.model_copy(update={"screen": ScreenConfig(reader=True)})
    async with run_on(make_ops(cluster), size=size) as (app, pilot):
        await until(pilot, lambda: "X failed" in screen_text(app))
        shown = screen_text(app)
        assert shown.isascii(), [line for line in shown.splitlines() if not line.isascii()]
        assert "affects" not in shown and "1 Fleet" not in shown
        await pilot.press("enter")
        await shows(pilot, "endpoint")
        assert screen_text(app).isascii()
        await pilot.press("q", "colon", *"reader", "enter")
        await until(pilot, lambda: "1 Fleet" in screen_text(app))


async def test_screens_that_lie_behind_are_drawn_in_ascii_too() -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: "● running" in screen_text(app))
        await pilot.press("1", "colon", *"ascii", "enter", "2")
        await until(pilot, lambda: "+ running" in screen_text(app))
        assert screen_text(app).isascii()
