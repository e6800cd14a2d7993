"""How the screens look on a cluster that stands still; `pytest --snapshot-update` accepts a new look."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tau2tui.core.model import Level, Load, Phase
from tau2tui.remote.command_log import CommandRecord
from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.remote.login import Question
from tau2tui.remote.loglist import LogEntry
from tau2tui.tui.app import Tau2App
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.widgets.replica_pane import LogEnd
from tests.analysis.made_logs import LogMaker
from tests.sample import NOW
from tests.tui.driving import screen_text, until
from tests.tui.fakes import RUN, FakeCluster, busy_cluster, keep_samples, make_ops

pytestmark = pytest.mark.slow

SnapCompare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]
REPORT = b"""\
# Experiment report: 20251230-0900

Written 2025-12-30 17:30:00.

## Results

| domain | total | passed | rate | 95 % |
|---|---:|---:|---:|---|
| retail | 114 | 25 | 45.5 % | 33.0 \xe2\x80\x93 58.5 % |
| telecom | 114 | 31 | 43.1 % | 32.3 \xe2\x80\x93 54.6 % |

## Charts

Of *every* series a histogram with its distribution function; **the line is the SLA** of `5 s`.

- ![orchestrator](profile_charts/orchestrator.png)
"""
WIDTHS = pytest.mark.parametrize(
    "size", [(80, 24), (100, 30), (160, 45), (240, 60)], ids=["80x24", "100x30", "160x45", "240x60"]
)
LOG = b"".join(
    b"INFO 12-30 09:00:%02d api_server: POST /v1/chat/completions 200\n" % (second % 60) for second in range(80)
)


def troubled_cluster() -> FakeCluster:
    """In the middle of an evaluation: one replica out of memory, one overloaded, three still starting."""
    cluster = busy_cluster()
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.74 GiB."
    log = "logs/expert-1-2.2.log"
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1", last_error=oom, attempt=2, log=log)
    cluster.change("expert-1-2", load=Load(), level=None)
    cluster.change("expert-2-3", phase=Phase.DEGRADED, why="completion took 41 s", load=Load(18, 44, 0.97, 120.0))
    for name, phase, why in (
        ("expert-3-1", Phase.LOADING, "12/47 shards"),
        ("expert-3-2", Phase.CAPTURING, ""),
        ("expert-3-3", Phase.WAITING, "starts in 60 s"),
    ):
        cluster.change(name, phase=phase, why=why, load=Load(), level=Level.ALIVE)
    for name in ("logs/fullrun.log", "logs/tau2_retail.log", "eval/driver.out", "jobs/oss_eval_node1.out"):
        cluster.files[f"{RUN}/{name}"] = LOG
    cluster.files[f"{RUN}/logs/expert-1-2.1.log"] = cluster.files[f"{RUN}/logs/expert-1-0.1.log"] = LOG
    cluster.orphans["gpu02"] = 31337
    cluster.files[f"{RUN}/{log}"] = LOG + b"ERROR " + oom.encode() + b"\nTraceback (most recent call last):\n"
    return cluster


@pytest.fixture(scope="module")
def made_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("logs")
    LogMaker(5).write(directory, 1500)
    return directory


@pytest.fixture
def app(made_logs: Path) -> Tau2App:
    ops = make_ops(troubled_cluster())

    class Logs(DirectoryLogs):
        """The names of the run, and latencies from made logs."""

        async def entries(self) -> tuple[LogEntry, ...]:
            entries = await ops.logs.entries()
            sizes = [await self.size(entry.name) for entry in entries]
            return tuple(
                replace(entry, size=size, changed_at=NOW - 17 * 3**number)
                for number, (entry, size) in enumerate(zip(entries, sizes, strict=True))
            )

        async def size(self, name: str) -> int:
            return await ops.logs.size(name)

        async def read(self, name: str, offset: int, limit: int) -> bytes:
            return await ops.logs.read(name, offset, limit)

    return Tau2App(ops, Logs(made_logs))


def pressing(*keys: str, shows: str, then: str | None = None) -> Before:
    """Press these keys, wait for what they show, and press one that needs it."""

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: all(word in screen_text(pilot.app) for word in ("ready", "ETA")))
        await pilot.press(*keys)
        await until(pilot, lambda: shows in screen_text(pilot.app))
        if then is not None:
            await pilot.press(then)
        await until(pilot, lambda: pane_settled(pilot.app))
        await calm(pilot)

    return before


async def calm(pilot: Pilot[Any]) -> None:
    """Wait until the screen stays as it is: answers to what was typed before may still come."""
    for line in pilot.app.screen.query(Input):
        line.cursor_blink = False
    shown, since = "", time.monotonic()
    while time.monotonic() - since < CALM_S:
        await pilot.pause()
        await asyncio.sleep(0.02)
        if (now := screen_text(pilot.app)) != shown:
            shown, since = now, time.monotonic()


def pane_settled(app: Any) -> bool:
    """Whether the log beside the fleet was read, where there is one."""
    fleet = app.get_screen("fleet")
    end = fleet.query_one(LogEnd)
    return not fleet.is_current or not fleet.has_class("-widest") or bool(end.said or end.lines)


TO_THE_FAILED_ONE = ("j",) * 10
CALM_S = 0.3


@WIDTHS
def test_fleet(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing(*TO_THE_FAILED_ONE, shows="remedy"))


@WIDTHS
def test_fleet_as_of_an_hour_ago(
    snap_compare: SnapCompare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cluster = troubled_cluster()
    keep_samples(cluster)
    ops = make_ops(cluster)
    keys = ("colon", *"at 12:46:40", "enter")
    before = pressing(*keys, shows="362 max 716")
    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=size, run_before=before)


@WIDTHS
def test_eval(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("4", shows="in flight"))


def expert_drawn(*keys: str, shows: str) -> Before:
    """The second series is drawn, and then these keys are pressed."""

    async def before(pilot: Pilot[Any]) -> None:
        await pressing("5", shows="█")(pilot)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Instruct-FP8  73 calls" in screen_text(pilot.app))
        await pilot.press(*keys)
        await until(pilot, lambda: shows in screen_text(pilot.app))
        await until(pilot, lambda: "└" in screen_text(pilot.app))
        await calm(pilot)

    return before


@WIDTHS
def test_latency(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=expert_drawn(shows="histogram of total time"))


@WIDTHS
def test_latency_distribution_of_two(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    keys = ("space", "space", "h", "L")
    assert snap_compare(app, terminal_size=size, run_before=expert_drawn(*keys, shows="total time, log axis"))


@WIDTHS
def test_latency_heat_map(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    keys = ("left_square_bracket", "h", "h", "L")
    assert snap_compare(
        app, terminal_size=size, run_before=expert_drawn(*keys, shows="over time of total time, log axis")
    )


@WIDTHS
def test_reports(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    cluster = troubled_cluster()
    name = "experiment_report_20251230_173000.md"
    runs = RUN.parent
    cluster.files |= {f"{RUN}/{name}": REPORT, f"{runs}/20251229-0900": b"", f"{runs}/20251228-0900": b""}
    cluster.files[f"{runs}/20251228-0900/experiment_report_20251228_210000.md"] = REPORT
    ops = make_ops(cluster)

    async def before(pilot: Pilot[Any]) -> None:
        await pressing("7", shows="20251228-0900")(pilot)
        if size[0] < 100:  # no room for the list and a report
            await pilot.press("enter")
        await until(pilot, lambda: "45.5 %" in screen_text(pilot.app))
        await calm(pilot)

    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=size, run_before=before)


@WIDTHS
def test_no_report_yet(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    ops = make_ops(troubled_cluster())
    before = pressing("7", shows="none yet")
    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=size, run_before=before)


@WIDTHS
def test_logs(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    keys = (*TO_THE_FAILED_ONE, "l")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys, shows="└ Model, graphs"))


@WIDTHS
def test_the_list_of_logs(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("6", shows="expert-1-2.2.log"))


def test_a_log_that_is_searched_and_filtered(snap_compare: SnapCompare, app: Tau2App) -> None:
    keys = (*TO_THE_FAILED_ONE, "l", "exclamation_mark", *"/00:[0-4]/", "enter", "slash", *"error", "enter")
    assert snap_compare(app, terminal_size=(120, 40), run_before=pressing(*keys, shows="1 hit in"))


@WIDTHS
def test_jobs(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("2", shows="oss_eval_node2", then="j"))


@WIDTHS
def test_gpus(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("3", shows="1 stale", then="j"))


@WIDTHS
def test_sources(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    ops = make_ops(troubled_cluster())
    state = ("python3", f"{RUN}/node_agent.py", "state", str(RUN))
    ops.shell.commands.records.extend(
        [
            CommandRecord(NOW, state, 93.0, 0),
            CommandRecord(NOW + 2, ("squeue", "--me", "--noheader"), 30_000.0, None, "did not answer within 30 s"),
        ]
    )

    async def before(pilot: Pilot[Any]) -> None:
        await pressing("8", shows="fresh")(pilot)
        for poll in ops.polls.values():  # how long a fake takes is chance
            poll.took_ms = deque([93.0, 410.0, 1210.0], maxlen=60)
            poll.asked, poll.failed, poll.next_at = 61, 2, NOW + 3
        pilot.app.screen.show()  # type: ignore[attr-defined]
        await until(pilot, lambda: "410ms" in screen_text(pilot.app))

    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=size, run_before=before)


@WIDTHS
def test_review_sheet(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("j", "K", shows="Yes, do it"))


@WIDTHS
def test_review_sheet_with_a_challenge(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("asterisk", "K", shows="to allow Yes"))


@WIDTHS
def test_login_sheet(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    ops = make_ops(troubled_cluster())
    words = "Duo two-factor login for me\n\n 1. Duo Push to XXX-XXX-1234\n 2. SMS passcodes to XXX-XXX-1234"

    async def before(pilot: Pilot[Any]) -> None:
        await pressing(shows="ready")(pilot)
        asking = asyncio.create_task(ops.login.ask(Question("login1", words, "Passcode or option: ", echoed=False)))
        await until(pilot, lambda: "login1 asks" in screen_text(pilot.app))
        await pilot.press(*"1234")
        await calm(pilot)
        assert not asking.done()

    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=size, run_before=before)


@WIDTHS
def test_help(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("question_mark", shows="Keys"))


@WIDTHS
def test_menu(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("x", shows="What can be done here"))


@WIDTHS
def test_detail(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    keys = (*TO_THE_FAILED_ONE, "d")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys, shows="y copies, q closes"))


@WIDTHS
def test_inbox(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("I", shows="goes there"))


@WIDTHS
def test_palette(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("ctrl+p", *"relaunch", shows="Relaunch failed"))


@WIDTHS
def test_results(snap_compare: SnapCompare, app: Tau2App, size: tuple[int, int]) -> None:
    results = tuple((f"expert-{number}-0", "stopped, its GPUs are free", False) for number in range(1, 4))
    bad = ("expert-1-2", "no answer from its node agent within 60 s; is its job still running?", True)

    async def before(pilot: Pilot[Any]) -> None:
        await pressing(shows="ready")(pilot)
        await pilot.app.push_screen(ResultsScreen("Stop 4 replicas", (*results, bad)))
        await until(pilot, lambda: "no answer from" in screen_text(pilot.app) and pane_settled(pilot.app))

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_a_stale_fleet(snap_compare: SnapCompare) -> None:
    cluster = troubled_cluster()
    ops = make_ops(cluster)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: all(word in screen_text(pilot.app) for word in ("ready", "ETA")))
        cluster.queue_error = "squeue: error: Unable to contact slurm controller (connect failure)"
        cluster.run_error = "login1: connection lost: timed out"
        cluster.clock.now += 42
        await ops.look()
        await until(pilot, lambda: "ready?" in screen_text(pilot.app))

    assert snap_compare(Tau2App(ops, ops.logs), terminal_size=(80, 24), run_before=before)
