"""The script of the practice fleet: what the players have to know of tau2's tasks, and no more.

Read from the data files of the installed package: importing tau2 itself takes seconds.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tau2tui.errors import NothingToRead

_INSTALL = "install it with: pip install 'tau2tui[eval]'"
_SPLIT = "base"
"""The split that an evaluation runs; telecom alone has 2171 more tasks outside it."""
_MAKES_TRUE = {"assert_task_status": ("update_task_status", {"task_id": "task_id", "expected_status": "status"})}
"""Assertion → the action that makes it true, and how their arguments correspond."""


def build_script(domains: Iterable[str]) -> dict[str, Any]:
    """What the players know: `{"domain/task_id": {"actions": […], "communicate": […]}}` for the base split.

    An action has `name`, `arguments` and `requestor` (assistant or user). Raises NothingToRead if tau2 is not installed
    or does not have one of the domains.
    """
    data = _data_directory()
    return {
        f"{domain}/{task['id']}": _part(task["evaluation_criteria"] or {})
        for domain in domains
        for task in _base_tasks(data / domain)
    }


def _data_directory() -> Path:
    spec = importlib.util.find_spec("tau2")
    if spec is None or not spec.submodule_search_locations:
        raise NothingToRead("a rehearsal plays tau2's tasks, but tau2 is not installed here", _INSTALL)
    return Path(spec.submodule_search_locations[0]) / "data" / "tau2" / "domains"


def _base_tasks(directory: Path) -> list[dict[str, Any]]:
    try:
        tasks = json.loads((directory / "tasks.json").read_text(encoding="utf-8"))
        base = set(json.loads((directory / "split_tasks.json").read_text(encoding="utf-8"))[_SPLIT])
    except (OSError, ValueError, KeyError) as error:
        raise NothingToRead(f"tau2's tasks cannot be read from {directory}: {error}", _INSTALL) from error
    return [task for task in tasks if task["id"] in base]


def _part(criteria: Mapping[str, Any]) -> dict[str, Any]:
    actions = criteria.get("actions")
    if actions is None:
        # A task that is judged by what holds at its end, not by what was done: do what makes it hold.
        actions = [_action_for(assertion) for assertion in criteria.get("env_assertions") or ()]
    return {
        "actions": [
            {
                "name": action["name"],
                "arguments": action["arguments"],
                "requestor": action.get("requestor") or "assistant",
            }
            for action in actions
        ],
        "communicate": criteria.get("communicate_info") or [],
    }


def _action_for(assertion: Mapping[str, Any]) -> dict[str, Any]:
    name, parameters = _MAKES_TRUE[assertion["func_name"]]
    return {"name": name, "arguments": {parameters[key]: value for key, value in assertion["arguments"].items()}}
