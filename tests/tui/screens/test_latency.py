"""Latencies on the screen: live, and only while they are looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.widgets import Static

from tau2tui.config import PollConfig
from tau2tui.errors import Unreachable
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.app import Tau2App
from tau2tui.tui.widgets.latency_table import LatencyTable
from tests.analysis.made_logs import LogMaker
from tests.tui.driving import run_on, run_on_logs, screen_text, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made")
    LogMaker(5).write(directory, 800)
    return directory


@pytest.fixture
def logs(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "logs")


def table(app: Tau2App) -> LatencyTable:
    return app.screen.query_one(LatencyTable)


def title(app: Tau2App) -> str:
    """What stands between the tabs and the chart."""
    return "\n".join(screen_text(app).split("5 Latency", 1)[1].splitlines()[1:3])


async def test_all_series_are_listed_and_the_chosen_one_is_drawn(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: table(app).row_count > 4)
        await until(pilot, lambda: "█" in screen_text(app))
        assert "orchestrator" in title(app)
        assert "total time, 40 bins" in title(app)
        for words in ("calls", "below 5s", "COUNT", "P99", "<5s"):
            assert words in screen_text(app)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "expert:" in title(app))
        await pilot.press("left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: "orchestrator" in title(app))


async def test_metric_bins_and_axis_have_keys(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "total time, 40 bins" in screen_text(app))
        await pilot.press("m", "b", "L")
        await until(pilot, lambda: "prefill time, 80 bins, log axis" in title(app))
        await pilot.press("m", "B", "B", "B", "B")
        await until(pilot, lambda: "decode time, 10 bins, log axis" in title(app))
        await pilot.press("m", "L")
        await until(pilot, lambda: "total time, 10 bins" in title(app) and "log" not in title(app))


async def test_a_resize_draws_the_chart_anew(logs: Path) -> None:
    async with run_on_logs(logs, size=(100, 30)) as (app, pilot):
        chart = app.screen.query_one("#chart", Static)
        await until(pilot, lambda: "█" in screen_text(app))
        await pilot.resize_terminal(70, 40)
        await until(pilot, lambda: "█" in screen_text(app) and len(str(chart.content).split("\n")[0]) == 68)


async def test_empty_logs_say_when_there_will_be_something(tmp_path: Path) -> None:
    async with run_on_logs(tmp_path) as (app, pilot):
        await until(pilot, lambda: "No calls in the logs yet." in screen_text(app))
        LogMaker(3).write(tmp_path, 50)
        await pilot.press("L")
        await until(pilot, lambda: table(app).row_count > 0)


class CountedLogs(DirectoryLogs):
    """Counts how often its files are brought up to date, and can be out of reach."""

    asked = 0
    lost = False

    async def local(self) -> Path:
        type(self).asked += 1
        if self.lost:
            raise Unreachable("login1: connection lost [/b]")
        return await super().local()


async def test_logs_are_read_only_while_they_are_looked_at(logs: Path) -> None:
    CountedLogs.asked = 0
    config = seed_config().model_copy(update={"poll": PollConfig(logs_s=0.5)})
    async with run_on(make_ops(FakeCluster(config)), logs=CountedLogs(logs)) as (_, pilot):
        await pilot.pause(0.6)
        assert CountedLogs.asked == 0
        await pilot.press("5")
        await until(pilot, lambda: CountedLogs.asked >= 3)
        await pilot.press("1")
        await pilot.pause(0.6)
        asked = CountedLogs.asked
        await pilot.pause(1.2)
        assert asked == CountedLogs.asked


async def test_logs_out_of_reach_keep_what_was_shown_and_say_so(logs: Path) -> None:
    CountedLogs.lost = False
    async with run_on(make_ops(FakeCluster(seed_config())), logs=CountedLogs(logs)) as (app, pilot):
        await pilot.press("5")
        await until(pilot, lambda: table(app).row_count > 4)
        CountedLogs.lost = True
        await pilot.press("L")
        await until(pilot, lambda: "STALE" in title(app))
        assert "login1: connection lost [/b]" in title(app)
        assert table(app).row_count > 4
        CountedLogs.lost = False
        await pilot.press("L")
        await until(pilot, lambda: "STALE" not in screen_text(app))
