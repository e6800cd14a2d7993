"""Which screen of a run was open, and how each was arranged: as the last session left it, and kept for the next."""

from __future__ import annotations

import asyncio

from tau2tui.tui.remembering import SessionFile, SessionLook, TableLook
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.views import Screens


class Session:
    """Arranges screens as they were left when they are opened first, and keeps how they are."""

    def __init__(self, run: str, screens: Screens) -> None:
        """`run` names the file: the run's id, or what stands for it where there are only logs."""
        self._file, self._screens = SessionFile(run), screens
        self._left: dict[str, TableLook] = {}
        """How screens are to be arranged that were not opened yet."""

    def begin(self) -> str:
        """Read what the last session left; returns the name of the screen to open."""
        kept = self._file.read()
        self._left = {name: look for name, look in kept.tables.items() if name in self._screens}
        return kept.view if kept.view in self._screens else next(iter(self._screens.views))

    def arrange(self, name: str, screen: Framed) -> None:
        """A screen that is opened first, as it was left."""
        if (look := self._left.pop(name, None)) is not None:
            screen.restore(look)

    def changed(self, view: str) -> SessionLook | None:
        """How all is arranged while `view` is open, None if that was kept already."""
        made = {name: screen.look() for name, screen in self._screens.made.items() if screen.is_mounted}
        look = SessionLook(view, {**self._left, **made})
        return look if look != self._file.kept else None

    async def keep(self, look: SessionLook) -> None:
        """In a thread: home directories of clusters can hang for seconds."""
        await asyncio.to_thread(self._file.write, look)
