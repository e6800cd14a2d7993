"""Run the app on a fake cluster, wait for what should come, and read what is on the screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tau2tui.core.command import Command
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import DirectoryLogs, LogFiles
from tau2tui.tui.app import Tau2App
from tau2tui.tui.plain import plain_lines

PATIENCE_S = 20.0


class WatchedApp(Tau2App):
    """Remembers what its toasts said."""

    def __init__(self, ops: Ops | None, logs: LogFiles, **options: Any) -> None:
        super().__init__(ops, logs, **options)
        self.told: list[str] = []

    def notify(self, message: str, *, title: str = "", **options: Any) -> None:
        assert options.get("markup") is False, "toasts show words from outside"
        self.told.append(f"{title} {message}".strip())
        super().notify(message, title=title, **options)


@asynccontextmanager
async def run_on(
    ops: Ops, *, size: tuple[int, int] = (120, 36), logs: LogFiles | None = None, commands: Sequence[Command] = ()
) -> AsyncIterator[tuple[WatchedApp, Pilot[None]]]:
    """The app, once it has looked at the cluster."""
    app = WatchedApp(ops, logs or ops.logs, commands=commands)
    async with running(app, size) as pilot:
        await until(pilot, lambda: all(seen.at or seen.error for seen in (app.snapshot.run, app.snapshot.jobs)))
        await pilot.pause()
        yield app, pilot


@asynccontextmanager
async def run_on_logs(
    directory: Path, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[WatchedApp, Pilot[None]]]:
    """The app as it looks at somebody's logs."""
    app = WatchedApp(None, DirectoryLogs(directory))
    async with running(app, size) as pilot:
        yield app, pilot


@asynccontextmanager
async def running(app: Tau2App, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    """The app to the end of the block; its workers end before its screens, which `run_test` leaves out."""
    async with app.run_test(size=size) as pilot:
        try:
            yield pilot
        finally:
            app.workers.cancel_all()


async def until(pilot: Pilot[Any], come: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + PATIENCE_S
    while not come():
        assert not pilot.app.return_code, "the app has crashed"
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come within {PATIENCE_S:g} s; the screen shows:\n{screen_text(pilot.app)}")
        await pilot.pause()
        await asyncio.sleep(0.01)


async def shows(pilot: Pilot[Any], *words: str) -> None:
    """Wait until all these words are on the screen."""
    await until(pilot, lambda: all(word in screen_text(pilot.app) for word in words))


async def tells(pilot: Pilot[Any], app: WatchedApp, words: str) -> None:
    """Wait until a notice has these words."""
    await until(pilot, lambda: any(words in said for said in app.told))


async def look(ops: Ops, pilot: Pilot[Any]) -> None:
    """Let the app see the cluster as it is now."""
    await ops.look()
    await pilot.pause()


def screen_text(app: Any) -> str:
    """What is on the screen, line by line, without colours."""
    return "\n".join(plain_lines(app.screen))
