"""The JSON of a run directory is read whatever its writer's version."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from tau2tui.core.model import DomainProgress, EvalProgress, EvalState, Load, Phase, RunningUnit
from tau2tui.core.wire import progress_from, progress_to, replica_from
from tests.sample import make_replica


def test_a_replica_survives_the_way_through_json() -> None:
    load = Load(running=1.0, kv_cache=0.5, waiting_by_reason={"capacity": 2.0}, e2e_p99_s=7.5, restarted_at=9.0)
    replica = make_replica(gpus=(2, 3), pid=4, attempt=2, load=load, why="ok")
    assert replica_from(json.loads(json.dumps(asdict(replica)))) == replica


def test_the_load_of_an_older_agent_has_what_it_told_and_the_rest_is_unknown() -> None:
    told = {"running": 2.0, "waiting": 0.0, "kv_cache": 0.5, "generation_tokens_s": 9.0}
    replica = replica_from({"name": "a-0", "phase": "ready", "port": 1, "load": told})
    assert replica.load == Load(2.0, 0.0, 0.5, 9.0)


def test_unknown_keys_are_passed_over_and_missing_ones_are_unknown_not_zero() -> None:
    replica = replica_from({"name": "a-0", "phase": "loading", "port": 1, "from_the_future": {}})
    assert replica.phase is Phase.LOADING and replica.pid is None and replica.load.running is None


@pytest.mark.parametrize("data", [{"phase": "sleeping", "port": 1}, {"phase": "ready", "port": "x"}])
def test_a_wrong_value_is_an_error(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"sleeping|invalid literal"):
        replica_from(data)


def test_an_evaluation_survives_the_way_through_json() -> None:
    progress = EvalProgress(
        EvalState.PAUSED,
        1.0,
        2.0,
        domains=(DomainProgress("retail", 9, ok=3, errors=1, running=2, passed=2, reward_sum=2.5),),
        running=(RunningUnit("retail", "[a]b|c", 0, 1.0, 1.5, 7, "expert-1", "expert-1-0"),),
        durations_s=(1.5, 2.5),
        duration_domains=("retail", "retail"),
        unit_starts=(1.0, 1.5),
        finished_before=1,
        one_domain_at_a_time=True,
        errors={"timeout": 2},
        calls={"orchestrator": 5},
        pid=3,
    )
    assert progress_from(json.loads(json.dumps(progress_to(progress)))) == progress
