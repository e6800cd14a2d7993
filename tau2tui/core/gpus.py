"""GPUs of a node and the processes that hold them, as `node_agent.py gpus` reports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; None is "not reported"."""

    index: str
    uuid: str
    name: str
    total_mib: float | None
    used_mib: float | None
    utilization: float | None
    """Share of time in which it was busy, 0–1."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory of a GPU, and the verdict on it with its reason."""

    gpu_uuid: str
    pid: int
    started_ticks: int | None
    """With the pid it names one process for ever; None if it is gone or hidden."""
    user: str
    age_s: float | None
    command: str
    job_id: str
    replica: str
    used_mib: float
    stale: bool
    why: str


@dataclass(frozen=True, slots=True)
class NodeGpus:
    """What one node said, and how it was reached."""

    node: str
    via: str
    gpus: tuple[Gpu, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    shared_memory: tuple[str, ...] = ()
    """Files in /dev/shm that engines of ours left behind."""
    error: str = ""
    """Why nothing is known of it; then there are no GPUs here, which does not mean that the node has none."""


def node_gpus_from(data: Mapping[str, Any], node: str, via: str) -> NodeGpus:
    """Read a report. Raises KeyError, TypeError, ValueError if it is none."""
    return NodeGpus(
        node=node,
        via=via,
        gpus=tuple(_gpu(gpu) for gpu in data["gpus"]),
        processes=tuple(
            GpuProcess(
                gpu_uuid=str(process["gpu_uuid"]),
                pid=int(process["pid"]),
                started_ticks=None if process["started_ticks"] is None else int(process["started_ticks"]),
                user=str(process["user"]),
                age_s=None if process["age_s"] is None else float(process["age_s"]),
                command=str(process["command"]),
                job_id=str(process["job_id"]),
                replica=str(process["replica"]),
                used_mib=float(process["used_mib"]),
                stale=process["stale"] is True,
                why=str(process["why"]),
            )
            for process in data["processes"]
        ),
        shared_memory=tuple(str(file["name"]) for file in data["shared_memory"]),
        error=str(data["error"]),
    )


def _gpu(gpu: Mapping[str, Any]) -> Gpu:
    percent = gpu["utilization_percent"]
    return Gpu(
        index=str(gpu["index"]),
        uuid=str(gpu["uuid"]),
        name=str(gpu["name"]),
        total_mib=gpu["total_mib"],
        used_mib=gpu["used_mib"],
        utilization=None if percent is None else float(percent) / 100,
    )
