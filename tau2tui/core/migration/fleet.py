"""The scripts of all nodes → one fleet: servers of the same model and settings become the replicas of one expert."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tau2tui.core.lint.models import thinks_unless_told
from tau2tui.core.migration.endpoints import EndpointTable
from tau2tui.core.migration.leftover import Leftover
from tau2tui.core.migration.node_script import NodeScript, node_number
from tau2tui.core.migration.server import Server, hub_name
from tau2tui.errors import Refused

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - the default of the configuration, compared with


@dataclass(slots=True)
class Expert:
    """One table [experts.*] in the making."""

    name: str
    servers: list[tuple[int, Server]]
    """With the node of each."""
    stagger_s: float | None = None
    role: str = "expert"
    notes: list[str] = field(default_factory=list)

    @property
    def first(self) -> Server:
        return self.servers[0][1]

    def table(self) -> dict[str, Any]:
        """As the configuration has it."""
        nodes = list(dict.fromkeys(node for node, _ in self.servers))
        on_first = [server for node, server in self.servers if node == nodes[0]]
        table: dict[str, Any] = {"model": self.first.model}
        if self.first.checkpoint:
            table["checkpoint"] = self.first.checkpoint
        if self.role != "expert":
            table["role"] = self.role
        table |= {
            "node": nodes[0] if len(nodes) == 1 else nodes,
            "gpus": [gpu for server in on_first for gpu in server.gpus],
            "port": self.first.port,
            "replicas": len(self.servers),
        }
        if self.stagger_s is not None:
            table["stagger_s"] = int(self.stagger_s) if self.stagger_s.is_integer() else self.stagger_s
        settings = {key: value for key, value in self.first.settings.items() if value not in ((), {})}
        return {**table, **{key: list(v) if isinstance(v, tuple) else v for key, v in settings.items()}}


@dataclass(slots=True)
class Fleet:
    """All that the scripts say together."""

    experts: list[Expert]
    slurm: dict[str, Any]
    environment: dict[str, Any]
    host: str
    left: list[Leftover]
    secret_names: tuple[str, ...] = ()


def make_fleet(scripts: Sequence[NodeScript], table: EndpointTable, agent: str | None) -> Fleet:
    """Join the scripts of the nodes. `agent`: the model that plays it, if the endpoints do not tell.

    Raises Refused for what is not one fleet, or if it cannot be told which model is the agent.
    """
    left = [entry for script in scripts for entry in script.left]
    scripts = [script for script in scripts if script.servers]
    numbers = _numbers(scripts)
    experts = list(_experts(scripts, numbers, left))
    _name(experts, table, agent)
    for script in scripts:
        _refuse_clashes(script)
    slurm = _slurm(scripts, numbers, left)
    environment = _environment(scripts, left)
    hosts = {server.host for script in scripts for server in script.servers if server.host}
    for expert in experts:
        if expert.first.served == expert.first.checkpoint and expert.first.checkpoint:
            expert.notes.append("it was served under its path; its name is the last two parts of it")
        if expert.role == "expert" and thinks_unless_told(expert.first.model):
            expert.first.settings.setdefault("thinking", False)
            expert.notes.append("thinking = false: the seed's requests carried /no_think for Qwen3 experts")
    left += _unserved(experts, table)
    names = dict.fromkeys(name for script in scripts for name in script.secret_names)
    return Fleet(experts, slurm, environment, hosts.pop() if len(hosts) == 1 else EVERY_ADDRESS, left, tuple(names))


def _numbers(scripts: Sequence[NodeScript]) -> dict[str, int]:
    """The node of each script: the number in its name, or in the order of the scripts if these are not told apart."""
    said = [node_number(script) for script in scripts]
    if any(number is None or number < 1 for number in said) or len(set(said)) < len(said):
        said = list(range(1, len(scripts) + 1))
    return {script.file: number or 0 for script, number in zip(scripts, said, strict=True)}


def _experts(scripts: Sequence[NodeScript], numbers: dict[str, int], left: list[Leftover]) -> Iterator[Expert]:
    """Servers side by side: the same model and settings, ports that follow each other, the same GPUs on each node."""
    groups: dict[str, list[tuple[int, Server, float | None]]] = {}
    for script in sorted(scripts, key=lambda script: numbers[script.file]):
        for server, sleep_s in zip(script.servers, script.sleeps_s, strict=True):
            key = f"{server.model}\0{server.checkpoint}\0{sorted(server.settings.items())!r}"
            groups.setdefault(key, []).append((numbers[script.file], server, sleep_s))
    for members in groups.values():
        for part in _parts(members):
            pauses = [sleep_s for _, _, sleep_s in part if sleep_s is not None]
            if len(set(pauses)) > 1:
                file, line = part[0][1].file, part[0][1].line
                text = ", ".join(f"sleep {pause:g}" for pause in pauses)
                left.append(Leftover(file, line, text, "the pauses differ: the longest is taken", "replaced"))
            yield Expert("", [(node, server) for node, server, _ in part], _stagger(part, pauses))


def _stagger(part: Sequence[tuple[int, Server, float | None]], pauses: Sequence[float]) -> float | None:
    """Seconds between two starts: none at all only if several started and nothing was waited for."""
    return max(pauses, default=0.0 if len(part) > 1 else None)


def _parts(members: list[tuple[int, Server, float | None]]) -> Iterator[list[tuple[int, Server, float | None]]]:
    """Those of one expert: ports in a row, and evenly spread over the nodes with the same GPUs on each."""
    members = sorted(members, key=lambda member: (member[1].port, member[0]))
    rows: list[list[tuple[int, Server, float | None]]] = []
    for member in members:
        row = next((row for row in rows if row[-1][1].port + 1 == member[1].port and row[-1][0] <= member[0]), None)
        if row is None:
            rows.append([member])
        else:
            row.append(member)
    for row in rows:
        by_node: dict[int, list[tuple[int, Server, float | None]]] = {}
        for member in row:
            by_node.setdefault(member[0], []).append(member)
        gpus = {tuple(server.gpus for _, server, _ in here) for here in by_node.values()}
        yield from [row] if len(gpus) == 1 else by_node.values()


def _refuse_clashes(script: NodeScript) -> None:
    """Two servers of one script on one port or GPU: it would be refused later, without the lines."""
    taken: dict[tuple[str, int], Server] = {}
    for server in script.servers:
        for claim in (("port", server.port), *(("GPU", gpu) for gpu in server.gpus)):
            other = taken.setdefault(claim, server)
            if other is not server:
                raise Refused(
                    f"{server.file}:{server.line}: {claim[0]} {claim[1]} is already used by the server of line "
                    f"{other.line}",
                    "give each server its own --port and CUDA_VISIBLE_DEVICES",
                )


def _name(experts: list[Expert], table: EndpointTable, agent: str | None) -> None:
    """Names and roles: by the table of endpoints; the agent is the model that is no expert there."""
    models = list(dict.fromkeys(expert.first.model for expert in experts))
    playing = {model: _played(experts, model, table) for model in models}
    chosen = [expert.first.model for expert in experts if agent in _names(expert)] if agent else []
    if agent and not chosen:
        raise Refused(f"--agent {agent}: no script serves it", f"served are: {', '.join(models)}")
    unmapped = [model for model in models if not playing[model]]
    called = [model for model in unmapped if "orchestrator" in model.lower()]
    for candidates in (chosen, unmapped if table.experts else [], called, models):
        if len(set(candidates)) == 1:
            model = candidates[0]
            break
    else:
        raise Refused(
            f"which model is the agent is not told: {', '.join(models)}",
            "name it with --agent MODEL, or give model_config_oss.json as well",
        )
    mine = [expert for expert in experts if expert.first.model == model]
    if len(mine) > 1:
        lines = ", ".join(f"{expert.first.file}:{expert.first.line}" for expert in mine)
        raise Refused(f"the servers of the agent {model} differ or are not side by side: {lines}", "make them alike")
    taken: Counter[str] = Counter(filter(None, playing.values()))
    number = 0
    given: Counter[str] = Counter()
    for expert in experts:
        if expert is mine[0]:
            expert.name, expert.role = "orchestrator", "agent"
            continue
        name = playing[expert.first.model]
        while not name:
            number += 1
            name = f"expert-{number}" if not taken[f"expert-{number}"] else ""
        playing[expert.first.model] = name
        given[name] += 1
        expert.name = name if given[name] == 1 else f"{name}.{given[name]}"
    experts.sort(key=lambda expert: (expert.role != "agent", expert.name))


def _names(expert: Expert) -> frozenset[str]:
    """Under which it may be known elsewhere."""
    return frozenset(filter(None, (expert.first.model, expert.first.served, expert.first.checkpoint)))


def _is(expert: Expert, name: str) -> bool:
    """Whether a name in the table of endpoints is this expert's: a path may be written with another home directory."""
    return name in _names(expert) or (name.startswith(("/", "~")) and hub_name(name) == expert.first.model)


