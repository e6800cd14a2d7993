"""Configuration → which replica runs in which job, on which GPUs and port, and the command line that serves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tau2tui.config import Config, ExpertConfig
from tau2tui.core import layout

# Series of the published latency figures that a rehearsal server draws from, by position among the experts.
_PUBLISHED_EXPERTS = ("expert-1", "expert-2", "expert-3")


@dataclass(frozen=True, slots=True)
class PlacedReplica:
    """One server and its place."""

    name: str
    expert: str
    index: int
    gpus: tuple[int, ...]
    port: int
    delay_s: float
    """Seconds after the start of the job at which it starts."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job: all replicas of one node."""

    name: str
    node: int
    replicas: tuple[PlacedReplica, ...]


def plan_jobs(config: Config) -> tuple[PlannedJob, ...]:
    """One job for each node that the experts name, its replicas in the order of their GPUs, staggered."""
    jobs = []
    for node in sorted({expert.node for expert in config.experts.values()}):
        replicas: list[PlacedReplica] = []
        delay_s = 0.0
        for name, expert in config.experts.items():
            if expert.node != node:
                continue
            for index in range(expert.replicas):
                replicas.append(_placed(name, expert, index, delay_s))
                delay_s += expert.stagger_s
        jobs.append(PlannedJob(config.slurm.job_name.format(node=node), node, tuple(replicas)))
    return tuple(jobs)


def replica_name(expert: str, index: int) -> str:
    """The name of a replica everywhere: files, requests, logs."""
    return f"{expert}-{index}"


def _placed(name: str, expert: ExpertConfig, index: int, delay_s: float) -> PlacedReplica:
    first = index * expert.tensor_parallel
    gpus = expert.gpus[first : first + expert.tensor_parallel]
    return PlacedReplica(replica_name(name, index), name, index, gpus, expert.ports[index], delay_s)


def server_argv(config: Config, replica: PlacedReplica, run_dir: PurePosixPath) -> tuple[str, ...]:
    """The command line that serves a replica; rehearsal servers take vLLM's arguments and pass over most."""
    expert = config.experts[replica.expert]
    argv = list(config.serve.command)
    if config.serve.engine == "rehearsal":
        argv = [config.cluster.python, str(run_dir / layout.REHEARSAL_SERVER)]
    argv += [expert.checkpoint or expert.model, "--served-model-name", expert.model]
    argv += ["--host", config.serve.host, "--port", str(replica.port)]
    argv += ["--tensor-parallel-size", str(expert.tensor_parallel)]
    argv += ["--gpu-memory-utilization", f"{expert.gpu_memory_utilization:g}"]
    if expert.tool_call_parser:
        argv += ["--enable-auto-tool-choice", "--tool-call-parser", expert.tool_call_parser]
    if expert.chat_template:
        argv += ["--chat-template", expert.chat_template]
    if expert.speculative_config:
        argv += ["--speculative-config", json.dumps(expert.speculative_config)]
    argv += expert.args
    if config.serve.engine == "rehearsal":
        argv += _rehearsal_arguments(config, replica, run_dir)
    return tuple(argv)


def _rehearsal_arguments(config: Config, replica: PlacedReplica, run_dir: PurePosixPath) -> list[str]:
    role = config.experts[replica.expert].role
    experts = [name for name, expert in config.experts.items() if expert.role == "expert"]
    position = experts.index(replica.expert) % len(_PUBLISHED_EXPERTS) if role == "expert" else 0
    series = {"agent": "orchestrator", "user": "user", "expert": _PUBLISHED_EXPERTS[position]}[role]
    rehearsal = config.rehearsal
    return [
        *("--role", role, "--latency-of", series),
        *("--speed", f"{rehearsal.speed:g}", "--start-s", f"{rehearsal.start_s:g}"),
        *("--seed", str(rehearsal.seed + replica.port), "--script", str(run_dir / layout.REHEARSAL_SCRIPT)),
    ]


def job_spec(config: Config, job: PlannedJob, run_dir: PurePosixPath, address: str = "") -> dict[str, Any]:
    """What the node agent of a job is to start; `address` overrides what the node thinks its own is."""
    table = endpoints(config, {})
    models = [key for key, value in table.items() if isinstance(value, list)]
    return {
        "schema": 1,
        "job": job.name,
        "run_id": run_dir.name,
        "run_dir": str(run_dir),
        "grace_s": config.slurm.grace_s,
        "stop_timeout_s": config.serve.stop_timeout_s,
        "start_after": config.serve.start_after,
        "endpoints": {
            "file": layout.ENDPOINTS,
            "models": models,
            "more": {key: value for key, value in table.items() if key not in models},
        },
        "logs": config.run.logs,
        "host": config.serve.host,
        "address": address,
        "replicas": [
            {
                "name": replica.name,
                "expert": replica.expert,
                "model": config.experts[replica.expert].model,
                "argv": list(server_argv(config, replica, run_dir)),
                "env": dict(config.environment.variables),
                "cache": f"{config.serve.cache}/{replica.name}",
                "gpus": list(replica.gpus),
                "port": replica.port,
                "delay_s": replica.delay_s if config.serve.start_after == "delay" else 0.0,
                "restart": config.serve.restart.model_dump(),
                "probe": config.experts[replica.expert].probe,
                "start_timeout_s": config.serve.start_timeout_s,
                "stop_timeout_s": config.serve.stop_timeout_s,
            }
            for replica in job.replicas
        ],
    }


def endpoints(config: Config, addresses: dict[str, str]) -> dict[str, Any]:
    """`model_config_oss.json` in the seed's shape: model → its replicas' addresses, ports as strings.

    `addresses` maps replica names to the addresses that were discovered; a replica without one is left out.
    """
    table: dict[str, Any] = {}
    for job in plan_jobs(config):
        for replica in job.replicas:
            model = config.experts[replica.expert].model
            entries = table.setdefault(model, [])
            if replica.name in addresses:
                entries.append({"ip_addr": addresses[replica.name], "port": str(replica.port)})
    table["vllm_model_config_path"] = layout.ENDPOINTS
    table["oss_expert_mapping"] = {
        name: expert.model for name, expert in config.experts.items() if expert.role == "expert"
    }
    return table
