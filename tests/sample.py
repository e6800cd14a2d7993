"""Small values that many tests start from."""

from __future__ import annotations

from typing import Any

from tau2tui.config import Config
from tau2tui.core.model import Job, JobState, Phase, Reading, Replica, RunState, Snapshot

NOW = 1_000_000.0


def small_config(**sections: Any) -> Config:
    """An agent and an expert with two replicas on two nodes; whole sections can be replaced."""
    data: dict[str, Any] = {
        "experts": {
            "orchestrator": {"model": "org/Agent-8B", "role": "agent", "node": 1, "gpus": [0], "port": 1900},
            "expert-1": {
                "model": "org/Expert",
                "node": 2,
                "gpus": [0, 1, 2, 3],
                "port": 1910,
                "replicas": 2,
                "tensor_parallel": 2,
                "stagger_s": 60,
            },
        },
        **sections,
    }
    return Config.model_validate(data)


def make_replica(name: str = "expert-1-0", phase: Phase = Phase.READY, **fields: Any) -> Replica:
    values: dict[str, Any] = {
        "expert": name.rpartition("-")[0],
        "model": "org/Expert",
        "job": "oss_eval_node2",
        "job_id": "8",
        "port": 1910,
        "address": "10.0.0.2",
        "heartbeat_at": NOW,
    }
    return Replica(name=name, phase=phase, **{**values, **fields})


def make_job(name: str = "oss_eval_node2", state: JobState = JobState.RUNNING, **fields: Any) -> Job:
    return Job(**{"id": "8", "name": name, "state": state, "raw_state": state.value.upper(), **fields})


def make_snapshot(
    replicas: tuple[Replica, ...] = (), jobs: tuple[Job, ...] = (), *, clock: float = NOW, **run: Any
) -> Snapshot:
    """Both sources read just now."""
    return Snapshot(jobs=Reading(jobs, NOW), run=Reading(RunState(replicas, clock=clock, **run), NOW))