def _played(experts: Iterable[Expert], model: str, table: EndpointTable) -> str:
    mine = [expert for expert in experts if expert.first.model == model]
    return next((name for name, played in table.experts.items() if any(_is(expert, played) for expert in mine)), "")


def _slurm(scripts: Sequence[NodeScript], numbers: dict[str, int], left: list[Leftover]) -> dict[str, Any]:
    """The header that they share; where one differs from the first it is named."""
    first = scripts[0]
    slurm = dict(first.header.settings)
    for script in scripts[1:]:
        for key, value in script.header.settings.items():
            if slurm.get(key) != value:
                why = f"differs from {first.file}: all jobs have the same header"
                left.append(Leftover(script.file, 0, f"{key} = {value!r}", why))
        for option in script.header.extra:
            if option not in first.header.extra:
                left.append(Leftover(script.file, 0, f"#SBATCH {option}", f"not in {first.file}"))
    if first.header.extra:
        slurm["extra"] = list(first.header.extra)
    names = {script.header.job_name: numbers[script.file] for script in scripts if script.header.job_name}
    shapes = {re.sub(rf"{number}$", "{node}", name) for name, number in names.items()}
    if len(shapes) == 1 and "{node}" in (shape := shapes.pop()) and re.fullmatch(r"[\w.{}-]+", shape):
        slurm["job_name"] = shape
    elif names:
        file = first.file
        left.append(Leftover(file, 0, ", ".join(names), "names of jobs without the node's number at the end"))
    if slurm.get("gpu_option") == "gpus-per-node":
        del slurm["gpu_option"]
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in slurm.items()
        if value != "" or key == "mem"
    }


