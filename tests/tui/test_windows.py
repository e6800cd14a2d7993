"""Shells beside the app: what is run, and that nothing of it is made up by a name from outside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tau2tui.config import ClusterConfig
from tau2tui.tui.messages import ShellAsked, Told
from tau2tui.tui.windows import job_argv, job_shell, node_argv, node_shell, open_window
from tests.processes import wait_for

HERE, FAR = ClusterConfig(), ClusterConfig(login="ada@login1", port=2222)


def test_a_node_is_reached_from_here_or_over_the_login_node() -> None:
    assert node_argv(HERE, "gpu07") == ("ssh", "-t", "gpu07")
    assert node_argv(FAR, "gpu07") == ("ssh", "-t", "-p", "2222", "ada@login1", "--", "ssh -t gpu07")


def test_a_job_is_entered_as_a_step() -> None:
    assert job_argv(HERE, "481500") == ("srun", "--jobid=481500", "--overlap", "--pty", "bash", "-l")
    assert job_argv(HERE, "481500_3") is not None


@pytest.mark.parametrize("name", ["", "-oProxyCommand=id", "gpu07;id", "gpu 07", "$(id)", "gpu07\nid"])
def test_what_is_no_node_and_no_job_opens_nothing(name: str) -> None:
    assert node_argv(FAR, name) is None
    assert job_argv(FAR, name) is None


def test_a_screen_asks_for_a_shell_or_says_why_there_is_none() -> None:
    assert node_shell(HERE, "gpu07") == ShellAsked("gpu07", ("ssh", "-t", "gpu07"))
    entered = job_shell(FAR, "481500")
    assert isinstance(entered, ShellAsked) and entered.title == "job 481500"
    assert node_shell(HERE, "") == Told("it is on no node that is known", trouble=True)
    assert job_shell(HERE, "") == Told("it runs in no job that is known", trouble=True)


async def test_outside_of_tmux_the_command_is_told() -> None:
    assert await open_window("gpu07", ("ssh", "gpu07"), {}) == "this is not in tmux; in another terminal: ssh gpu07"


async def test_in_a_real_tmux_a_window_runs_exactly_these_words(tmp_path: Path) -> None:
    tmux = shutil.which("tmux")
    assert tmux, "tmux is one of the packages that scripts/test installs"
    call = (tmux, "-u", "-S", str(tmp_path / "socket"))
    subprocess.run((*call, "-f", "/dev/null", "new-session", "-d", "sleep 60"), check=True)
    try:
        target = tmp_path / "said $(touch wrong)"
        said = await open_window(
            "gpu#(id)", ("cp", "/etc/hostname", str(target)), {"TMUX": f"{tmp_path / 'socket'},1,0"}
        )
        assert said == ""
        wait_for(target.exists, "the copy")
        assert not (tmp_path / "wrong").exists()
    finally:
        subprocess.run((*call, "kill-server"), check=True)
