"""Configuration → which replica runs in which job, on which GPUs and port, and the command line that serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from tau2tui.config import Argument, Config, Scalar
from tau2tui.core import layout
from tau2tui.core.slurm_time import slurm_seconds
from tau2tui.errors import ConfigError

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
    """One job for each node, its replicas in the order of their GPUs, staggered.

    Pinned experts stand where they say; the others are packed around them, large ones first, each replica on GPUs that
    lie side by side. Raises ConfigError for what does not fit.
    """
    by_node: dict[int, list[PlacedReplica]] = {}
    for node, replica in (*_pinned(config), *_packed(config)):
        by_node.setdefault(node, []).append(replica)
    return tuple(
        PlannedJob(config.slurm.job_name.format(node=node), node, _staggered(config, by_node[node]))
        for node in sorted(by_node)
    )


def replica_name(expert: str, index: int) -> str:
    """The name of a replica everywhere: files, requests, logs."""
    return f"{expert}-{index}"


def _pinned(config: Config) -> Iterator[tuple[int, PlacedReplica]]:
    for name, expert in config.experts.items():
        here = expert.replicas // max(1, len(expert.nodes))
        for index in range(expert.replicas if expert.nodes else 0):
            first = index % here * expert.tensor_parallel
            gpus = expert.gpus[first : first + expert.tensor_parallel]
            yield (
                expert.nodes[index // here],
                PlacedReplica(replica_name(name, index), name, index, gpus, expert.ports[index], 0.0),
            )


def _packed(config: Config) -> Iterator[tuple[int, PlacedReplica]]:
    """First fit, decreasing by tensor_parallel, in the order of the configuration within one size."""
    rooms = _Rooms(config)
    packed = [(name, expert) for name, expert in config.experts.items() if not expert.nodes]
    for name, expert in sorted(packed, key=lambda item: -item[1].tensor_parallel):
        for index in range(expert.replicas):
            node, gpus = rooms.take(replica_name(name, index), expert.tensor_parallel)
            port = rooms.port(node, None if expert.port is None else expert.ports[index])
            yield node, PlacedReplica(replica_name(name, index), name, index, gpus, port, 0.0)


class _Rooms:
    """Free GPUs and ports of the nodes, while experts are packed onto them."""

    def __init__(self, config: Config) -> None:
        self._placement = config.placement
        self._one_host = config.cluster.scheduler == "local"
        self._gpus: dict[int, set[int]] = {}
        self._ports: set[tuple[int, int]] = set()
        for node, replica in _pinned(config):
            self._free(node).difference_update(replica.gpus)
            self._ports.add((0 if self._one_host else node, replica.port))

    def take(self, replica: str, size: int) -> tuple[int, tuple[int, ...]]:
        """A node and GPUs on it, side by side and aligned to their number, as the links between them want it."""
        limit = self._placement.nodes or max(self._gpus, default=0) + 1
        for node in range(1, max(limit, max(self._gpus, default=0)) + 1):
            free = self._free(node)
            for first in range(0, self._placement.gpus_per_node - size + 1, size):
                block = tuple(range(first, first + size))
                if free.issuperset(block):
                    free.difference_update(block)
                    return node, block
        left = {node: len(free) for node, free in self._gpus.items() if free}
        raise ConfigError(
            f"{replica} needs {size} GPUs side by side on a node of {self._placement.gpus_per_node}; "
            f"free are {', '.join(f'{count} on node {node}' for node, count in left.items()) or 'none'}",
            "raise placement.nodes, or place it by hand: node, gpus, port",
        )

    def port(self, node: int, wanted: int | None) -> int:
        """A port that no other replica of the node has: the one that is wanted, or the next from first_port on."""
        host = 0 if self._one_host else node
        candidates = (wanted,) if wanted is not None else range(self._placement.first_port, 65536)
        for port in candidates:
            if (host, port) not in self._ports:
                self._ports.add((host, port))
                return port
        raise ConfigError(f"port {wanted} on node {node} is already used", "leave the port out, or choose another")

    def _free(self, node: int) -> set[int]:
        return self._gpus.setdefault(node, set(range(self._placement.gpus_per_node)))


def _staggered(config: Config, replicas: list[PlacedReplica]) -> tuple[PlacedReplica, ...]:
    """In the order of their GPUs, each a stagger after the one before it."""
    delay_s = 0.0
    staggered = []
    for placed in sorted(replicas, key=lambda replica: (replica.gpus, replica.port)):
        staggered.append(replace(placed, delay_s=delay_s))
        delay_s += config.experts[placed.expert].stagger_s
    return tuple(staggered)


def gpu_hours(config: Config) -> float:
    """What the jobs take at most: their GPUs for their time limit, in hours."""
    hours = (slurm_seconds(config.slurm.time) or 0.0) / 3600
    used = sum(len(replica.gpus) for job in plan_jobs(config) for replica in job.replicas)
    return hours * (config.slurm.gpus_per_node * len(plan_jobs(config)) or used)


def server_argv(config: Config, replica: PlacedReplica, run_dir: PurePosixPath) -> tuple[str, ...]:
    """The command line that serves a replica; rehearsal servers take vLLM's arguments and pass over most."""
    expert = config.experts[replica.expert]
    argv = [*config.environment.container, *config.serve.command]
    if config.serve.engine == "rehearsal":
        argv = [config.cluster.python, str(run_dir / layout.REHEARSAL_SERVER)]
    argv += [expert.checkpoint or expert.model, "--served-model-name", expert.model]
    argv += ["--host", config.serve.host, "--port", str(replica.port)]
    argv += ["--tensor-parallel-size", str(expert.tensor_parallel)]
    argv += ["--gpu-memory-utilization", f"{expert.gpu_memory_utilization:g}"]
    if expert.tool_call_parser:
        argv += ["--enable-auto-tool-choice", "--tool-call-parser", expert.tool_call_parser]
    if expert.chat_template:
        builtin = expert.chat_template.startswith(layout.BUILTIN_TEMPLATE)
        copied = str(run_dir / layout.template_file(expert.chat_template))
        argv += ["--chat-template", copied if builtin else expert.chat_template]
    if expert.speculative_config:
        argv += ["--speculative-config", json.dumps(expert.speculative_config)]
    argv += arguments(expert.args)
    if config.serve.engine == "rehearsal":
        argv += _rehearsal_arguments(config, replica, run_dir)
    return tuple(argv)


