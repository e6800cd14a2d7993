"""`--set KEY=VALUE`: settings of an expert from the command line, checked like the file, and kept in it on request."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import tomli
import tomlkit
from pydantic import ValidationError

from tau2tui.config import Config, ExpertConfig
from tau2tui.core.placement import arguments
from tau2tui.errors import ConfigError, Refused


def changed_experts(config: Config, replicas: Sequence[str], settings: Sequence[str]) -> dict[str, ExpertConfig]:
    """The experts of these replicas with the settings in them. Raises ConfigError for one that they do not know."""
    if not settings:
        return {}
    said = dict(_read(setting) for setting in settings)
    names = {name for name in config.experts for replica in replicas if replica.rpartition("-")[0] == name}
    changed = {}
    for name in sorted(names):
        expert = config.experts[name].model_dump()
        for key, value in said.items():
            _put(expert, key, value)
        try:
            changed[name] = ExpertConfig.model_validate(expert)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            known = ", ".join(ExpertConfig.model_fields)
            raise ConfigError(f"--set {key}: {first['msg']}", f"settings of an expert: {known}") from None
    return changed


def _put(expert: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set one of an expert's settings; `args.NAME` is one argument of the server, its others stay."""
    table, _, name = key.partition(".")
    if table == "args" and name:
        # As a table or a list, as it was; new arguments are a table.
        expert["args"] = with_argument(expert.get("args", {}), name, value)
    else:
        expert[key] = value


def with_argument(args: Sequence[str] | Mapping[str, Any], name: str, value: Any) -> Any:
    """The same arguments with this one set: in a table by its name; in a list at the end, where it counts for vLLM."""
    if isinstance(args, Mapping):
        return {**args, name: value}
    return [*args, *arguments({name: value})]


def _read(setting: str) -> tuple[str, Any]:
    """KEY=VALUE; a value that is TOML (a number, true, a list, a table) is taken as that, anything else as text."""
    key, sign, value = setting.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {setting}: not KEY=VALUE", "for example --set gpu_memory_utilization=0.88")
    try:
        return key, tomli.loads(f"value = {value}")["value"]
    except tomli.TOMLDecodeError:
        return key, value


def save_settings(path: Path, experts: Sequence[str], settings: Sequence[str]) -> None:
    """Write the settings into a configuration, everything else in it left as it is. Raises Refused, ConfigError."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        for name in experts:
            for key, value in map(_read, settings):
                _put(document["experts"][name], key, value)
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
    except KeyError as error:
        raise Refused(f"{path} has no {error}", "the run was launched with another configuration") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
