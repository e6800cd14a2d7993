"""A practice server as a real process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tau2tui.rehearsal import server

# Read when tau2 is imported: no look-up of prices over the network, no log on stderr.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("LOGURU_AUTOINIT", "False")

MODEL = "Qwen/Qwen3-32B-FP8"
PATIENCE_S = 20.0


@dataclass(frozen=True)
class RunningServer:
    """A server process and where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.url}/health", timeout=PATIENCE_S).raise_for_status()
                return
            except httpx.ConnectError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.02)
        raise AssertionError(f"not ready after {PATIENCE_S} s:\n{self.log.read_text()}")

    def ask_fault(self, fault: str, **more: float) -> None:
        httpx.post(f"{self.url}/rehearsal/fault", json={"fault": fault, **more}).raise_for_status()

    def chat(self, timeout_s: float = PATIENCE_S, unit: str = "", **more: Any) -> httpx.Response:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Are you there?"}], **more}
        headers = {server.UNIT_HEADER: unit} if unit else {}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=timeout_s)


class Servers:
    """Starts server processes and ends them with the test."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def start(
        self, *arguments: str, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> RunningServer:
        """Start one on a free port, or on `port`, and do not wait for it."""
        port = port or free_port()
        log = self._directory / f"{port}.{len(list(self._directory.iterdir()))}.log"
        defaults = ("--host", "127.0.0.1", "--port", str(port), "--speed", "1000", "--start-s", "0")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(server.__file__), MODEL, *defaults, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        self._stack.callback(_end, process)
        return RunningServer(process, port, log)

    def start_ready(self, *arguments: str, environment: Mapping[str, str] | None = None) -> RunningServer:
        """Start one on a free port and wait until it answers."""
        running = self.start(*arguments, environment=environment)
        running.wait_until_ready()
        return running

    def close(self) -> None:
        self._stack.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Practice servers that end with the test."""
    started = Servers(tmp_path)
    yield started
    started.close()


@pytest.fixture
def script_file(tmp_path: Path) -> Path:
    """The script of all domains, as a launch writes it."""
    from tau2tui.rehearsal.script import build_script

    path = tmp_path / "script.json"
    path.write_text(json.dumps(build_script(["mock", "retail", "telecom", "airline"])))
    return path
