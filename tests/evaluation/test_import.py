"""What loading tau2 must not do: ask the network, take a `.env` that lies about, or touch anybody's log handlers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GUARD = """
import socket, sys
asked = []
def refuse(*arguments, **named):
    asked.append(arguments)
    raise OSError("no network in this test")
socket.getaddrinfo = refuse
socket.socket.connect = refuse
socket.socket.connect_ex = refuse
"""
LOAD = """
import tau2tui.evaluation.driver
from tau2tui.evaluation.simulation import load_domain
from tau2tui.evaluation.user import SimulatedUser
"""


def fresh(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with none of the switches that other tests set."""
    switches = ("LITELLM_LOCAL_MODEL_COST_MAP", "LOGURU_AUTOINIT", "PYTHON_DOTENV_DISABLED")
    environ = {name: value for name, value in os.environ.items() if name not in switches}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )


def test_loading_tau2_and_a_domain_asks_the_network_for_nothing_and_says_nothing(tmp_path: Path) -> None:
    done = fresh(f"{GUARD}{LOAD}load_domain('mock', 'base')\nassert not asked, asked\nprint('loaded')", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("loaded\n", "")


def test_the_guard_of_this_test_notices_a_look_up(tmp_path: Path) -> None:
    done = fresh(f"{GUARD}import urllib.request\nurllib.request.urlopen('http://example.org')", tmp_path)
    assert "no network in this test" in done.stderr


def test_a_dot_env_above_the_package_or_where_one_works_is_not_taken(tmp_path: Path) -> None:
    """tau2 looks for one from its own directory upwards: a copy of it lies below the `.env` of this test."""
    import importlib.util

    spec = importlib.util.find_spec("tau2")
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    (tmp_path / ".env").write_text("TAKEN_FROM_DOT_ENV=yes\n")
    (tmp_path / "site").mkdir()
    below = tmp_path / "site" / "tau2"
    below.mkdir()
    for part in package.iterdir():
        if part.name == "data":
            (below / "data").symlink_to(part)
        elif part.is_dir():
            _copy(part, below / part.name)
        else:
            (below / part.name).write_bytes(part.read_bytes())
    where = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
    show = "import os, tau2; print(tau2.__file__); print(os.environ.get('TAKEN_FROM_DOT_ENV'))"
    taken = fresh(f"{where}import tau2.run\n{show}", tmp_path)
    assert taken.stdout.splitlines() == [str(below / "__init__.py"), "yes"], "without our switches it is taken"
    done = fresh(f"{where}{LOAD}{show}", tmp_path)
    assert done.stdout.splitlines() == [str(below / "__init__.py"), "None"], done.stderr


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for part in source.iterdir():
        if part.is_dir():
            _copy(part, target / part.name)
        elif part.suffix == ".py":
            (target / part.name).write_bytes(part.read_bytes())


def test_log_handlers_stay_as_they_are(tmp_path: Path) -> None:
    code = (
        "import logging, sys\n"
        "from loguru import logger\n"
        "heard = []\n"
        "logger.remove(); logger.add(heard.append)\n"
        "handler = logging.StreamHandler(); logging.getLogger().addHandler(handler)\n"
        f"{LOAD}"
        "load_domain('mock', 'base')\n"
        "assert handler in logging.getLogger().handlers\n"
        "before = len(heard)\n"
        "logger.info('mine')\n"
        "assert len(heard) == before + 1\n"
    )
    done = fresh(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_task_of_the_278_needs_a_judge_model(tmp_path: Path) -> None:
    code = (
        f"{LOAD}"
        "tasks = [t for name in ('retail', 'telecom', 'airline') for t in load_domain(name, 'base').tasks.values()]\n"
        "judged = [t.id for t in tasks if any(b.value == 'NL_ASSERTION' for b in t.evaluation_criteria.reward_basis)]\n"
        "print(len(tasks), judged)\n"
    )
    done = fresh(code, tmp_path)
    assert done.stdout == "278 []\n", done.stderr
