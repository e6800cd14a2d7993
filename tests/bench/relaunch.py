"""How long a killed server is without a successor, when its node agent starts it again by policy."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

from tests.node.test_agent import Node
from tests.processes import wait_for

HEAD = """\
| kills | median s | longest s |
|--:|--:|--:|"""
DELAY_S = 0.1
"""The policy's own wait before a restart, which is not counted."""


def measure(directory: Path, rounds: int) -> str:
    """A row of results: seconds from the kill to the start of the successor's process."""
    node = Node(directory)
    policy = {"attempts": rounds + 1, "backoff_s": DELAY_S, "backoff_max_s": DELAY_S, "healthy_s": 0}
    node.add("expert-1-0", restart=policy)
    took_s: list[float] = []
    try:
        node.start()
        for attempt in range(1, rounds + 1):
            before = node.wait_phase("expert-1-0", "ready")
            assert before["attempt"] == attempt
            took_s.append(_kill(node, before["pid"]) - DELAY_S)
    finally:
        node.end()
    return f"| {rounds} | {statistics.median(took_s):.2f} | {max(took_s):.2f} |"


def _kill(node: Node, pid: int) -> float:
    """Seconds from the kill of a server to the start of its successor."""
    began = time.time()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: node.state("expert-1-0").get("started_at", 0) > began, "the successor")
    return float(node.state("expert-1-0")["started_at"]) - began
