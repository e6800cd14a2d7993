"""The run's jobs on the screen, and what the keys do to them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import Input

from tau2tui.core.model import Job, JobState, Phase
from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.job_table import JobTable
from tests.tui.driving import WatchedApp, look, run_on, screen_text, shows, tells, until
from tests.tui.fakes import FakeCluster, busy_cluster, make_ops, seed_config

pytestmark = pytest.mark.slow


def table(app: WatchedApp) -> JobTable:
    return app.screen.query_one(JobTable)


def rows(app: WatchedApp) -> list[list[str]]:
    return [table(app).drawn_row(row) for row in range(table(app).row_count)]


async def test_a_job_is_joined_with_its_replicas_and_says_why_it_waits() -> None:
    cluster = busy_cluster(time_runs=True)
    cluster.change("expert-1-2", phase=Phase.FAILED, why="exited with status 1")
    waiting = replace(cluster.jobs[2], state=JobState.PENDING, raw_state="PENDING", reason="Resources", nodes="")
    cluster.jobs = (*cluster.jobs[:2], waiting)
    async with run_on(make_ops(cluster), size=(120, 30)) as (app, pilot):
        await pilot.press("2")
        shown = rows(app)
        assert shown[0] == ["● running", "481498", "oss_eval_node1", "gpu01", "21h13m", "8/8", ""]
        assert shown[1][5] == "3/4"
        assert shown[2] == ["◌ pending", "481500", "oss_eval_node3", "–", "19h13m", "4/4", "waits for free nodes"]


async def test_a_queue_that_does_not_answer_shows_what_was_seen_last_and_ends_nothing() -> None:
    cluster = busy_cluster(time_runs=True)
    ops = make_ops(cluster)
    async with run_on(ops, size=(120, 30)) as (app, pilot):
        await pilot.press("2")
        cluster.queue_error = "squeue: error: Unable to contact slurm controller"
        await look(ops, pilot)
        assert [row[0] for row in rows(app)] == ["● running?"] * 3


async def test_before_anything_was_submitted_jobs_are_absent_and_not_ended() -> None:
    cluster = FakeCluster(seed_config())
    async with run_on(make_ops(cluster), size=(120, 30)) as (app, pilot):
        await pilot.press("2")
        assert [row[:3] for row in rows(app)] == [["○ absent", "–", f"oss_eval_node{node}"] for node in (1, 2, 3)]


async def test_a_job_that_ends_before_the_evaluation_is_named_above_the_table() -> None:
    cluster = busy_cluster(time_runs=True)
    cluster.jobs = (replace(cluster.jobs[0], time_left_s=1200.0), *cluster.jobs[1:])
    async with run_on(make_ops(cluster), size=(140, 30)) as (_, pilot):
        await pilot.press("2")
        await shows(pilot, "oss_eval_node1 ends before the evaluation: 20m00s left")


async def test_stopping_marked_jobs_shows_exactly_these_and_asks_for_the_word() -> None:
    cluster = busy_cluster(time_runs=True)
    async with run_on(make_ops(cluster), size=(120, 40)) as (app, pilot):
        await pilot.press("2", "j", "space", "space", "K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        shown = screen_text(app)
        assert "oss_eval_node2" in shown and "oss_eval_node3" in shown
        assert "request stop oss_eval_node2" in shown
        assert app.screen.query_one("#yes").disabled
        await pilot.press("enter", "y")
        assert isinstance(app.screen, ReviewScreen), "y alone does nothing where much is ended"
        app.screen.query_one(Input).focus()
        await pilot.press(*"stop")
        assert not app.screen.query_one("#yes").disabled
        await pilot.press("tab", "y")
        await until(pilot, lambda: ("scancel", "481499") in cluster.commands)
        assert ("481499", "stop", None) in cluster.requests or ("oss_eval_node2", "stop", None) in cluster.requests
        assert ("scancel", "481498") not in cluster.commands


async def test_what_cannot_be_stopped_is_left_out_and_named() -> None:
    cluster = busy_cluster(time_runs=True)
    over = replace(cluster.jobs[1], state=JobState.ENDED, raw_state="CANCELLED")
    cluster.jobs = (cluster.jobs[0], over, cluster.jobs[2])
    async with run_on(make_ops(cluster), size=(120, 40)) as (app, pilot):
        await pilot.press("2", "j", "K")
        await tells(pilot, app, "left out, there is nothing to stop: oss_eval_node2")
        assert not isinstance(app.screen, ReviewScreen)


async def test_a_job_leads_to_its_replicas_and_a_replica_to_its_job() -> None:
    async with run_on(make_ops(busy_cluster(time_runs=True)), size=(120, 40)) as (app, pilot):
        await pilot.press("2", "j", "U")
        await until(pilot, lambda: app.current_mode == "fleet")
        fleet = app.screen.query_one(FleetTable)
        assert [fleet.drawn_row(row)[1] for row in range(fleet.row_count)] == [f"expert-1-{n}" for n in range(4)]
        await pilot.press("J")
        await until(pilot, lambda: app.current_mode == "jobs")
        assert table(app).cursor_key == "481499"


async def test_everything_about_a_job_is_shown_in_full() -> None:
    async with run_on(make_ops(busy_cluster(time_runs=True)), size=(120, 40)) as (app, pilot):
        await pilot.press("2", "enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await shows(pilot, "jobs/oss_eval_node1.out", "orchestrator-3")
        await pilot.press("q")
        assert app.current_mode == "jobs"


async def test_each_target_of_several_has_a_result_of_its_own() -> None:
    cluster = busy_cluster(time_runs=True)
    async with run_on(make_ops(cluster), size=(120, 40)) as (app, pilot):
        await pilot.press("1", "space", "space", "K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await shows(pilot, "✔ orchestrator-0", "✔ orchestrator-1")


async def test_the_evaluations_own_job_is_a_row_too() -> None:
    cluster = busy_cluster(time_runs=True)
    cluster.jobs += (Job("481600", "tau2_eval", JobState.RUNNING, "RUNNING", nodes="cpu01", time_left_s=900.0),)
    async with run_on(make_ops(cluster), size=(120, 40)) as (app, pilot):
        await pilot.press("2")
        assert rows(app)[3] == ["● running", "481600", "tau2_eval", "cpu01", "15m00s", "–", ""]