def arguments(args: tuple[str, ...] | dict[str, Argument]) -> list[str]:
    """The command line of a server's further arguments; see `ExpertConfig.args` for what each kind of value means."""
    if not isinstance(args, dict):
        return list(args)
    argv: list[str] = []
    for name, value in args.items():
        option = f"--{name}"
        match value:
            case True:
                argv.append(option)
            case False:
                argv.append(f"--no-{name}")
            case dict():
                argv += [option, json.dumps(value)]
            case tuple():
                for item in value:
                    argv += [option, *(map(_word, item) if isinstance(item, tuple) else (_word(item),))]
            case _:
                argv += [option, _word(value)]
    return argv


def _word(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    table = endpoints(config)
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
        "metrics_s": config.poll.metrics_s,
        "completion_s": config.poll.completion_s,
        "verdicts": config.verdicts.agents_own,
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


def endpoints(config: Config) -> dict[str, Any]:
    """`model_config_oss.json` in the seed's shape, before any replica is ready: model → its endpoints, and the experts.

    The agents fill it in as {"ip_addr": …, "port": …}, ports as strings.
    """
    models = dict.fromkeys(expert.model for expert in config.experts.values())
    return {
        **{model: [] for model in models},
        "vllm_model_config_path": layout.ENDPOINTS,
        "oss_expert_mapping": {
            name: expert.model for name, expert in config.experts.items() if expert.role == "expert"
        },
    }


def endpoint_addresses(table: Any) -> set[tuple[str, str]]:
    """Address and port of every endpoint in a `model_config_oss.json`. Raises ValueError if it is none."""
    if not isinstance(table, dict):
        raise ValueError("not a table of endpoints")
    lists = [entries for entries in table.values() if isinstance(entries, list)]
    return {(str(entry["ip_addr"]), str(entry["port"])) for entries in lists for entry in entries}
