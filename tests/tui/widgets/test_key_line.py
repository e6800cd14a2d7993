"""The last line: the keys that apply, each once, and a click on one presses it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tau2tui.tui.looks import wear
from tau2tui.tui.widgets.key_line import KeyLine


class Keys(Screen[None]):
    """Two acts, of which one does nothing now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "first", "First"),
        Binding("b", "first", "First too"),
        Binding("z", "never", "Never"),
        Binding("h", "hidden", "Hidden", show=False),
    ]
    pressed = 0

    def compose(self) -> ComposeResult:
        yield KeyLine()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "never" else True

    def action_first(self) -> None:
        self.pressed += 1

    action_never = action_first


class KeysApp(App[None], inherit_bindings=False):
    """The line alone."""

    ENABLE_COMMAND_PALETTE = False

    def get_default_screen(self) -> Screen[None]:
        return Keys()


async def test_each_act_has_its_first_key_and_a_click_presses_it_if_it_does_anything_now() -> None:
    wear("dark")
    app = KeysApp()
    async with app.run_test(size=(60, 5)) as pilot:
        await pilot.pause()
        line, screen = app.screen.query_one(KeyLine), app.screen
        assert isinstance(screen, Keys)
        assert line.render().plain == "a First z Never "
        await pilot.click(KeyLine, offset=(3, 0))
        await pilot.pause()
        assert screen.pressed == 1
        for offset in ((10, 0), (40, 0)):
            await pilot.click(KeyLine, offset=offset)
        await pilot.pause()
        assert screen.pressed == 1
