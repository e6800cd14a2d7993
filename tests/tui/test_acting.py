"""The ways to an act: key, `:` line, menu and palette; and what the app itself does."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.command import CommandPalette
from textual.keys import _character_to_key
from textual.widgets import Input

from tau2tui.tui.reach import reachable
from tau2tui.tui.screens.menu import MenuScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.tui.driving import WatchedApp, run_on, screen_text, shows, tells, until
from tests.tui.fakes import ailing_cluster, make_ops

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Copies and pictures go to a directory of the test; there is no tmux around it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TMUX", raising=False)
    return tmp_path / "tau2tui"


def table(app: WatchedApp) -> FleetTable:
    return app.screen.query_one(FleetTable)


async def test_a_filter_is_typed_below_the_table_and_enter_keeps_it() -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("slash", *"state:!ready")
        assert [row[1] for row in map(table(app).drawn_row, range(table(app).row_count))] == ["expert-1-2"]
        await pilot.press("enter")
        await shows(pilot, "1 of 16 match state:!ready")
        assert table(app).has_focus
        await pilot.press("escape")
        assert table(app).row_count == 16


async def test_a_filter_that_says_nothing_is_answered_while_it_is_typed() -> None:
    async with run_on(make_ops(ailing_cluster()), size=(140, 36)) as (app, pilot):
        await pilot.press("slash", *"colour:red")
        await shows(pilot, "no column 'colour' here")
        await pilot.press("enter")
        assert app.screen.query_one("#filter", Input).has_focus
        await pilot.press("escape")
        assert table(app).row_count == 16


async def test_the_command_line_goes_to_screens_and_does_acts() -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("colon", *"eval", "enter")
        assert app.current_mode == "eval"
        await pilot.press("colon", *"fleet", "enter")
        await pilot.press("colon", *"goto expert-1-2", "enter")
        assert table(app).cursor_key == "expert-1-2"
        await pilot.press("colon", *"filter-by state:failed", "enter")
        assert table(app).row_count == 1
        await pilot.press("colon", *"stop", "enter")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))


async def test_the_command_line_completes_and_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    async with run_on(make_ops(ailing_cluster()), size=(140, 36)) as (app, pilot):
        await pilot.press("colon", *"filter-b")
        entry = app.screen.query_one("#command", Input)
        await until(pilot, lambda: entry._suggestion == "filter-by")
        await pilot.press("tab")
        assert entry.value == "filter-by"
        await shows(pilot, "FILTER  Show only rows that match")
        await pilot.press("escape")
        assert table(app).has_focus


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nonsense", "there is nothing here that is called 'nonsense'; x lists all"),
        ("help me", "help takes nothing behind it"),
        ("goto nobody", "no row is called 'nobody' here"),
        ("wear pink", "there is nothing here that is called 'wear'"),
        ("theme pink", "no theme 'pink'; there are dark, light, high-contrast, colour-blind, mono"),
        ("filter-by kv>much", "'much' is no number"),
    ],
)
async def test_a_command_that_cannot_be_done_says_why(typed: str, said: str) -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("colon", *typed, "enter")
        await tells(pilot, app, said)


async def test_the_menu_offers_what_can_be_done_here_and_does_it() -> None:
    async with run_on(make_ops(ailing_cluster()), size=(120, 40)) as (app, pilot):
        await pilot.press("colon", *"goto expert-1-2", "enter", "x")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        await shows(pilot, "Relaunch", "tau2tui relaunch", "Start it again in its job")
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: "Done: relaunch expert-1-2" in app.told)


async def test_the_palette_finds_an_act_by_a_few_letters() -> None:
    async with run_on(make_ops(ailing_cluster()), size=(120, 40)) as (app, pilot):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"high-contr")
        await shows(pilot, "Everywhere: Theme")
        await pilot.press("down", "enter")
        await until(pilot, lambda: not isinstance(app.screen, CommandPalette))
        await until(pilot, lambda: app.screen.query_one("#command", Input).value == "app.theme ")


async def test_the_palette_names_keys_by_what_is_typed() -> None:
    async with run_on(make_ops(ailing_cluster()), size=(120, 40)) as (app, pilot):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"everywhere help")
        await shows(pilot, "Everywhere: Help  (?)")
        assert "question_mark" not in screen_text(app)


async def test_read_only_is_switched_while_it_runs_and_refuses_then() -> None:
    cluster = ailing_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("colon", *"read-only", "enter")
        await shows(pilot, "read-only")
        await pilot.press("colon", *"goto expert-1-2", "enter")
        await until(pilot, lambda: table(app).cursor_key == "expert-1-2")
        await pilot.press("R")
        await until(pilot, lambda: any(words.startswith("Not done: relaunch") for words in app.told))
        await pilot.press("colon", *"read-only", "enter")
        await pilot.press("R")
        await until(pilot, lambda: any(words.startswith("Done: relaunch") for words in app.told))
        assert cluster.requests


async def test_what_was_started_read_only_stays_so() -> None:
    async with run_on(make_ops(ailing_cluster(), read_only=True)) as (app, pilot):
        await pilot.press("colon", *"read-only", "enter")
        await until(pilot, lambda: "it was started with --read-only" in app.told)
        assert app.read_only


async def test_a_copy_says_where_it_went_and_is_kept_in_a_file(own_cache: Path) -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("y")
        await tells(pilot, app, "sent to the terminal's clipboard")
        assert app.clipboard == "orchestrator-0"
        assert (own_cache / "clip.txt").read_text() == "orchestrator-0"
        assert (own_cache / "clip.txt").stat().st_mode & 0o777 == 0o600


async def test_the_contested_key_says_which_keys_are_meant() -> None:
    cluster = ailing_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("c")
        await tells(pilot, app, "y copies, K stops")
        assert cluster.requests == []


async def test_a_picture_of_the_screen_is_saved(own_cache: Path) -> None:
    async with run_on(make_ops(ailing_cluster())) as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any(words.startswith("saved ") for words in app.told))
        (picture,) = (own_cache / "screenshots").glob("*.svg")
        assert "expert-1-2" in picture.read_text()


async def test_a_key_that_the_configuration_changes_does_the_act() -> None:
    cluster = ailing_cluster()
    cluster.config = cluster.config.model_copy(update={"keys": {"replica.relaunch": "f5"}})
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("colon", *"goto expert-1-2", "enter")
        await until(pilot, lambda: table(app).cursor_key == "expert-1-2")
        await pilot.press("R")
        await pilot.press("f5")
        await until(pilot, lambda: "Done: relaunch expert-1-2" in app.told)
        assert len(cluster.requests) == 1


@pytest.mark.parametrize(("opens", "line"), [("/", "#filter"), (":", "#command")])
async def test_keys_that_come_in_one_burst_with_the_one_that_opens_a_line_are_typed_and_do_nothing(
    opens: str, line: str
) -> None:
    cluster = ailing_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        for mark in f"{opens}expert xKR":
            app.post_message(events.Key(_character_to_key(mark), mark))
        entry = app.screen.query_one(line, Input)
        await until(pilot, lambda: entry.value == "expert xKR")
        assert entry.has_focus and cluster.requests == []


async def test_the_menu_and_the_palette_name_the_keys_that_the_configuration_gives() -> None:
    cluster = ailing_cluster()
    cluster.config = cluster.config.model_copy(update={"keys": {"replica.relaunch": "f5,question_mark"}})
    async with run_on(make_ops(cluster), size=(120, 40)) as (app, pilot):
        (relaunch,) = (act for act in reachable(app.screen) if act.action.id == "replica.relaunch")
        assert relaunch.keys == "f5 ?"
        await pilot.press("x")
        await shows(pilot, "f5 ?")
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"relaunch")
        await shows(pilot, "(f5 ?)")
