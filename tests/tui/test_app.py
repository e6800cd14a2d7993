"""What holds on every screen: keys, closing, small terminals, commands at the start, and bugs that show."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.worker import WorkerFailed

import tau2tui.tui.screens
from tau2tui.core.command import Launch, StartEval
from tau2tui.core.model import Job, Phase
from tau2tui.remote.shell import Shell
from tau2tui.tui.screens.help import HelpScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.activity_line import ActivityLine
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tests.sample import small_config
from tests.tui.driving import WatchedApp, run_on, run_on_logs, screen_text, until
from tests.tui.fakes import FakeClock, FakeCluster, FakeQueue, busy_cluster, make_ops

pytestmark = pytest.mark.slow


async def test_numbers_change_the_screen_and_the_tabs_say_which_it_is() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        for key, name in (("4", "eval"), ("5", "latency"), ("6", "logs"), ("7", "reports"), ("1", "fleet")):
            await pilot.press(key)
            assert app.current_mode == name


async def test_without_a_run_there_are_only_the_logs_with_their_latencies_and_reports(tmp_path: Path) -> None:
    (tmp_path / "fullrun.log").write_bytes(b"hello\n")
    async with run_on_logs(tmp_path) as (app, pilot):
        assert app.current_mode == "latency"
        assert "1 Fleet" not in screen_text(app)
        for key, name in (("1", "latency"), ("4", "latency"), ("6", "logs"), ("7", "reports"), ("5", "latency")):
            await pilot.press(key)
            assert app.current_mode == name


async def test_a_small_terminal_gets_one_plain_sentence_and_does_nothing_unseen() -> None:
    cluster = busy_cluster()
    async with run_on(make_ops(cluster), size=(59, 19)) as (app, pilot):
        words = " ".join(screen_text(app).split())
        assert "needs a terminal of at least 60 columns and 20 lines" in words
        assert "orchestrator" not in words
        for key in ("K", "R", "4", "s", "K"):
            await pilot.press(key)
        await pilot.pause()
        assert not isinstance(app.screen, ReviewScreen)
        assert cluster.requests == []
        await pilot.press("1")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "orchestrator-0" in screen_text(app))
        await until(pilot, lambda: "Relaunch" in screen_text(app))


async def test_help_names_the_keys_that_apply_here_and_closes_with_the_same_key() -> None:
    async with run_on(make_ops(busy_cluster()), size=(120, 50)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = screen_text(app)
        for words in (
            "Relaunch",
            "Start it again in its job",
            "Every replica, what is wrong",
            "One row down",
        ):
            assert words in shown
        assert "Log axis" not in shown
        await pilot.press("question_mark")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


async def test_commands_given_at_the_start_are_performed_in_order() -> None:
    config = small_config(poll={"run_s": 0.5}, evaluation={"domains": ["mock"]})
    cluster = FakeCluster(config, FakeClock(runs=True))
    ops = make_ops(cluster, launched=False)
    async with run_on(ops, commands=(Launch(), StartEval(config.evaluation))) as (app, pilot):
        await until(pilot, lambda: "Done: start the evaluation" in app.told)
        done = [words for words in app.told if words.startswith("Done")]
        assert done == ["Done: launch the fleet", "Done: start the evaluation"]
        words = [argv[0] for argv in cluster.commands]
        assert words == ["mkdir", "mkdir", "sbatch", "sbatch", "python3"]
        assert "drive" in cluster.commands[-1]
        assert not app.screen.query_one(ActivityLine).display


async def test_a_command_that_is_refused_at_the_start_ends_the_series() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops, commands=(StartEval(cluster.config.evaluation), Launch())) as (app, pilot):
        await until(pilot, lambda: len(app.told) == 1)
        assert app.told[0].startswith("Not done: start the evaluation")
        assert cluster.commands == []


class BrokenQueue(FakeQueue):
    """Has a bug."""

    async def jobs(self, shell: Shell, run_id: str, known: frozenset[str] = frozenset()) -> tuple[Job, ...]:
        raise ZeroDivisionError("a bug in a source")


async def test_a_bug_in_a_source_ends_the_app_with_its_traceback() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    ops.scheduler = BrokenQueue(cluster)
    app = WatchedApp(ops, ops.logs)
    with pytest.raises(WorkerFailed) as caught:
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.return_code is not None)
    assert isinstance(caught.value.error, ExceptionGroup)
    assert caught.value.error.subgroup(ZeroDivisionError)
    assert app.return_code == 1


async def test_r_looks_again_at_the_run_but_not_at_the_queue_before_its_time() -> None:
    cluster = busy_cluster()
    async with run_on(make_ops(cluster)) as (app, pilot):
        cluster.change("orchestrator-0", phase=Phase.DEGRADED)
        cluster.jobs = ()
        await pilot.press("r")
        await until(pilot, lambda: "▲ degraded" in screen_text(app))
        assert app.snapshot.jobs.value


def test_what_is_heavy_is_loaded_by_no_screen_before_it_reads() -> None:
    """Screens are loaded in a thread, but made and drawn in the event loop; that of latencies reads in a thread."""
    screens = [found.name for found in pkgutil.iter_modules(tau2tui.tui.screens.__path__, "tau2tui.tui.screens.")]
    program = f"import sys, tau2tui.tui.app, {', '.join(screens)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"textual", "tau2tui.tui.screens.latency"} <= set(loaded)
    assert not {"polars", "numpy", "plotext", "textual_plotext", "matplotlib", "openai", "tau2"} & set(loaded)


def widgets_and_screens() -> Iterator[type[DOMNode]]:
    for found in pkgutil.walk_packages(tau2tui.tui.__path__, "tau2tui.tui."):
        for _, member in inspect.getmembers(import_module(found.name), inspect.isclass):
            if issubclass(member, DOMNode) and member.__module__ == found.name:
                yield member


def test_every_key_has_an_id_and_every_shown_one_says_what_it_does() -> None:
    seen: dict[str, str] = {}
    for owner in widgets_and_screens():
        for binding in owner.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            assert binding.id, f"{owner.__name__}: {binding.key}"
            assert seen.setdefault(binding.id, owner.__name__) == owner.__name__
            assert binding.description
            assert binding.tooltip or not binding.show, f"{owner.__name__}: {binding.key}"


def test_no_widget_has_a_timer_that_goes_on_and_only_screens_that_read_have_workers() -> None:
    workers = set()
    for owner in widgets_and_screens():
        source = inspect.getsource(owner)
        if "@work" in source:
            workers.add(owner.__name__)
        assert "set_interval" not in source or issubclass(owner, App)
        # A table waits once after a change, so that it may calm down; nothing runs while nothing changes.
        assert "set_timer" not in source or owner is KeyedTable
    assert workers == {
        "Tau2App",
        "FleetScreen",
        "GpusScreen",
        "LatencyScreen",
        "LogPane",
        "LogsScreen",
        "ReplicaPane",
        "ReportsScreen",
    }


async def test_the_table_keeps_the_focus_when_another_screen_was_looked_at() -> None:
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        await pilot.press("j", "j", "4", "1")
        await pilot.pause()
        assert app.screen.query_one(FleetTable).has_focus
        assert app.screen.query_one(FleetTable).cursor_key == "orchestrator-2"


async def test_a_screenshot_that_cannot_be_saved_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "no-directory"
    file.write_text("")
    async with run_on(make_ops(busy_cluster())) as (app, pilot):
        monkeypatch.setenv("XDG_CACHE_HOME", str(file))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any(told.startswith("no screenshot in ") for told in app.told))
        assert app.return_code is None
