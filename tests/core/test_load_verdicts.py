"""What is said of a server's load; and that nothing is said of what is not reported."""

from __future__ import annotations

from typing import Any

import pytest

from tau2tui.config import VerdictsConfig
from tau2tui.core.fleet import fleet_rows
from tau2tui.core.load_verdicts import LoadVerdict, Trouble, load_verdicts
from tau2tui.core.model import EvalProgress, EvalState, Load, Phase, Replica, RunningUnit
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import Standing, judge_all
from tests.sample import NOW, make_replica, make_snapshot, small_config


def served(load: Load, **fields: Any) -> Replica:
    return make_replica(**{"phase": Phase.READY, "heartbeat_at": NOW, "load": load, **fields})


def said(load: Load, in_flight: dict[str, int] | None = None, **fields: Any) -> tuple[LoadVerdict, ...]:
    replica = served(load, **fields)
    return load_verdicts([replica], in_flight)[replica.name]


def test_of_a_server_that_reports_nothing_nothing_is_said() -> None:
    assert said(Load()) == ()
    assert said(Load(), in_flight={"other-0": 9}) == ()


def test_a_calm_server_is_well() -> None:
    calm = Load(4.0, 0.0, 0.4, 900.0, requests_s=0.5, itl_s=0.01, itl_usual_s=0.01, preemptions_per_min=0.0)
    assert said(calm, in_flight={"x-0": 3}) == ()


@pytest.mark.parametrize(
    ("load", "trouble", "evidence"),
    [
        (
            Load(8.0, 5.0, 0.5, waiting_since=NOW - 75),
            Trouble.SATURATED,
            "saturated: 5 wait, some always for 75 s",
        ),
        (
            Load(8.0, 2.0, 0.97, preemptions_per_min=3.0, waiting_since=NOW - 5),
            Trouble.KV_BOUND,
            "KV-bound: KV cache 97% full, 2 wait, 3.0 preemptions a minute",
        ),
        (
            Load(3.0, 0.0, 0.2, itl_s=0.048, itl_usual_s=0.02),
            Trouble.DRIFTING,
            "drifting: 48 ms between tokens, 20 ms since its start",
        ),
        (
            Load(3.0, 0.0, 0.2, restarted_at=NOW - 40),
            Trouble.RESTARTED,
            "restarted: its counters began anew 40 s ago",
        ),
    ],
)
def test_each_trouble_is_told_with_its_figures(load: Load, trouble: Trouble, evidence: str) -> None:
    assert said(load) == (LoadVerdict(trouble, evidence),)


@pytest.mark.parametrize(
    "load",
    [
        Load(8.0, 5.0, 0.5, waiting_since=NOW - 59),
        Load(8.0, 0.0, 0.97, preemptions_per_min=0.0),
        Load(8.0, 2.0, 0.89),
        Load(3.0, 0.0, 0.2, itl_s=0.039, itl_usual_s=0.02),
        Load(3.0, 0.0, 0.2, restarted_at=NOW - 301),
    ],
)
def test_what_is_within_its_limits_is_no_trouble(load: Load) -> None:
    assert said(load) == ()


def test_a_new_attempt_is_a_restart_for_five_minutes() -> None:
    assert said(Load(), attempt=3, ready_at=NOW - 30)[0].evidence == "restarted: attempt 3, ready for 30 s"
    assert said(Load(), attempt=3, ready_at=NOW - 301) == () == said(Load(), attempt=1, ready_at=NOW - 30)


def test_a_server_is_starved_only_while_others_have_work() -> None:
    idle = Load(0.0, 0.0, 0.0, requests_s=0.0, window_s=60.0)
    (verdict,) = said(idle, in_flight={"other-0": 7, "other-1": 2})
    assert verdict == LoadVerdict(Trouble.STARVED, "starved: no request in the last 60 s, 9 are at other replicas")
    assert said(idle) == () == said(idle, in_flight={})
    assert said(idle, in_flight={"expert-1-0": 1, "other-0": 7}) == ()
    assert said(Load(0.0, 0.0, 0.0), in_flight={"other-0": 7}) == (), "whether requests ended is not known"


def test_imbalance_is_against_the_median_of_the_same_model() -> None:
    loads = {"a-0": (12.0, 4.0), "a-1": (4.0, 0.0), "a-2": (5.0, 0.0), "a-3": (0.0, 0.0)}
    replicas = [served(Load(r, w, 0.1), name=name, model="m") for name, (r, w) in loads.items()]
    replicas.append(served(Load(40.0, 0.0, 0.1), name="b-0", model="another"))
    found = load_verdicts(replicas)
    assert found["a-0"][0].evidence == "imbalanced: 16 requests, the median of the other 3 of its model is 4"
    assert found["a-3"][0].evidence == "imbalanced: 0 requests, the median of the other 3 of its model is 5"
    assert found["a-1"] == found["a-2"] == found["b-0"] == ()


def test_the_limits_are_those_of_the_configuration() -> None:
    replica = served(Load(8.0, 1.0, 0.5, waiting_since=NOW - 10))
    (verdict,) = load_verdicts([replica], None, VerdictsConfig(saturated_s=5))[replica.name]
    assert verdict.trouble is Trouble.SATURATED


def test_a_degraded_server_is_what_its_agent_calls_it() -> None:
    why = "stuck: 2 requests run and no token came for 70 s"
    (verdict,) = said(Load(), phase=Phase.DEGRADED, why=why)
    assert verdict == LoadVerdict(Trouble.STUCK, why)
    assert said(Load(), phase=Phase.DEGRADED, why="/health: timed out") == ()


def test_a_row_of_the_fleet_tells_the_evidence_once_and_of_a_silent_agent_nothing() -> None:
    jobs = plan_jobs(small_config())
    placed = jobs[1].replicas[0]
    load = Load(8.0, 5.0, 0.5, waiting_since=NOW - 75)
    replica = served(load, name=placed.name, expert=placed.expert)
    progress = EvalProgress(EvalState.RUNNING, NOW, NOW, running=(RunningUnit("retail", "1", 0, NOW, NOW),))

    def row_of(heartbeat_at: float, **fields: Any) -> Any:
        seen = served(load, name=placed.name, expert=placed.expert, heartbeat_at=heartbeat_at, **fields)
        snapshot = make_snapshot(replicas=(seen,), evaluation=progress)
        rows = fleet_rows(judge_all(jobs, snapshot), snapshot.run.value)
        return next(row for row in rows if row.replica == replica.name)

    row = row_of(NOW)
    assert row.standing is Standing.READY and row.why == "saturated: 5 wait, some always for 75 s"
    stuck = row_of(NOW, phase=Phase.DEGRADED, why="stuck: 8 requests run and no token came for 60 s")
    assert stuck.why.count("stuck") == 1 and len(stuck.verdicts) == 2
    silent = row_of(NOW - 100)
    assert silent.standing is Standing.UNKNOWN and silent.verdicts == ()
