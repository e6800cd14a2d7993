"""An open log whose lines come late, or are asked for otherwise meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from textual.app import App, ComposeResult

from tau2tui.remote.logfiles import DirectoryLogs, LogFiles
from tau2tui.tui.widgets.log_pane import LogPane
from tests.tui.driving import until


@dataclass(frozen=True)
class SlowLogs(DirectoryLogs):
    """Logs of a machine that answers only while `answers` is set, and says that it was asked."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        self.asked.set()
        await self.answers.wait()
        return await super().read(name, offset, limit)


class PaneApp(App[None]):
    """A pane of a log alone."""

    CSS = "LogTitle { height: 1; } LogView { height: 1fr; }"

    def __init__(self, files: LogFiles) -> None:
        super().__init__()
        self.pane = LogPane(files)

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.looking.begin()
        self.pane.open(("large.log",))


async def test_an_answer_that_comes_while_the_view_is_taken_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "large.log").write_bytes(b"".join(b"this is line %d\n" % number for number in range(100_000)))
    files = SlowLogs(tmp_path)
    files.answers.set()
    async with PaneApp(files).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, PaneApp)
        pane = app.pane
        await until(pilot, lambda: bool(pane.view.lines))
        files.answers.clear()
        files.asked.clear()
        await pilot.press("ampersand", *"line 99990", "enter")
        await until(pilot, files.asked.is_set)
        await pane.view.remove()
        files.answers.set()
        await until(pilot, lambda: not any(worker.group == "log-shape" for worker in pane.workers))
    assert len(pane.logs.shown.lines) == 1


async def test_of_two_wishes_in_a_row_neither_is_lost(tmp_path: Path) -> None:
    (tmp_path / "large.log").write_bytes(b"again\n" * 3 + b"2026-01-02 03:04:05 last\n")
    files = SlowLogs(tmp_path)
    files.answers.set()
    async with PaneApp(files).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, PaneApp)
        await until(pilot, lambda: bool(app.pane.view.lines))
        app.pane.action_fold()
        app.pane.action_stamps()  # before the first has begun
        await until(pilot, lambda: len(app.pane.view.lines) == 2)
        await until(pilot, lambda: app.pane.view.lines[-1].text == "last")
