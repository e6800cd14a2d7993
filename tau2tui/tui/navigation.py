"""Going from screen to screen: to one by its name, back, to a row of another, and to a log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tau2tui.core.times import parse_moment
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.session import Session
from tau2tui.tui.views import FLEET, LOGS, Screens

if TYPE_CHECKING:
    from textual.app import App


class Navigation:
    """Opens the screens of an app; each is made when it is gone to first, and arranged as it was left."""

    def __init__(self, app: App[Any], screens: Screens, session: Session) -> None:
        self._app, self._screens, self._session = app, screens, session
        self._opened: list[str] = []
        """The screens that were open, the newest last."""

    @property
    def begun(self) -> bool:
        """Whether any screen was opened yet."""
        return bool(self._opened)

    async def go(self, name: str) -> Framed:
        """Open a screen; it is returned."""
        if name not in self._screens.made:
            await self._screens.load(name)
        screen = self._installed(name)
        if name != self._app.current_mode:
            self._opened = [*(other for other in self._opened if other != name), name]
            await self._app.switch_mode(name)
            screen.catch_up()
            self._session.arrange(name, screen)
        return screen

    async def back(self) -> None:
        """To the screen that was open before, if there was one."""
        if len(self._opened) > 1:
            await self.go(self._opened[-2])

    async def jump(self, name: str, key: str, filter_words: str) -> str:
        """To what belongs to a row; returns why not, or nothing. A filter takes the place of the one that is there."""
        table = (await self.go(name)).main_table
        if table is None:
            return ""
        table.action_filter_by(filter_words)
        return f"{key} is not there" if key and not table.goto(key) else ""

    async def show_log(self, name: str) -> None:
        """To a log at its end."""
        await self.go(LOGS.name)
        from tau2tui.tui.screens.logs import LogsScreen

        self._app.get_screen(LOGS.name, LogsScreen).wanted = name

    async def show_fleet_of(self, words: str, now: datetime) -> str:
        """To the fleet as of a time that was typed, as `tau2tui history --at` takes it; returns why not, or nothing."""
        try:
            at = parse_moment(words).at(now)
        except ValueError as error:
            return str(error)
        if at > now:
            return f"{at:%Y-%m-%d %H:%M:%S} is still to come"
        await self.go(FLEET.name)
        self.go_to(at)
        return ""

    def go_to(self, moment: datetime | None) -> None:
        """Let the fleet be shown as of a moment, or as it is now, wherever the operator is."""
        from tau2tui.tui.screens.fleet import FleetScreen

        self._app.get_screen(FLEET.name, FleetScreen).go_to(moment)

    def _installed(self, name: str) -> Framed:
        """The screen of that name, made if nobody looked at it yet."""
        screen = self._screens.made.get(name) or self._screens.make(name)
        if not self._app.is_screen_installed(name):
            self._app.install_screen(screen, name)
            self._app.add_mode(name, name)
        return screen
