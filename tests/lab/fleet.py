"""A fleet of rehearsal servers for the lab, and what a test asks of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab


def cluster_config(lab: Lab) -> dict[str, Any]:
    """A fleet of rehearsal servers on the three nodes: placed like the seed's, with fewer replicas."""
    expert = {"stagger_s": 0, "tool_call_parser": "hermes"}
    return {
        "run": {"directory": "~/runs with space"},
        "cluster": {
            "login": "login",
            "ssh_config": str(lab.ssh_config),
            "python": "/usr/bin/python3",
            "tau2tui": ["env", "PYTHONPATH=/opt/tau2tui", "/opt/tau2tui/.venv/bin/python", "-m", "tau2tui"],
        },
        "slurm": {"partition": "gpu", "time": "01:00:00", "mem": "1000"},
        "serve": {"engine": "rehearsal", "cache": "~/cache", "start_timeout_s": 120, "stop_timeout_s": 10},
        "experts": {
            "orchestrator": {
                "model": "org/Agent",
                "role": "agent",
                "node": 1,
                "gpus": [0, 1],
                "port": 1900,
                "replicas": 2,
            }
            | expert,
            "expert-2": {"model": "org/Two", "node": 1, "gpus": [4], "port": 1904} | expert,
            "expert-1": {"model": "org/One", "node": 2, "gpus": [0, 1], "port": 1910, "replicas": 2} | expert,
            "expert-3": {"model": "org/Three", "node": 3, "gpus": [2, 3], "port": 1920, "tensor_parallel": 2} | expert,
            "user-simulator": {
                "model": "org/User",
                "role": "user",
                "node": 3,
                "gpus": [7],
                "port": 1930,
                "probe": "text",
            },
        },
        "evaluation": {"domains": ["mock", "airline"], "num_tasks": 2, "max_concurrency": 3},
        "rehearsal": {"speed": 50, "start_s": 1},
    }


def run_directory(lab: Lab, tau2tui: CommandLine) -> Path:
    return lab.home / "runs with space" / str(tau2tui.status()["run"])


def rows(tau2tui: CommandLine, status: int | None = 0) -> dict[str, dict[str, Any]]:
    """Each replica's row of `tau2tui status`, by its name."""
    output = tau2tui.run("status", "--json", status=status).stdout
    return {row["replica"]: row for row in json.loads(output)["replicas"]}


def leave_a_node_free(tau2tui: CommandLine) -> None:
    """Put the whole fleet on the first two of the three nodes."""
    config: dict[str, Any] = tomlkit.parse(tau2tui.config.read_text()).unwrap()["experts"]
    moved = {name: {**config[name], "node": 2} for name in ("expert-3", "user-simulator")}
    tau2tui.change(experts={**moved, "expert-3": {**moved["expert-3"], "gpus": [4, 5]}})
