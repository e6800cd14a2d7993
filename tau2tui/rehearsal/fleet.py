"""A configuration → the same fleet for practice: on this one machine, played by rehearsal servers."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from tau2tui.config import Config
from tau2tui.core.placement import plan_jobs
from tau2tui.errors import GaveUp

USER = "user-simulator"
HOST = "127.0.0.1"
DOMAINS = ("mock", "retail", "telecom", "airline")
_LAST_PORT, _PORT_STEP = 60000, 64


def rehearsed(config: Config, directory: Path, *, num_tasks: int | None, max_concurrency: int) -> Config:
    """The fleet of `config` on this machine, with one more server that plays the user simulator.

    Names, roles, nodes, GPUs and the order of ports stay; ports move together if one of them is taken.
    """
    data = config.model_dump()
    data["run"]["directory"] = str(directory)
    data["cluster"] = {"scheduler": "local", "python": sys.executable}
    data["environment"] = {}
    data["serve"] = {
        "engine": "rehearsal",
        "host": HOST,
        "cache": str(directory / ".cache"),
        "start_timeout_s": 120,
        "stop_timeout_s": 10,
        "restart": {"attempts": 0},  # so that a failure stays to be looked at, and R has something to do
    }
    for expert in data["experts"].values():
        expert.update(checkpoint="", chat_template="", stagger_s=0)
    if not config.user:
        data["experts"][USER] = {"model": USER, "role": "user", "stagger_s": 0, "probe": "text"}
    sketch = plan_jobs(Config.model_validate(data))
    offset = _free_offset([replica.port for job in sketch for replica in job.replicas])
    data["placement"]["first_port"] += offset
    for expert in data["experts"].values():
        if expert.get("port"):
            expert["port"] += offset
    data["evaluation"].update(domains=DOMAINS, tasks={}, num_tasks=num_tasks, trials=1, max_concurrency=max_concurrency)
    data["poll"] = {"run_s": 1.0, "logs_s": 2.0}
    return Config.model_validate(data)


def _free_offset(ports: list[int]) -> int:
    """The smallest step by which all ports move so that none is taken here. Raises GaveUp."""
    for offset in range(0, _LAST_PORT - max(ports), _PORT_STEP):
        if all(_free(port + offset) for port in ports):
            return offset
    raise GaveUp(f"no {len(ports)} free ports below {_LAST_PORT} on this machine")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the server's own way: TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
