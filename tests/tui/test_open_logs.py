"""Logs that are open: what a diagnosis says of them is said of all that is loaded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tau2tui.remote.logfiles import DirectoryLogs
from tau2tui.tui.log_lines import error_pattern
from tau2tui.tui.open_logs import OpenLogs

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Oom:
    line: int
    cause: str = "the GPU is out of memory"
    remedy: str = "lower gpu_memory_utilization"


class SlowDiagnosis:
    """Knows one cause, and answers when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()
        self.times = 0

    def __call__(self, lines: Sequence[str]) -> Sequence[Oom]:
        self.times += 1
        self.begun.set()
        assert self.let.wait(PATIENCE_S)
        return [Oom(number) for number, line in enumerate(lines, 1) if "out of memory" in line]


async def opened(path: Path, diagnosis: SlowDiagnosis) -> OpenLogs:
    logs = OpenLogs(DirectoryLogs(path.parent), (path.name,), error_pattern(), diagnosis)
    assert await logs.look(following=True)
    return logs


async def test_an_error_that_comes_during_a_diagnosis_is_diagnosed_as_well(tmp_path: Path) -> None:
    path, diagnosis = tmp_path / "server.log", SlowDiagnosis()
    path.write_text("ERROR of a kind that nobody knows\n")
    logs = await opened(path, diagnosis)
    first = asyncio.create_task(logs.find_causes())
    assert await asyncio.to_thread(diagnosis.begun.wait, PATIENCE_S)
    with path.open("a") as file:
        file.write("ERROR CUDA out of memory\n")
    assert await logs.look(following=True)
    assert not await logs.find_causes(), "one diagnosis at a time"
    diagnosis.let.set()
    assert await first
    assert [said for notes in logs.notes for said in notes.values()] == [
        ["└ the GPU is out of memory", "  lower gpu_memory_utilization"]
    ]


async def test_the_same_errors_are_diagnosed_once(tmp_path: Path) -> None:
    path, diagnosis = tmp_path / "server.log", SlowDiagnosis()
    diagnosis.let.set()
    path.write_text("ERROR CUDA out of memory\n")
    logs = await opened(path, diagnosis)
    assert await logs.find_causes()
    assert not await logs.find_causes()
    assert diagnosis.times == 1
