"""The rows of the fleet: what a replica that failed is said to suffer from."""

from __future__ import annotations

import json

from tau2tui.config import DiagnosisConfig
from tau2tui.core.diagnosis import table
from tau2tui.core.fleet import FleetRow, fleet_rows
from tau2tui.core.model import Phase
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import judge_all
from tests.sample import make_job, make_replica, make_snapshot, small_config

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


def row(phase: Phase, last_error: str, **settings: object) -> FleetRow:
    """The row of expert-1-0, which is in this phase and last said this."""
    replica = make_replica("expert-1-0", phase, last_error=last_error, node="gpu07", log="logs/expert-1-0.1.log")
    verdicts = judge_all(plan_jobs(small_config()), make_snapshot((replica,), (make_job(),)))
    known = table(DiagnosisConfig.model_validate(settings)) if settings else None
    (found,) = (each for each in fleet_rows(verdicts, None, known=known) if each.replica == "expert-1-0")
    return found


def test_a_failed_replica_has_the_cause_and_the_command_of_its_last_error() -> None:
    found = row(Phase.FAILED, OOM).diagnosis
    assert found is not None and found.id == "cuda-out-of-memory" and found.file == "logs/expert-1-0.1.log"
    assert str(found.action) == "tau2tui relaunch expert-1-0 --set gpu_memory_utilization=0.88"
    assert json.loads(json.dumps(found.to_json()))["node"] == "gpu07"


def test_a_replica_that_lives_or_failed_of_something_unknown_has_none() -> None:
    assert row(Phase.READY, OOM).diagnosis is None
    assert row(Phase.FAILED, "RuntimeError: never seen before").diagnosis is None
    assert row(Phase.FAILED, "").diagnosis is None


def test_the_signatures_of_the_configuration_count() -> None:
    assert row(Phase.FAILED, OOM, ignore=["cuda-out-of-memory"]).diagnosis is None
