"""A fleet → the text of its config.toml, with what was not taken over as comments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.items import Array, Table

from tau2tui.core.migration.fleet import EVERY_ADDRESS, Expert, Fleet
from tau2tui.core.migration.leftover import Leftover, masked

_SLURM_ORDER = (
    "partition", "account", "qos", "time", "job_name", "gpus_per_node", "gpu_option", "gpu_type", "ntasks_per_node",
    "mem", "overcommit", "exclusive", "singleton",
)  # fmt: skip

_WIDE = 90


def config_text(fleet: Fleet, sources: Iterable[str], runs: str, names: Mapping[str, str]) -> str:
    """The configuration; `runs`: parent of all run directories, `names`: of logs and outputs inside one."""
    document = tomlkit.document()
    _comments(
        document,
        "tau2tui: made by `tau2tui import` from " + ", ".join(sources) + ".",
        "Check it with `tau2tui doctor` and `tau2tui plan`; both change nothing. What else can be set stands in",
        "the file that `tau2tui init` writes. What was not taken over stands at the end.",
    )
    document["run"] = _table({"directory": runs, **names})
    environment = dict(fleet.environment)
    variables = environment.pop("variables", {})
    if environment or variables:
        table = _table(environment)
        if variables:
            table.append("variables", _table(variables))
        document["environment"] = table
    for name in fleet.secret_names:
        _comments(document, f"{name} is a secret and was not copied: set it in the shell that submits the jobs.")
    if fleet.slurm:
        ordered = {key: fleet.slurm[key] for key in _SLURM_ORDER if key in fleet.slurm} | fleet.slurm
        document["slurm"] = _table(ordered)
    if fleet.host != EVERY_ADDRESS:
        document["serve"] = _table({"host": fleet.host})
    experts = tomlkit.table(is_super_table=True)
    for expert in fleet.experts:
        experts.append(expert.name, _expert(expert))
    document["experts"] = experts
    text = tomlkit.dumps(document).rstrip("\n") + "\n"
    return text + "".join(f"# {line}\n" for line in _leftover_lines(fleet.left))


def _table(values: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in values.items():
        table.append(key, value)
    return table


def _expert(expert: Expert) -> Table:
    table = tomlkit.table()
    for line in (_places(expert), *expert.notes):
        table.add(tomlkit.comment(masked(line)))
    values = expert.table()
    speculative = values.pop("speculative_config", None)
    for key, value in values.items():
        table.append(key, value)
        if len(repr(value)) > _WIDE and isinstance(array := table[key], Array):
            array.multiline(True)
    if speculative:
        table.append("speculative_config", _table(speculative))
    return table


def _places(expert: Expert) -> str:
    """The lines that start its servers."""
    lines: dict[str, list[str]] = {}
    for _, server in expert.servers:
        lines.setdefault(server.file, []).append(str(server.line))
    return "; ".join(f"{file}:{','.join(numbers)}" for file, numbers in lines.items())


def _comments(document: tomlkit.TOMLDocument, *lines: str) -> None:
    for line in lines:
        document.add(tomlkit.comment(masked(line)))


def _leftover_lines(left: Sequence[Leftover]) -> Iterable[str]:
    for kind, title in (("left", "Not taken over:"), ("replaced", "Done by tau2tui in a way of its own:")):
        entries = [entry for entry in left if entry.kind == kind]
        if entries:
            yield ""
            yield title
            yield from (f"  {masked(entry.where)}: {masked(entry.text)}  – {masked(entry.why)}" for entry in entries)
