"""What is news of a run, once and no more than once, and where it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tau2tui.config import NoticesConfig
from tau2tui.core.model import EvalState, Phase
from tau2tui.core.notices import Notice, Weight
from tau2tui.tui.news import Inbox
from tau2tui.tui.screens.inbox import InboxScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tests.tui.driving import look, run_on, shows, until
from tests.tui.fakes import busy_cluster, make_ops, running_evaluation

pytestmark = pytest.mark.slow

NEWS = Notice(7.0, "failed", ("expert-1-2",), "expert-1-2 failed: out of memory", Weight.BAD, "fleet")


async def test_a_replica_that_fails_is_told_once_and_leads_there() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops, size=(120, 36)) as (app, pilot):
        cluster.change("expert-1-2", phase=Phase.FAILED, why="out of memory")
        await look(ops, pilot)
        await look(ops, pilot)
        assert [words for words in app.told if "failed" in words] == ["expert-1-2 failed: out of memory"]
        await shows(pilot, "new: I")
        await pilot.press("4", "I")
        await until(pilot, lambda: isinstance(app.screen, InboxScreen))
        await shows(pilot, "✖ *", "expert-1-2 failed: out of memory")
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "fleet")
        assert app.screen.query_one(FleetTable).cursor_key == "expert-1-2"
        assert app.news == 0


async def test_a_scheduler_that_is_silent_tells_of_no_end() -> None:
    cluster = busy_cluster()
    cluster.evaluation = None
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.queue_error = "squeue: error: Unable to contact slurm controller"
        for _ in range(5):
            cluster.clock.now += 30
            await look(ops, pilot)
        kinds = [entry.notice.group for entry in app._inbox.all if not entry.notice.quiet]
        assert kinds == ["not answering"]


async def test_what_was_so_already_and_what_is_quiet_is_only_in_the_inbox() -> None:
    cluster = busy_cluster()
    cluster.config = cluster.config.model_copy(update={"notices": NoticesConfig(quiet=("failed",))})
    cluster.change("expert-1-2", phase=Phase.FAILED, why="out of memory")
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.change("expert-1-3", phase=Phase.FAILED, why="out of memory")
        await look(ops, pilot)
        assert app.told == []
        names = [name for entry in app._inbox.all for name in entry.notice.names]
        assert names == ["expert-1-2", "expert-1-3"]


async def test_the_end_of_an_evaluation_is_told() -> None:
    cluster = busy_cluster()
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        cluster.evaluation = replace(running_evaluation(), state=EvalState.FAILED, why="the budget is spent")
        await look(ops, pilot)
        assert "the evaluation is failed, 162/278 units: the budget is spent" in app.told


def test_the_inbox_forgets_the_oldest_and_counts_what_is_new() -> None:
    inbox = Inbox()
    inbox.put([NEWS] * 300)
    assert (len(inbox.all), inbox.new, inbox.all[-1].number) == (256, 256, 300)
    inbox.review()
    assert inbox.new == 0
