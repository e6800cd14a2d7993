"""What keeps an evaluation from starting at all; none of it loads tau2."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.core.wire import progress_to
from tau2tui.evaluation.__main__ import LOCK, main, refuse_beside_another

RUN_TOML = """
[experts.orchestrator]
model = "org/Agent"
role = "agent"
node = 1
gpus = [0]
port = 1900
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run.toml").write_text(RUN_TOML)
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/request.json").write_text(json.dumps({"domains": ["mock"]}))
    return tmp_path


def test_a_run_without_a_configuration_is_not_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "run.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("request_text", "said"),
    [
        (None, "request.json: No such file"),
        ("{", "request.json: Invalid JSON"),
        ('{"domains": ["retial"]}', "request.json: domains.0: Input should be"),
        ('{"max_concurency": 3}', "request.json: max_concurency: Extra inputs"),
    ],
)
def test_what_is_to_be_evaluated_must_be_said_right(
    run_dir: Path, capsys: pytest.CaptureFixture[str], request_text: str | None, said: str
) -> None:
    request = run_dir / "eval/request.json"
    if request_text is None:
        request.unlink()
    else:
        request.write_text(request_text)
    assert main([str(run_dir)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_run_has_one_driver_at_a_time(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (run_dir / LOCK).open("w") as held:
        held.write("process 4711 on login1\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main([str(run_dir)]) == 5
    assert "is being evaluated already, by process 4711 on login1" in capsys.readouterr().err
    assert not (run_dir / "eval/state.json").exists()


def test_reading_the_command_line_loads_neither_tau2_nor_openai() -> None:
    loaded = (
        "import sys, tau2tui.evaluation.__main__; print({'tau2', 'litellm', 'openai', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_driver_on_another_machine_counts_while_it_shows_signs_of_life(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose lock may not hold here."""
    now = time.time()
    state = progress_to(EvalProgress(EvalState.RUNNING, now, now, pid=4711, host="login2"))
    (run_dir / "eval/state.json").write_text(json.dumps(state))
    assert main([str(run_dir)]) == 5
    assert "is being evaluated already, by process 4711 on login2" in capsys.readouterr().err
    os.utime(run_dir / "eval/state.json", (now - 60, now - 60))
    refuse_beside_another(run_dir, "taken")  # silent for a minute: it is gone