def _environment(scripts: Sequence[NodeScript], left: list[Leftover]) -> dict[str, Any]:
    """[environment]: what all scripts set up alike."""
    first = scripts[0]
    environment: dict[str, Any] = {}
    for key in ("source", "modules", "conda", "conda_prefix", "venv"):
        value = getattr(first, key)
        if value:
            environment[key] = list(value) if isinstance(value, list) else value
        for script in scripts[1:]:
            if getattr(script, key) != value:
                said = getattr(script, key)
                left.append(Leftover(script.file, 0, f"{key}: {said!r}", f"differs from {first.file}"))
    servers = [server for script in scripts for server in script.servers]
    containers = {server.container for server in servers}
    if len(containers) == 1 and (container := containers.pop()):
        environment["container"] = list(container)
    elif len(containers) > 1:
        left += [
            Leftover(server.file, server.line, " ".join(server.container), "not all servers have the same container")
            for server in servers
            if server.container
        ]
    environment["variables"] = _variables(scripts, servers, left)
    return environment


def _variables(scripts: Sequence[NodeScript], servers: Sequence[Server], left: list[Leftover]) -> dict[str, str]:
    """What every server has with the same value; the rest is named, for variables hold for all of them."""
    shared = {}
    lines = {(script.file, name): line for script in scripts for name, line in script.exported_at.items()}
    for name in dict.fromkeys(name for server in servers for name in server.environment):
        values = {server.environment.get(name) for server in servers}
        if len(values) == 1 and name.isidentifier():
            shared[name] = str(values.pop())
            continue
        told: dict[tuple[str, int], str] = {}
        for server in servers:
            if name in server.environment:
                line = lines.get((server.file, name), server.line)
                told.setdefault((server.file, line), server.environment[name])
        for (file, line), value in told.items():
            left.append(Leftover(file, line, f"{name}={value}", "not the same for all servers of the fleet"))
    return shared


def _unserved(experts: Sequence[Expert], table: EndpointTable) -> Iterator[Leftover]:
    """Endpoints and experts of the table that no script starts."""
    for name, model in table.experts.items():
        if not any(_is(expert, model) for expert in experts):
            yield Leftover(table.file, 0, f"{name}: {model}", "no script starts it")
    for model, places in table.models.items():
        mine = [expert for expert in experts if _is(expert, model)]
        if not mine and model not in table.experts.values():
            yield Leftover(table.file, 0, model, "no script starts it")
        ports = {server.port for expert in mine for _, server in expert.servers}
        for address, port in places:
            if mine and port not in ports:
                yield Leftover(table.file, 0, f"{model}: {address}:{port}", "no script starts a server on this port")
