"""`model_config_oss.json` of another tool's run: which models played which expert, and where they listened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tau2tui.config import is_name
from tau2tui.core.migration.leftover import Leftover

_MAPPING = "oss_expert_mapping"
_PATH = "vllm_model_config_path"


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """The part of the file that is understood."""

    file: str = ""
    models: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    """Model or checkpoint → address and port of each of its servers."""
    experts: Mapping[str, str] = field(default_factory=dict)
    """Name of an expert → its model."""

    def as_json(self) -> dict[str, Any]:
        """In the shape that the seed's tools read, with nothing else in it."""
        lists = {
            model: [{"ip_addr": address, "port": str(port)} for address, port in places]
            for model, places in self.models.items()
        }
        return {**lists, _PATH: "model_config_oss.json", _MAPPING: dict(self.experts)}


def read_endpoints(file: str, text: str) -> tuple[EndpointTable, list[Leftover]]:
    """Read the file; what has another shape is left. Never raises."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return EndpointTable(), [Leftover(file, 0, text[:80], f"not JSON: {error}")]
    if not isinstance(data, dict):
        return EndpointTable(), [Leftover(file, 0, text[:80], "not a table of endpoints")]
    models: dict[str, tuple[tuple[str, int], ...]] = {}
    experts: dict[str, str] = {}
    left: list[Leftover] = []
    for key, value in data.items():
        if key == _MAPPING and isinstance(value, dict):
            for name, model in value.items():
                if isinstance(model, str) and is_name(name):
                    experts[name] = model
                else:
                    left.append(_left(file, text, name, "not the name of an expert and its model"))
        elif isinstance(value, list) and (places := _places(value)) is not None:
            models[key] = places
        elif key != _PATH:
            left.append(_left(file, text, key, "not a list of endpoints"))
    return EndpointTable(file, models, experts), left


def _places(entries: list[Any]) -> tuple[tuple[str, int], ...] | None:
    try:
        return tuple((str(entry["ip_addr"]), int(entry["port"])) for entry in entries)
    except (TypeError, KeyError, ValueError):
        return None


def _left(file: str, text: str, key: str, why: str) -> Leftover:
    """Only the key is told: a value may be a secret."""
    before, found, _ = text.partition(json.dumps(key))
    return Leftover(file, before.count("\n") + 1 if found else 0, key, why)
