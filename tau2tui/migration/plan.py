"""Decide what an import writes, and write it: all of it or nothing, never over anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli

from tau2tui.config import Config, is_name, parse
from tau2tui.core import layout, wire
from tau2tui.core.migration.config_text import config_text
from tau2tui.core.migration.endpoints import EndpointTable, read_endpoints
from tau2tui.core.migration.fleet import Fleet, make_fleet
from tau2tui.core.migration.leftover import Leftover, all_masked
from tau2tui.core.migration.node_script import NodeScript, read_node_script
from tau2tui.core.placement import plan_jobs, replica_name
from tau2tui.errors import CommandFailed, ConfigError, NothingToRead, Refused
from tau2tui.migration.artefacts import Artefacts, files_below, find_artefacts, is_results, read_text

_PRIVATE, _PRIVATE_DIRECTORY = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be written, and what is not taken over."""

    config_file: Path
    config_text: str
    config: Config
    run_directory: Path | None
    """None if there were neither logs nor outputs: then there is no run, only a configuration."""
    written: Mapping[Path, str]
    """File → its text."""
    taken: Mapping[Path, Path]
    """File in the run → the one that it is linked to, or copied from."""
    left: tuple[Leftover, ...]


def plan_import(
    paths: Sequence[Path], into: Path, *, run_id: str | None, agent: str | None, defined: Mapping[str, str]
) -> Import:
    """Read all artefacts and decide; nothing is written.

    Raises NothingToRead, ConfigError for what is no shell or no valid result, Refused for what was not understood.
    """
    found = find_artefacts(paths)
    into = into.absolute()
    table, left = read_endpoints(found.tables[0].name, read_text(found.tables[0])) if found.tables else _no_table()
    scripts = [read_node_script(path.name, read_text(path), defined) for path in found.scripts]
    if not any(script.servers for script in scripts):
        shown = ", ".join(path.name for path in found.scripts) or "no script"
        raise NothingToRead(f"{shown}: nothing there starts `vllm serve`", "name the scripts of the nodes")
    fleet = make_fleet(scripts, table, agent)
    secrets = [secret for script in scripts for secret in script.secrets]
    _refuse_secrets(fleet, secrets)
    names = _names(found)
    run_directory = into / "runs" / (run_id or _run_id(found)) if found.logs or found.outputs else None
    if run_directory is not None and not is_name(run_directory.name):
        raise ConfigError(f"{run_directory.name!r} is not the name of a run", "use letters, digits, '_', '.' and '-'")
    taken, more_left = _taken(found, run_directory, names, fleet, scripts) if run_directory else ({}, [])
    fleet.left[:] = all_masked((*left, *fleet.left, *more_left), secrets)
    sources = [path.name for path in (*found.scripts, *found.tables)]
    text = config_text(fleet, sources, str(into / "runs"), names)
    try:
        config = parse(text.encode(), str(into / "config.toml"), {})
    except ConfigError as error:
        raise Refused(f"what the scripts say is no valid configuration: {error.message}", error.hint) from None
    plan_jobs(config)  # raises ConfigError for what does not fit together
    written = _written(config, run_directory, table, found, taken) if run_directory else {}
    return Import(into / "config.toml", text, config, run_directory, written, taken, tuple(fleet.left))


def carry_out(plan: Import, *, copy: bool) -> tuple[Path, ...]:
    """Write what is not there yet; returns that. With `copy` files are copied, else linked.

    Raises Refused, before anything is written, if something else is there; CommandFailed.
    """
    new = [path for path, text in plan.written.items() if not _same_text(path, text)]
    new += [path for path, source in plan.taken.items() if not _same_file(path, source)]
    if not _same_text(plan.config_file, plan.config_text):
        new.append(plan.config_file)
    try:
        for path in new:
            _make_private(path.parent)
            if path in plan.taken:
                _take(plan.taken[path], path, copy=copy)
            else:
                _write(path, plan.config_text if path == plan.config_file else plan.written[path])
        if plan.run_directory is not None:
            for name in (layout.REPLICAS, layout.CONTROL, layout.METRICS, layout.JOBS):
                _make_private(plan.run_directory / name)
    except OSError as error:
        raise CommandFailed(f"{error.filename}: cannot be written: {error.strerror}") from None
    return tuple(new)


