"""Rules about how replicas are served: memory, caches, starts, ports, and who may reach them."""

from __future__ import annotations

from collections.abc import Iterator

from tau2tui.config import Config, ExpertConfig
from tau2tui.core.lint.arguments import has, last_value, read_count, read_json, server_arguments, settings
from tau2tui.core.lint.facts import Facts
from tau2tui.core.lint.rule import Rule, Severity, Trouble
from tau2tui.core.placement import plan_jobs

_UTILIZATION_WITH_DRAFTS = 0.9
_WITHOUT_MEMORY = ("ngram", "suffix")
"""Speculative methods that look drafts up instead of computing them."""
_CACHES = ("VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_LARGE_TENSOR_PARALLEL, _LARGE_STAGGER_S = 4, 60
_FIRST_UNPRIVILEGED_PORT = 1024
_EPHEMERAL_PORTS = (32768, 60999)
"""Linux's default of net.ipv4.ip_local_port_range."""
_MORE_GPUS = (("--data-parallel-size", "-dp"), ("--pipeline-parallel-size", "-pp"))
_LOOPBACK = ("localhost", "::1", "127.")


def _drafts(expert: ExpertConfig) -> str:
    """The method of speculative decoding that needs GPU memory of its own; empty for none."""
    arguments = server_arguments(expert)
    given = dict(expert.speculative_config)
    given.update(read_json(last_value(arguments, "--speculative-config", "-sc")) or {})
    method = last_value(arguments, "--spec-method") or given.get("method")
    if not given and not has(arguments, "--speculative-config", "-sc", "--spec-method", "--spec-model"):
        return ""
    return "" if method in _WITHOUT_MEMORY else str(method or "a draft model")


def speculative_memory(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        given = last_value(server_arguments(expert), "--gpu-memory-utilization", "--device-memory-utilization")
        try:
            utilization = float(given) if given else expert.gpu_memory_utilization
        except ValueError:
            continue  # vLLM will say so itself
        drafts = _drafts(expert)
        if drafts and utilization > _UTILIZATION_WITH_DRAFTS:
            yield Trouble(
                f"experts.{name}.gpu_memory_utilization",
                f"{utilization:g}, with speculative decoding ({drafts}) beside it",
            )


def compile_cache_shared(config: Config, facts: Facts) -> Iterator[Trouble]:
    replicas = sum(expert.replicas for expert in config.experts.values())
    for name in _CACHES:
        if name in config.environment.variables and replicas > 1:
            where = f"environment.variables.{name}"
            yield Trouble(where, f"one directory for all {replicas} replicas; each has its own below serve.cache")
    for name, expert in config.experts.items():
        fixed = any(
            key == "cache_dir"
            for argument in server_arguments(expert)
            if argument.name in ("--compilation-config", "-cc")
            for key in settings(argument)
        )
        if fixed and expert.replicas > 1:
            yield Trouble(f"experts.{name}.args", f"compilation-config.cache_dir is one for {expert.replicas} replicas")


def prefix_caching_off(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        if has(server_arguments(expert), "--no-enable-prefix-caching") and expert.replicas > 1:
            yield Trouble(f"experts.{name}.args", f"{expert.replicas} replicas without prefix caching")


def gpus_not_placed(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        for option in _MORE_GPUS:
            if (read_count(last_value(server_arguments(expert), *option)) or 1) > 1:
                yield Trouble(
                    f"experts.{name}.args",
                    f"{option[0]} takes more than the {expert.tensor_parallel} GPUs of a replica",
                )


def stagger_short(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        large = expert.tensor_parallel >= _LARGE_TENSOR_PARALLEL and expert.replicas > 1
        if large and expert.stagger_s < _LARGE_STAGGER_S:
            yield Trouble(
                f"experts.{name}.stagger_s",
                f"{expert.stagger_s:g} s between replicas of {expert.tensor_parallel} GPUs each",
            )


def _ports(config: Config) -> dict[str, list[int]]:
    """Expert → the ports of its replicas, in order."""
    ports: dict[str, list[int]] = {}
    for job in plan_jobs(config):
        for replica in job.replicas:
            ports.setdefault(replica.expert, []).append(replica.port)
    return {name: sorted(numbers) for name, numbers in ports.items()}


def privileged_port(config: Config, facts: Facts) -> Iterator[Trouble]:
    first = facts.first_unprivileged_port
    first = _FIRST_UNPRIVILEGED_PORT if first is None else first
    for name, ports in _ports(config).items():
        if ports[0] < first:
            yield Trouble(f"experts.{name}.port", f"port {ports[0]} is below {first}: only root may listen there")


def ephemeral_port(config: Config, facts: Facts) -> Iterator[Trouble]:
    first, last = facts.ephemeral_ports or _EPHEMERAL_PORTS
    for name, ports in _ports(config).items():
        if taken := [port for port in ports if first <= port <= last]:
            yield Trouble(
                f"experts.{name}.port",
                f"the kernel gives {first}–{last} to outgoing connections: {taken[0]} may be taken",
            )


def open_endpoint(config: Config, facts: Facts) -> Iterator[Trouble]:
    if not config.serve.host.startswith(_LOOPBACK) and not facts.variables.get("VLLM_API_KEY"):
        yield Trouble("serve.host", f"servers listen on {config.serve.host} without an API key")


RULES = (
    Rule(
        "speculative-memory",
        Severity.WARNING,
        "Multi-token prediction and draft models take memory that gpu_memory_utilization does not count: "
        "`torch.OutOfMemoryError` while graphs are captured.",
        "0.88 was enough for the seed's 80B with four tokens",
        "the seed's notes, 3.2; vLLM's troubleshooting guide, out of memory",
        speculative_memory,
        vllm_only=True,
    ),
    Rule(
        "compile-cache-shared",
        Severity.WARNING,
        "Servers that compile into one directory corrupt each other's files: `Bytes object is corrupted, checksum does "
        "not match`, or a start that fails right after a good one.",
        "take it out: every replica gets its own below serve.cache",
        "vllm#18851, vllm#35061, ray#59319",
        compile_cache_shared,
        vllm_only=True,
    ),
    Rule(
        "prefix-caching-off",
        Severity.INFO,
        "Every turn computes the whole conversation again; that it stays with its replica then saves nothing.",
        "leave --no-enable-prefix-caching out, if the model allows it",
        "vLLM's guide on automatic prefix caching",
        prefix_caching_off,
        vllm_only=True,
    ),
    Rule(
        "gpus-not-placed",
        Severity.ERROR,
        "A replica is given tensor_parallel GPUs and no more; other kinds of parallelism lack theirs, and vLLM ends.",
        "use replicas for data parallelism, and tensor_parallel for models that one GPU does not hold",
        "the placement of this program; vLLM's guide on parallelism",
        gpus_not_placed,
        vllm_only=True,
    ),
    Rule(
        "stagger-short",
        Severity.INFO,
        "Large replicas that start at the same time compete for disk, memory and ports while they load.",
        "60 s is the seed's value for large models",
        "the seed's notes, 4.3",
        stagger_short,
        vllm_only=True,
    ),
    Rule(
        "privileged-port",
        Severity.ERROR,
        "The server ends with `Permission denied` when it binds the port, after it has loaded the model.",
        "use a port from 1024 on",
        "ip(7), ip_unprivileged_port_start",
        privileged_port,
    ),
    Rule(
        "ephemeral-port",
        Severity.WARNING,
        "An outgoing connection may hold the port when the server wants it: `Address already in use`.",
        "use ports below that range, such as the seed's 1900 and up",
        "ip(7), ip_local_port_range",
        ephemeral_port,
    ),
    Rule(
        "open-endpoint",
        Severity.INFO,
        "Whoever reaches the node can use the models: plain HTTP, no key. Even with a key /invocations stays open.",
        "fine inside a trusted cluster; else set VLLM_API_KEY in the environment of the jobs, never in a file",
        "vLLM's security guide, API key authentication limitations",
        open_endpoint,
        vllm_only=True,
    ),
)
