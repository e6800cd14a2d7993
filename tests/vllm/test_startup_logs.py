"""Recorded start-ups of vLLM 0.32.0, as the node agent reads them: from a server that prints them again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.test_agent import Node

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.end()


@pytest.mark.parametrize(
    ("log", "phases"),
    [
        ("startup-eager.log", ["starting", "loading", "serving"]),
        ("startup-compiled.log", ["starting", "loading", "compiling", "serving"]),
    ],
)
def test_a_recorded_start_goes_through_its_phases_and_nothing_in_it_is_an_error(
    node: Node, log: str, phases: list[str]
) -> None:
    assert "[shutdown] API server" in (HERE / log).read_text(), "an ordinary shutdown is recorded too"
    node.add("expert-1-0", argv=["sh", "-c", 'cat "$0"; exec sleep 600', str(HERE / log)])
    node.start()
    state = node.wait_phase("expert-1-0", "serving")
    assert [phase for phase, _ in state["phases"]] == phases
    os.kill(state["pid"], signal.SIGKILL)
    failed = node.wait_phase("expert-1-0", "failed")
    assert (failed["last_error"], failed["failure"]) == ("", "other")
