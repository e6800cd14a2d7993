"""The word `exporter` on a real run of this machine: a practice server that a node agent supervises."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.exporter.scraping import scrape
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.slow


@contextmanager
def exporter(tau2tui: CommandLine, listen: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The word in a process of its own, once it answers; gives its port."""
    log = tau2tui.directory / "exporter.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tau2tui", "exporter", "--listen", listen],
            cwd=tau2tui.directory,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        wait_for(lambda: "/metrics" in log.read_text() or process.poll() is not None, "the exporter")
        said = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", log.read_text())
        assert said is not None, log.read_text()
        yield process, int(said[1])
    finally:
        process.kill()
        process.wait()


def test_a_real_run_is_exposed_and_a_load_is_sent_to_its_replica_alone(tmp_path: Path) -> None:
    config = {
        "run": {"directory": str(tmp_path / "runs")},
        "cluster": {"scheduler": "local"},
        "serve": {"engine": "rehearsal", "host": "127.0.0.1", "cache": str(tmp_path / "cache")},
        "poll": {"run_s": 0.5},
        "experts": {
            "agent": {"model": "org/A", "role": "agent", "node": 1, "gpus": [0], "port": free_port(), "stagger_s": 0}
        },
    }
    (tmp_path / "config.toml").write_text(tomlkit.dumps(config))
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    tau2tui.run("launch")
    try:
        with exporter(tau2tui, "127.0.0.1:0") as (process, port):
            found = scrape(port)
            ((expert, replica, node),) = found["tau2tui_replica_attempts"]
            assert (expert, replica, bool(node)) == ("agent", "agent-0", True)
            assert found["tau2tui_replicas"]["agent", "ready"] == 1
            assert found["tau2tui_source_up"] == {("jobs",): 1, ("run",): 1}
            assert found["tau2tui_jobs"]["running",] == 1

            load = tau2tui.run("load", "agent", "--requests", "4", "--output-tokens", "8")
            assert "4 completed, 0 failed" in load.stdout and "org/A" in load.stdout

            tau2tui.run("stop", "agent-0", "--yes")
            wait_for(lambda: scrape(port)["tau2tui_replicas"]["agent", "stopped"] == 1, "the stop to be seen")
            assert "no replica of agent is ready" in tau2tui.run("load", "agent", status=5).stderr
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    finally:
        tau2tui.run("stop", "--yes", status=None)


def test_an_exporter_without_a_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(tomlkit.dumps({"cluster": {"scheduler": "local"}, "run": {"directory": "r"}}))
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    assert "HOST:PORT" in tau2tui.run("exporter", "--listen", "nowhere", status=2).stderr
    said = tau2tui.run("exporter", "--listen", ":0", status=None)
    assert said.returncode in (2, 7) and "no password" in said.stderr