def _no_table() -> tuple[EndpointTable, list[Leftover]]:
    return EndpointTable(), []


def _refuse_secrets(fleet: Fleet, secrets: Sequence[str]) -> None:
    """A secret can reach a setting by a variable: then nothing is written rather than the secret."""
    for expert in fleet.experts:
        shown = repr(expert.table()) + repr(fleet.environment) + repr(fleet.slurm)
        if any(len(secret) > 3 and secret in shown for secret in secrets):
            raise Refused(
                f"{expert.first.file}:{expert.first.line}: a secret stands in the arguments of a server",
                "take it out of the script; vLLM reads VLLM_API_KEY, huggingface_hub HF_TOKEN",
            )


def _names(found: Artefacts) -> dict[str, str]:
    """What logs and outputs are called in the run: as they were, if that is a name."""
    names = {}
    for key, directories in (("logs", found.logs), ("outputs", found.outputs)):
        name = directories[0].resolve().name if directories else ""
        if is_name(name) and name not in (layout.JOBS, layout.EVAL, layout.REPLICAS, layout.CONTROL):
            names[key] = name
    if names.get("logs", "logs") == names.get("outputs", "outputs"):
        names.pop("outputs", None)
        names["logs"] = "logs"
    return names


def _run_id(found: Artefacts) -> str:
    """By the first time in the logs: the same whenever it is imported."""
    from tau2tui.analysis.marks import read_marks
    from tau2tui.analysis.scan import logs_below
    from tau2tui.ops import new_run_id

    logs = logs_below(found.logs[0]) if found.logs else []
    first = read_marks(logs).first_at if logs else None
    if first is None:
        directories = (*found.logs, *found.outputs)
        files = [path for directory in directories for path in files_below(directory)] or directories
        first = datetime.fromtimestamp(min(path.stat().st_mtime for path in files))
    return new_run_id(first)


def _taken(
    found: Artefacts, run: Path, names: Mapping[str, str], fleet: Fleet, scripts: Sequence[NodeScript]
) -> tuple[dict[Path, Path], list[Leftover]]:
    """Where the logs, results and outputs of jobs go in the run."""
    taken: dict[Path, Path] = {}
    logs = run / names.get("logs", "logs")
    for directory in found.logs:
        taken |= {logs / path.relative_to(directory): path.resolve() for path in files_below(directory)}
    left = []
    outputs = run / names.get("outputs", "outputs")
    for directory in found.outputs:
        for path, place in _results(directory):
            if outputs / place in taken:
                why = f"{place.parent} has more than one file of results: the largest is taken"
                left.append(Leftover(f"{directory.name}/{path.relative_to(directory)}", 0, path.name, why))
            else:
                taken[outputs / place] = path.resolve()
    jobs = {script.header.job_name for script in scripts} | {Path(script.file).stem for script in scripts}
    for path in found.job_outputs:
        if path.stem in jobs:
            taken[run / layout.JOBS / path.name] = path.resolve()
        else:
            left.append(Leftover(path.name, 0, path.name, "not the output of a job of these scripts"))
    taken |= _server_logs(found, logs, fleet)
    return taken, left


def _results(directory: Path) -> Iterator[tuple[Path, Path]]:
    """Each file with its place: tau2's results as DOMAIN/results.json, the largest of a domain first."""
    files = sorted(files_below(directory), key=lambda path: -path.stat().st_size)
    for path in files:
        inside = path.relative_to(directory)
        if path.suffix == ".json" and is_results(path) and inside.name != layout.RESULTS:
            yield path, Path(_domain(path)) / layout.RESULTS
        else:
            yield path, inside


