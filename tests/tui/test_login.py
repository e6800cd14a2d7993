"""What a login asks while the screens are open."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tau2tui.ops import Ops
from tau2tui.remote.login import Question
from tau2tui.tui.plain import plain_lines
from tau2tui.tui.screens.login import LoginScreen
from tests.tui.driving import run_on, shows, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow

QUESTION = Question("login1", "Duo two-factor\n [b]1.[/b] push to \x1b[31mphone", "Passcode: ", echoed=False)


async def asked(pilot: Pilot[None], ops: Ops, question: Question) -> asyncio.Task[str | None]:
    """Ask, and wait for the sheet; the task has the answer."""
    asking = asyncio.create_task(ops.login.ask(question))
    await until(pilot, lambda: isinstance(pilot.app.screen, LoginScreen))
    return asking


async def test_a_sheet_shows_what_is_asked_and_hides_what_is_typed() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (app, pilot):
        asking = await asked(pilot, ops, QUESTION)
        await shows(pilot, "login1 asks")
        await shows(pilot, "[b]1.[/b] push to")
        await pilot.press(*"q123")
        assert "q123" not in "\n".join(plain_lines(app.screen))
        await pilot.press("enter")
        assert await asking == "q123"
        assert not isinstance(app.screen, LoginScreen)


async def test_what_the_server_wants_to_be_seen_is_seen() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (app, pilot):
        asking = await asked(pilot, ops, Question("login1", "", "Way: ", echoed=True))
        assert not app.screen.query_one(Input).password
        await pilot.press("1", "enter")
        assert await asking == "1"


async def test_escape_gives_no_answer_and_a_refresh_lets_it_ask_again() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (app, pilot):
        asking = await asked(pilot, ops, QUESTION)
        await pilot.press("escape")
        assert await asking is None
        assert await ops.login.ask(QUESTION) is None
        assert not isinstance(app.screen, LoginScreen)
        await pilot.press("r")
        await until(pilot, lambda: ops.login.asks)


async def test_a_sheet_goes_when_nobody_waits_for_the_answer() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (app, pilot):
        asking = await asked(pilot, ops, QUESTION)
        asking.cancel()
        await until(pilot, lambda: not isinstance(app.screen, LoginScreen))
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_after_the_screens_nobody_is_asked() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops):
        assert ops.login.asks
    assert not ops.login.asks


async def test_a_sheet_that_nobody_waits_for_any_more_is_not_shown() -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (app, pilot):
        busy = asyncio.Event()
        app.call_later(busy.wait)
        asking = asyncio.create_task(ops.login.ask(QUESTION))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        busy.set()
        await pilot.pause()
        assert not isinstance(app.screen, LoginScreen)


@pytest.mark.parametrize("screen", ["3", "6", "7"])
async def test_a_refresh_on_a_screen_that_reads_by_itself_lets_a_login_ask_again(screen: str) -> None:
    ops = make_ops(FakeCluster(seed_config()))
    async with run_on(ops) as (_, pilot):
        asking = await asked(pilot, ops, QUESTION)
        await pilot.press("escape")
        assert await asking is None
        await pilot.press(screen, "r")
        await until(pilot, lambda: ops.login.asks)
