"""The evaluation on the screen: progress, what is stuck, and steering it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tau2tui.core.command import StartEval
from tau2tui.core.eta import time_left
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, TrialProgress
from tau2tui.tui.format import duration
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.unit_table import UnitTable
from tests.sample import NOW
from tests.tui.driving import look, run_on, screen_text, shows, tells, until
from tests.tui.fakes import FakeClock, FakeCluster, make_ops, running_evaluation, seed_config

pytestmark = pytest.mark.slow


def cluster_with(evaluation: EvalProgress | None, *, time_runs: bool = False) -> FakeCluster:
    cluster = FakeCluster(seed_config(), FakeClock(runs=time_runs))
    cluster.start_fleet()
    cluster.evaluation = evaluation
    return cluster


async def test_progress_is_shown_overall_and_by_domain() -> None:
    async with run_on(make_ops(cluster_with(running_evaluation())), size=(120, 30)) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "162/278", "58%", "57m40s elapsed", "2.8 tasks/min")
        await shows(
            pilot, "56/114", "45.5%", "43.1%", "32.4%", "74 tried again", "harmony 61", "expert-1-2 48", "3 453"
        )


async def test_the_time_left_is_shown_with_its_interval() -> None:
    evaluation = running_evaluation()
    left = time_left(evaluation)
    assert left is not None
    low, middle, high = map(duration, (left.low_s, left.middle_s, left.high_s))
    async with run_on(make_ops(cluster_with(evaluation))) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, f"ETA {middle} ({low} to {high})")


async def test_where_there_is_room_the_seeds_figure_stands_beside_it() -> None:
    async with run_on(make_ops(cluster_with(running_evaluation())), size=(120, 40)) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, f"OVERALL_ETA {duration(3460 / 162 * 116)}")


async def test_the_simulation_that_is_stuck_comes_first_and_is_marked() -> None:
    async with run_on(make_ops(cluster_with(running_evaluation())), size=(140, 40)) as (app, pilot):
        await pilot.press("4")
        await shows(pilot, "10 in flight, longest idle first", "airline 4")
        first = app.screen.query_one(UnitTable).drawn_row(0)
        assert first == ["retail 17", "0", "21m30s", "▲ 10m10s", "31", "expert-1", "expert-1-2"]
        second = app.screen.query_one(UnitTable).drawn_row(1)
        assert second[3] == "9s"


async def test_a_driver_without_a_sign_of_life_is_unknown_and_not_finished() -> None:
    silent = replace(running_evaluation(), updated_at=NOW - 45)
    async with run_on(make_ops(cluster_with(silent))) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "? running, but no sign of life for 45s", "eval ? 58%")


async def test_when_the_run_directory_does_not_answer_the_state_is_in_doubt() -> None:
    cluster = cluster_with(running_evaluation())
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4")
        await shows(pilot, "● running ")
        cluster.run_error = "login1: connection lost"
        await look(ops, pilot)
        assert "● running?" in screen_text(app)
        assert "162/278" in screen_text(app)


async def test_a_rate_of_nothing_is_not_known() -> None:
    started = EvalProgress(EvalState.RUNNING, NOW, NOW, domains=(DomainProgress("mock", 9),))
    async with run_on(make_ops(cluster_with(started))) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "– tasks/min", "ETA –", "0 in flight")


async def test_why_an_evaluation_failed_is_told_literally() -> None:
    failed = replace(running_evaluation(), state=EvalState.FAILED, why="[red]no key[/] in $OPENAI_API_KEY", running=())
    async with run_on(make_ops(cluster_with(failed))) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "✖ failed", "[red]no key[/] in $OPENAI_API_KEY")


async def test_without_an_evaluation_it_says_how_to_start_one_and_s_does() -> None:
    cluster = cluster_with(None, time_runs=True)
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4")
        await shows(pilot, "No evaluation of this run yet.")
        await shows(pilot, "s starts one: retail, telecom, airline, 1 trial each, 10 at once")
        word = ops.plan(StartEval(cluster.config.evaluation))
        await pilot.press("s")
        await until(pilot, lambda: "Done: start the evaluation" in app.told)
        assert cluster.commands[-1] == word.steps[1].argv  # type: ignore[union-attr]
        assert "162/278" in screen_text(app)


async def test_p_pauses_and_goes_on() -> None:
    cluster = cluster_with(running_evaluation())
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4", "p")
        await until(pilot, lambda: len(app.told) == 1)
        await look(ops, pilot)
        assert "‖ paused" in screen_text(app)
        await pilot.press("p")
        await until(pilot, lambda: len(app.told) == 2)
        assert cluster.requests == [("eval", "pause", None), ("eval", "resume", None)]


async def test_plus_counts_on_from_what_was_asked_before_the_driver_confirms() -> None:
    cluster = cluster_with(running_evaluation())
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4", "plus", "plus", "underscore", "plus")
        await until(pilot, lambda: len(app.told) == 4)
        assert [value for _, verb, value in cluster.requests if verb == "concurrency"] == [11, 12, 11, 12]
        await look(ops, pilot)
        assert "12 at once" in screen_text(app)
        await pilot.press("underscore")
        await until(pilot, lambda: len(app.told) == 5)
        assert cluster.requests[-1] == ("eval", "concurrency", 11)


async def test_k_stops_the_evaluation_only_after_yes() -> None:
    cluster = cluster_with(running_evaluation())
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4", "K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "10 simulations are in flight; what is lost is run again" in screen_text(app)
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, ReviewScreen))
        assert cluster.requests == []
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("right", "enter")
        await until(pilot, lambda: "Done: stop the evaluation" in app.told)
        assert cluster.requests == [("eval", "stop", None)]


async def test_errors_have_a_line_for_each_class_with_its_rate_lately_and_over_the_run() -> None:
    cluster = cluster_with(running_evaluation())
    ops = make_ops(cluster)
    async with run_on(ops, size=(140, 45)) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "harmony", "61", "/MIN RUN")
        cluster.clock.now += 60
        progress = running_evaluation(cluster.clock())
        cluster.evaluation = replace(
            progress, started_at=NOW - 3460, errors={**progress.errors, "harmony": 91}, steps=300
        )
        await look(ops, pilot)
        await shows(pilot, "/MIN 1m00s", "5.0 steps/s")
        (line,) = [line for line in screen_text(pilot.app).splitlines() if "harmony" in line and "30.0" in line]
        assert "1.6" in line, "the rate over the whole run"


async def test_a_pass_rate_has_its_interval_and_trials_lines_of_their_own() -> None:
    evaluation = running_evaluation()
    trials = (TrialProgress(ok=30, errors=1, passed=20), TrialProgress(ok=25, passed=5))
    retail = replace(evaluation.domains[0], trials=trials)
    cluster = cluster_with(replace(evaluation, domains=(retail, *evaluation.domains[1:])))
    async with run_on(make_ops(cluster), size=(140, 45)) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "95% INTERVAL", "33% to 58%", "trial 0", "66.7%", "trial 1", "20.0%")


async def test_a_number_of_simulations_at_once_is_typed() -> None:
    cluster = cluster_with(running_evaluation(), time_runs=True)
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("4", "colon", *"concurrency many", "enter")
        await until(pilot, lambda: "'many' is no number from 1 to 512" in app.told)
        await pilot.press("colon", *"concurrency 24", "enter")
        await until(pilot, lambda: ("eval", "concurrency", 24) in cluster.requests)


async def test_marked_simulations_are_given_up_after_a_yes_for_each() -> None:
    cluster = cluster_with(running_evaluation(), time_runs=True)
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("4", "space", "X")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert "retail/17#0 is given up" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: ("eval", "skip", "retail/17#0") in cluster.requests)


async def test_a_simulation_leads_to_the_replica_that_it_waits_for_and_back() -> None:
    async with run_on(make_ops(cluster_with(running_evaluation()))) as (app, pilot):
        await pilot.press("4", "J")
        await until(pilot, lambda: app.current_mode == "fleet")
        assert app.screen.query_one(FleetTable).cursor_key == "expert-1-2"
        await pilot.press("U")
        await until(pilot, lambda: app.current_mode == "eval")
        assert app.screen.query_one(UnitTable).drawn_row(0)[0] == "retail 17"
        assert app.screen.query_one(UnitTable).row_count == 1


async def test_a_budget_and_a_smoke_test_are_asked_for() -> None:
    cluster = cluster_with(running_evaluation(), time_runs=True)
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("4", "colon", *"budget-usd $20", "enter")
        await until(pilot, lambda: ("eval", "budget_usd", 20.0) in cluster.requests)
        await pilot.press("colon", *"budget-tokens none", "enter")
        await until(pilot, lambda: "'none' is no budget; write a number" in app.told)
        await pilot.press("F")
        await until(pilot, lambda: ("eval", "finish", None) in cluster.requests)


async def test_a_job_that_ends_first_is_named_above_the_evaluation() -> None:
    cluster = cluster_with(running_evaluation())
    cluster.jobs = (replace(cluster.jobs[0], time_left_s=900.0), *cluster.jobs[1:])
    async with run_on(make_ops(cluster), size=(140, 45)) as (_, pilot):
        await pilot.press("4")
        await shows(pilot, "oss_eval_node1 ends before the evaluation: 15m00s left")


@pytest.mark.parametrize("words", ["budget-tokens inf", "budget-usd 1e999", "budget-tokens 0.5", "budget-tokens nan"])
async def test_what_is_no_budget_is_said_and_asked_of_nobody(words: str) -> None:
    cluster = cluster_with(running_evaluation(), time_runs=True)
    async with run_on(make_ops(cluster)) as (app, pilot):
        await pilot.press("4", "colon", *words, "enter")
        await tells(pilot, app, "is no budget; write a number")
        assert cluster.requests == []


async def test_one_more_counts_from_what_runs_after_one_that_was_refused() -> None:
    cluster = cluster_with(running_evaluation(), time_runs=True)
    ops = make_ops(cluster)
    async with run_on(ops) as (app, pilot):
        await pilot.press("4", "colon", *"read-only", "enter", "plus", "plus")
        await until(pilot, lambda: sum(told.startswith("Not done") for told in app.told) == 2)
        await pilot.press("colon", *"read-only", "enter", "plus")
        await until(pilot, lambda: ("eval", "concurrency", 11) in cluster.requests)
