"""A log is followed in a window of a real tmux, by less, whatever its name holds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tau2tui.tui.tmux_window import follow_in_window
from tests.processes import wait_for


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    socket = tmp_path / "tmux"
    command = ["tmux", "-f", "/dev/null", "-S", str(socket)]
    subprocess.run([*command, "new-session", "-d", "-x", "80", "-y", "24", "sleep 60"], check=True, timeout=30)
    yield command
    subprocess.run([*command, "kill-server"], check=False, capture_output=True, timeout=30)


def environ(tmux: list[str]) -> dict[str, str]:
    pid = subprocess.run(
        [*tmux, "display-message", "-p", "#{pid}"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()
    return {**os.environ, "TMUX": f"{tmux[-1]},{pid},0"}


async def test_a_log_is_followed_in_a_window_of_its_own(tmux: list[str], tmp_path: Path) -> None:
    log = tmp_path / "a $(touch pwned); 'name'.log"
    log.write_text("the first line\n")
    done, said = await follow_in_window(log, environ(tmux))
    assert done, said

    def shown() -> str:
        return subprocess.run(
            [*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    wait_for(lambda: "the first line" in shown(), "less to show the log", 30)
    with log.open("a") as file:
        file.write("what came later\n")
    wait_for(lambda: "what came later" in shown(), "less to follow the log", 30)
    assert not list(tmp_path.glob("pwned"))


async def test_why_there_is_no_window_is_said(tmp_path: Path) -> None:
    assert await follow_in_window(tmp_path / "a.log", {}) == (
        False,
        "T opens a log in a tmux window, and this is not tmux",
    )
    assert (await follow_in_window(None, {"TMUX": "/tmp/x,1,0"}))[1].startswith("T is for logs on this machine")
    gone = {**os.environ, "TMUX": f"{tmp_path}/gone,1,0"}
    done, said = await follow_in_window(tmp_path / "a.log", gone)
    assert not done
    assert said.startswith("tmux: ")
