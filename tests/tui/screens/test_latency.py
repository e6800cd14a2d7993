"""Latencies on the screen: live, and only while they are looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tau2tui.config import PollConfig
from tau2tui.errors import Unreachable
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.app import Tau2App
from tau2tui.tui.chart import SECOND
from tau2tui.tui.screens.latency import LatencyScreen
from tau2tui.tui.widgets.command_line import CommandLine
from tau2tui.tui.widgets.latency_chart import LatencyChart
from tau2tui.tui.widgets.latency_table import LatencyTable
from tests.analysis.made_logs import LogMaker
from tests.tui.driving import run_on, run_on_logs, screen_text, tells, until
from tests.tui.fakes import FakeCluster, make_ops, seed_config

pytestmark = pytest.mark.slow

EXPERT = "expert:openai/gpt-oss-20b"


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
    return "\n".join(screen_text(app).split("5 Latency", 1)[1].splitlines()[1:5])


def body(app: Tau2App) -> str:
    """The screen without its first and last lines, which others answer for."""
    return "\n".join(screen_text(app).splitlines()[2:-1])


async def type_command(pilot: Pilot[None], words: str) -> None:
    """As if it had been typed behind `:`."""
    pilot.app.screen.query_one(CommandLine).post_message(CommandLine.Entered(words))
    await pilot.pause()


async def test_all_series_are_listed_and_the_chosen_one_is_drawn(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: table(app).row_count > 4)
        await until(pilot, lambda: "█" in screen_text(app))
        assert "orchestrator" in title(app)
        assert "histogram of total time, 40 bins" in title(app)
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
        await until(pilot, lambda: "prefill time (to the first token), 80 bins, log axis" in title(app))
        await pilot.press("m", "B", "B", "B", "B")
        await until(pilot, lambda: "decode time, 10 bins, log axis" in title(app))
        await pilot.press("m")
        await until(pilot, lambda: "queue time" in title(app))
        await pilot.press("m", "L")
        await until(pilot, lambda: "total time, 10 bins" in title(app) and "log" not in title(app))


async def test_one_key_goes_through_the_pictures_and_the_title_says_which(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "histogram of" in title(app))
        await pilot.press("h")
        await until(pilot, lambda: "distribution function (CDF)" in title(app) and "100%┤" in screen_text(app))
        await pilot.press("h")
        await until(pilot, lambda: "heat-map over time" in title(app) and "a column is" in title(app))
        await pilot.press("h")
        await until(pilot, lambda: "histogram of" in title(app))


async def test_domain_and_window_narrow_the_calls_by_key_and_by_word(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        whole = table(app).drawn_row(0)[1]
        await pilot.press("d")
        await until(pilot, lambda: "· retail" in title(app) and table(app).drawn_row(0)[1] != whole)
        await pilot.press("d", "d", "w")
        await until(pilot, lambda: "last 5 min 17:" in title(app) and "retail" not in title(app))
        await type_command(pilot, "window 17:34 17:36")
        await until(pilot, lambda: "17:34–17:36" in title(app))
        await type_command(pilot, "domain telecom")
        await until(pilot, lambda: "· telecom" in title(app))
        await type_command(pilot, "domain")
        await type_command(pilot, "window")
        await until(pilot, lambda: table(app).drawn_row(0)[1] == whole)


async def test_words_set_threshold_bins_metric_and_zoom(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        await type_command(pilot, "sla 3s")
        await until(pilot, lambda: "below 3s" in title(app) and table(app).titles[-1] == "<3s")
        await type_command(pilot, "bins 33")
        await type_command(pilot, "metric ttft")
        await until(pilot, lambda: "prefill time (to the first token), 33 bins" in title(app))
        await type_command(pilot, "zoom 1s 4s")
        await until(pilot, lambda: "zoomed" in title(app) and "before the axis" in title(app))
        await pilot.press("backspace")
        await until(pilot, lambda: "zoomed" not in title(app))


async def test_keys_zoom_into_the_axis_along_it_and_back(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, LatencyScreen)
        await until(pilot, lambda: "█" in screen_text(app))
        answer = screen._answer
        assert answer is not None
        assert answer.axis is not None
        low, high = answer.axis
        await pilot.press("plus")
        await until(pilot, lambda: screen._answer is not None and screen._answer.question.zoom is not None)
        assert screen._question.zoom == pytest.approx((low + (high - low) / 4, high - (high - low) / 4))
        await until(pilot, lambda: "zoomed" in title(app))
        await pilot.press("less_than_sign")
        await until(pilot, lambda: screen._answer is not None and screen._answer.question.zoom == screen._question.zoom)
        assert screen._question.zoom == pytest.approx((low + (high - low) / 8, high - 3 * (high - low) / 8))
        await pilot.press("underscore", "underscore")
        await until(pilot, lambda: "zoomed" not in title(app))


async def test_what_makes_no_sense_is_said_and_changes_nothing(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        before = title(app)
        for words, said in (
            ("window soon", "'soon' is no window"),
            ("sla quick", "'quick' is no length of time"),
            ("bins many", "bins are a number from 1 to 1000"),
            ("zoom 3s 1s", "3s does not lie before 1s"),
            ("domain mars", "no domain 'mars'; there are all, retail, telecom"),
            ("picture pie", "no picture 'pie'"),
            ("with expert", "fit"),
            ("with [/nobody]", "no series is called so"),
            ("compare-with /no/such/path", "no such file or directory"),
            ("export a.pdf", "one of .png, .svg, .csv, .json"),
            ("export ~nobody-of-that-name/a.png", "not exported: no such home directory"),
            ("export a\0b.png", "not exported: no path has a NUL"),
            (f"bins {'9' * 5000}", "bins are a number from 1 to 1000, not '99999999999999999999…'"),
        ):
            await type_command(pilot, words)
            await tells(pilot, app, said)
        assert title(app) == before


async def test_two_marked_rows_lie_over_each_other_until_the_marks_go(logs: Path) -> None:
    async with run_on_logs(logs, size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: table(app).row_count > 4)
        await pilot.press("space")
        table(app).select(EXPERT)
        await pilot.press("space")
        await until(pilot, lambda: f"{SECOND} {EXPERT}" in title(app))
        chart = app.screen.query_one(LatencyChart)
        assert any(SECOND in words for line in chart.lines for words, _ in line)
        await pilot.press("u")
        await until(pilot, lambda: SECOND not in title(app))


async def test_a_series_is_laid_over_whatever_is_under_the_cursor(logs: Path) -> None:
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: table(app).row_count > 4)
        await type_command(pilot, "with gpt-oss")
        await until(pilot, lambda: f"{SECOND} {EXPERT}" in title(app) and "█ orchestrator" in title(app))
        await pilot.press("G")
        await until(pilot, lambda: "█ tool:" in title(app) and f"{SECOND} {EXPERT}" in title(app))
        await type_command(pilot, "with")
        await until(pilot, lambda: SECOND not in title(app))


async def test_another_run_is_laid_over_this_one(logs: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    (before / "logs").mkdir(parents=True)
    (before / "run.toml").write_text("")
    maker = LogMaker(9)
    maker.write(before / "logs", 300)
    calls = maker.truth.event_frame().filter(pl.col("type") == "llm_call")["duration_ms"].to_numpy()
    async with run_on_logs(logs, size=(120, 40)) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, LatencyScreen)
        await until(pilot, lambda: table(app).row_count > 4)
        await type_command(pilot, f"compare-with {before}")
        await until(pilot, lambda: f"{SECOND} orchestrator (before)  {len(calls)} calls" in title(app))
        assert screen._answer is not None
        assert screen._answer.legends[1].row.p90 == pytest.approx(np.percentile(calls, 90))
        await type_command(pilot, "compare-with")
        await until(pilot, lambda: SECOND not in title(app))


async def test_a_run_elsewhere_is_compared_by_its_id(logs: Path) -> None:
    cluster = FakeCluster(seed_config())
    ops = make_ops(cluster)
    runs = ops.run.path.parent
    for name in ("fullrun.log", "tau2_retail.log", "tau2_telecom.log"):
        cluster.files[f"{runs}/older/logs/{name}"] = (logs / name).read_bytes()
    cluster.files[f"{runs}/older"] = b""  # as a directory is named among the runs
    async with run_on(ops, logs=DirectoryLogs(logs)) as (app, pilot):
        await pilot.press("5")
        await until(pilot, lambda: table(app).row_count > 4)
        await type_command(pilot, "compare-with nobody")
        await tells(pilot, app, "neither a path nor a run (runs: older)")
        await type_command(pilot, "compare-with older")
        await until(pilot, lambda: "orchestrator (older)" in title(app))


async def test_export_proposes_a_name_and_says_where_it_wrote(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with run_on_logs(logs) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        await pilot.press("E")
        await until(pilot, lambda: app.screen.query_one("#command", Input).has_focus)
        assert app.screen.query_one("#command", Input).value == "export latency_orchestrator_total_histogram.png"
        await pilot.press("enter")
        await tells(pilot, app, "written:")
        assert (tmp_path / "latency_orchestrator_total_histogram.png").read_bytes().startswith(b"\x89PNG")
        assert str(tmp_path) in app.told[-1]
        await type_command(pilot, "export numbers.json")
        await until(pilot, lambda: (tmp_path / "numbers.json").exists())
        assert json.loads((tmp_path / "numbers.json").read_text())["series"][0]["series"] == "orchestrator"


async def test_a_resize_draws_the_chart_anew(logs: Path) -> None:
    async with run_on_logs(logs, size=(100, 30)) as (app, pilot):
        chart = app.screen.query_one(LatencyChart)
        await until(pilot, lambda: "█" in screen_text(app))
        await pilot.resize_terminal(70, 40)
        await until(pilot, lambda: bool(chart.lines) and sum(len(words) for words, _ in chart.lines[0]) == 68)


async def test_the_numbers_stand_beside_the_picture_where_there_is_room(logs: Path) -> None:
    async with run_on_logs(logs, size=(120, 44)) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        for words in ("p10 ", "p25 ", "p75 ", "p99 ", "std ", "mean "):
            assert words in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "p25 " not in screen_text(app))
        await pilot.resize_terminal(120, 24)
        await until(pilot, lambda: "p99 " in screen_text(app))
        assert "p20 " not in screen_text(app)


@pytest.mark.parametrize("keys", [(), ("h",), ("h", "h")])
async def test_every_picture_is_readable_in_ascii(logs: Path, keys: tuple[str, ...]) -> None:
    async with run_on_logs(logs, size=(80, 24)) as (app, pilot):
        await until(pilot, lambda: "█" in screen_text(app))
        await type_command(pilot, "ascii")
        await pilot.press(*keys)
        wanted = ("histogram", "distribution", "heat-map")[len(keys)]
        await until(pilot, lambda: wanted in title(app) and body(app).isascii())
        assert set("#:%.") & set(body(app))


async def test_empty_logs_say_when_there_will_be_something(tmp_path: Path) -> None:
    async with run_on_logs(tmp_path) as (app, pilot):
        await until(pilot, lambda: "No calls in the logs yet." in screen_text(app))
        LogMaker(3).write(tmp_path, 50)
        await pilot.press("L")
        await until(pilot, lambda: table(app).row_count > 0)
        await until(pilot, lambda: "No calls in the logs yet." not in screen_text(app))


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
