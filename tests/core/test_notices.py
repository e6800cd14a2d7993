"""What is told, once, and never from what is not known."""

from __future__ import annotations

from dataclasses import replace

from tau2tui.core.fleet import FleetRow, fleet_rows
from tau2tui.core.load_verdicts import LoadVerdict, Trouble
from tau2tui.core.model import DirtyNode, EvalProgress, EvalState, RunningUnit
from tau2tui.core.notices import (
    HOLD_S,
    Condition,
    Notice,
    Watch,
    Weight,
    eval_conditions,
    fleet_conditions,
    source_conditions,
)
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import Standing, judge_all
from tests.sample import NOW, make_job, make_replica, make_snapshot, small_config

FAILED = Condition("failed", "expert-0", "expert-0 failed: out of memory", Weight.BAD, "run")
ALSO_FAILED = Condition("failed", "expert-1", "expert-1 failed", Weight.BAD, "run")
SLOW = Condition("degraded", "expert-0", "expert-0 is degraded", Weight.WARN, "run", HOLD_S)


def watching() -> Watch:
    """A watch that has seen a healthy run."""
    watch = Watch()
    assert watch.look([], (), NOW) == ()
    return watch


def test_a_condition_is_told_once_and_again_after_it_was_over() -> None:
    watch = watching()
    (notice,) = watch.look([FAILED], (), NOW + 1)
    assert (notice.words, notice.weight, notice.quiet) == ("expert-0 failed: out of memory", Weight.BAD, False)
    assert watch.look([FAILED], (), NOW + 2) == ()
    (over,) = watch.look([], (), NOW + 3)
    assert (over.words, over.weight) == ("no longer failed: expert-0", Weight.GOOD)
    assert len(watch.look([FAILED], (), NOW + 4)) == 1


def test_what_may_pass_is_told_only_when_it_has_held() -> None:
    watch = watching()
    assert watch.look([SLOW], (), NOW + 1) == ()
    assert watch.look([], (), NOW + 5) == ()
    assert watch.look([SLOW], (), NOW + 6) == ()
    assert watch.look([SLOW], (), NOW + 6 + HOLD_S)[0].words == "expert-0 is degraded"


def test_several_of_a_kind_that_come_together_are_one_notice() -> None:
    (notice,) = watching().look([FAILED, ALSO_FAILED], (), NOW + 1)
    assert notice.words == "2 × failed: expert-0, expert-1"


def test_a_source_that_does_not_answer_neither_raises_nor_ends_anything() -> None:
    watch = watching()
    watch.look([FAILED], (), NOW + 1)
    assert watch.look([], ("run",), NOW + 60) == ()
    assert watch.look([ALSO_FAILED], ("run",), NOW + 600) == ()
    (notice,) = watch.look([FAILED, ALSO_FAILED], (), NOW + 601)
    assert notice.names == ("expert-1",)


def test_what_was_so_before_anybody_looked_is_told_quietly() -> None:
    (notice,) = Watch().look([FAILED], (), NOW)
    assert notice.quiet
    watch = Watch()
    assert watch.look([FAILED], ("run",), NOW) == ()
    (late,) = watch.look([FAILED], (), NOW + 5)
    assert late.quiet


def rows(*standings: Standing) -> list[FleetRow]:
    """Rows of the small plan with these standings."""
    made = fleet_rows(judge_all(plan_jobs(small_config()), make_snapshot((make_replica(),), (make_job(),))), None)
    return [replace(made[0], replica=f"expert-{n}", standing=standing) for n, standing in enumerate(standings)]


def test_a_fleet_tells_of_what_failed_and_when_all_is_ready() -> None:
    found = fleet_conditions(rows(Standing.READY, Standing.FAILED, Standing.DEGRADED, Standing.UNKNOWN), ())
    assert [(each.group, each.name) for each in found] == [("failed", "expert-1"), ("degraded", "expert-2")]
    assert [each.group for each in fleet_conditions(rows(Standing.READY, Standing.READY), ())] == ["ready"]
    assert fleet_conditions([], ()) == []
    assert fleet_conditions([], [DirtyNode("gpu07", NOW, "pid 7 cannot be ended")])[0].view == "gpus"


def test_what_a_load_says_is_told_with_its_figures_after_it_has_held() -> None:
    full = replace(rows(Standing.READY)[0], verdicts=(LoadVerdict(Trouble.KV_BOUND, "KV cache 97% full, 5 wait"),))
    (found,) = (each for each in fleet_conditions([full], ()) if each.group != "ready")
    assert found.words == f"expert-0 is {Trouble.KV_BOUND}: KV cache 97% full, 5 wait"
    assert found.hold_s > HOLD_S


def evaluation(**changes: object) -> EvalProgress:
    start = EvalProgress(EvalState.RUNNING, NOW - 3600, NOW, errors={"timeout": 60})
    return replace(start, **changes)  # type: ignore[arg-type]


def test_an_evaluation_tells_of_its_end_its_silence_and_what_is_stalled() -> None:
    assert eval_conditions(None, None, None) == []
    assert eval_conditions(evaluation(), None, None) == []
    (over,) = eval_conditions(evaluation(state=EvalState.FAILED, why="budget spent"), None, 100.0)
    assert (over.weight, over.words) == (Weight.BAD, "the evaluation is failed, 0/0 units: budget spent")
    (silent,) = eval_conditions(evaluation(), None, 75.0)
    assert silent.words == "no sign of life of the evaluation for 75 s"
    stuck = RunningUnit("retail", "7", 0, NOW - 900, NOW - 600, doing="expert-1", replica="expert-1-2", stalled=True)
    (stalled,) = eval_conditions(evaluation(running=(stuck,)), None, None)
    assert stalled.words == "retail/7#0 is stalled: it waits for expert-1 at expert-1-2"


def test_an_error_rate_is_held_against_that_of_the_whole_run() -> None:
    assert eval_conditions(evaluation(), 4.9, None) == []
    (jump,) = eval_conditions(evaluation(), 6.0, None)
    assert jump.words == "6 failed calls a minute, 1.0 over the whole run"
    assert eval_conditions(evaluation(errors={"timeout": 600}), 20.0, None) == []


def test_a_controller_that_is_down_for_ten_minutes_is_one_notice_and_no_end_of_a_job() -> None:
    watch = watching()
    told: list[Notice] = []
    for second in range(0, 600, 15):
        found = source_conditions({"SLURM": "squeue: Unable to contact slurm controller"})
        told += watch.look(found, ("jobs",), NOW + second)
    assert [notice.group for notice in told] == ["not answering"]