def _domain(path: Path) -> str:
    """The domain of a file of results: as it says, else as its name says."""
    try:
        said = json.loads(path.read_bytes())["info"]["environment_info"]["domain_name"]
    except (OSError, ValueError, KeyError, TypeError):
        said = next((name for name in ("retail", "telecom", "airline", "mock") if name in path.name), path.stem)
    return said if isinstance(said, str) and is_name(said) else "unknown"


def _server_logs(found: Artefacts, logs: Path, fleet: Fleet) -> dict[Path, Path]:
    """The logs of servers, which the scripts name, as those of the first attempt of each replica."""
    places = {path.name: path.parent for path in found.scripts}
    taken = {}
    for expert in fleet.experts:
        for index, (_, server) in enumerate(expert.servers):
            path = places[server.file] / server.log if server.log else None
            if path is not None and not server.log.startswith("~") and path.is_file():
                taken[logs / f"{replica_name(expert.name, index)}.1.log"] = path.resolve()
    return taken


def _written(
    config: Config, run: Path, table: EndpointTable, found: Artefacts, taken: Mapping[Path, Path]
) -> dict[Path, str]:
    """The small files of a run."""
    from tau2tui.remote.render import agent_source, run_toml

    when = datetime.fromtimestamp(min(path.stat().st_mtime for path in found.scripts)).astimezone()
    written = {run / layout.RUN_CONFIG: run_toml(config, when), run / layout.NODE_AGENT: agent_source()}
    if found.tables:
        written[run / layout.ENDPOINTS] = json.dumps(table.as_json(), indent=1) + "\n"
    if found.logs:
        from tau2tui.analysis.scan import logs_below
        from tau2tui.migration.progress import progress_of_logs

        results = {path.parent.name: source for path, source in taken.items() if path.name == layout.RESULTS}
        progress = progress_of_logs(logs_below(found.logs[0]), results, config)
        if progress is not None:
            written[run / layout.EVAL_STATE] = json.dumps(wire.progress_to(progress))
    return written


def _same_text(path: Path, text: str) -> bool:
    """Whether the file is there as it should be. Raises Refused if another is."""
    try:
        there = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        there = ""
    if there == text or _submitted_alike(path, there, text) or path.name == Path(layout.EVAL_STATE).name:
        return True  # the state of logs that have grown is older than they are, and no reason to refuse
    raise Refused(f"{path} is there already and differs", "choose another --into, or another --run")


def _submitted_alike(path: Path, there: str, text: str) -> bool:
    """Whether two run.toml say the same but for who wrote them, and when."""
    if path.name != layout.RUN_CONFIG:
        return False
    try:
        tables: list[dict[str, Any]] = [tomli.loads(one) for one in (there, text)]
    except tomli.TOMLDecodeError:
        return False
    for one in tables:
        one.pop("submitted", None)
    return tables[0] == tables[1]


def _same_file(path: Path, source: Path) -> bool:
    """Whether the link or copy is there. Raises Refused if something else is."""
    if path.is_symlink():
        if path.resolve() == source:
            return True
    elif not path.exists():
        return False
    elif path.is_file() and path.stat().st_size == source.stat().st_size and path.read_bytes() == source.read_bytes():
        return True
    raise Refused(f"{path} is there already and is not {source}", "choose another --into, or another --run")


def _make_private(directory: Path) -> None:
    """Make a directory and those above it that are missing, none of which others can read."""
    for path in (*reversed(directory.parents), directory):
        if not path.exists():
            path.mkdir(mode=_PRIVATE_DIRECTORY)


def _take(source: Path, path: Path, *, copy: bool) -> None:
    if not copy:
        path.symlink_to(source)
        return
    with (
        source.open("rb") as old,
        os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as new,
    ):
        while piece := old.read(1 << 20):
            new.write(piece)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
