"""From an act that is chosen in the menu, or typed on the `:` line, to its being done."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tau2tui.tui.actions import call
from tau2tui.tui.reach import Reached, named, reachable
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.screens.menu import MenuScreen
from tau2tui.tui.widgets.command_line import CommandLine

if TYPE_CHECKING:
    from textual.app import App


async def do(app: App[Any], act: Reached) -> None:
    """Do an act, or ask for the words that it wants."""
    if act.action.takes:
        await app.run_action(f"command({f'{act.action.id} '!r})", app)
    else:
        await app.run_action(call(act.action, ""), act.node)


async def do_named(app: App[Any], name: str, words: str) -> str:
    """Do the act of that name here, with what was typed behind it as it is; returns why not, or nothing."""
    act = named(reachable(app.screen), name, argument=bool(words))
    if act is None:
        return f"there is nothing here that is called {name!r}; x lists all"
    if not act.enabled:
        return f"{act.action.name}: not now"
    if words and not act.action.takes:
        return f"{name} takes nothing behind it"
    await app.run_action(call(act.action, words), act.node)
    return ""


def open_menu(app: App[Any]) -> None:
    """Offer all that can be done here; what is chosen is done."""
    acts = [act for act in reachable(app.screen) if not act.action.moves]
    app.push_screen(MenuScreen(acts), partial(_do_chosen, app, acts))


def open_command_line(app: App[Any], views: Sequence[str], words: str) -> None:
    """Let something be typed behind `:`, which begins with `words`; `views` are the names of screens."""
    if isinstance(app.screen, Framed):
        app.screen.query_one(CommandLine).open(reachable(app.screen), views, words)


async def _do_chosen(app: App[Any], acts: Sequence[Reached], wanted: str | None) -> None:
    act = next((act for act in acts if act.action.id == wanted), None)
    if act is not None:
        await do(app, act)
