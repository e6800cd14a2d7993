"""What may load what: import-linter reads the code, these look at running programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tau2tui import errors
from tests.bench.screens import recorded_run
from tests.processes import loaded_by

ROOT = Path(__file__).parents[1]
HEAVY = ("textual", "polars", "plotext", "matplotlib", "openai", "tau2", "litellm", "pandas", "loguru")


@pytest.mark.parametrize(
    "module",
    [
        "tau2tui.cli",
        "tau2tui.cli.smoke",
        "tau2tui.ops",
        "tau2tui.reporting",
        "tau2tui.demo",
        "tau2tui.core.smoke_checks",
    ],
)
def test_words_start_without_the_screen_and_without_the_analysis(module: str) -> None:
    assert loaded_by(f"import {module}", HEAVY) == set()


def test_the_screen_starts_without_the_analysis() -> None:
    assert loaded_by("import tau2tui.tui.app", HEAVY) == {"textual"}


FIRST_FRAME = """
import asyncio, sys
from pathlib import Path
from tau2tui import cli, config
from tau2tui.core.diagnosis.table import shipped_signatures
from tau2tui.ops import open_ops
from tests.tui.driving import screen_text

async def main():
    async with open_ops(config.load(Path(sys.argv[1])), read_only=True) as ops:
        app = (await cli._app())(ops, ops.logs)
        async with app.run_test(size=(120, 36)) as pilot:
            while "24 ready" not in screen_text(app):
                await pilot.pause(0.02)
            print("loaded", shipped_signatures.cache_info().misses, *sys.modules)

asyncio.run(main())
"""
NOT_FOR_THE_FIRST_FRAME = {
    *HEAVY,
    *("asyncssh", "cryptography", "httpx", "httpx2", "jinja2", "markdown_it", "numpy", "regex", "tomlkit"),
    *(f"tau2tui.cli.{name}" for name in ("evaluate", "fleet", "load", "measuring", "status")),
    *(f"tau2tui.tui.screens.{name}" for name in ("evaluation", "gpus", "jobs", "latency", "logs", "reports")),
}  # fmt: skip


def test_the_first_frame_of_the_screen_needs_nothing_that_it_does_not_show(tmp_path: Path) -> None:
    file = recorded_run(tmp_path, 24)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", FIRST_FRAME, str(file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, cwd=ROOT).stdout
    causes_read, *loaded = output.rpartition("loaded")[2].split()
    assert set(loaded) & (NOT_FOR_THE_FIRST_FRAME - {"textual"}) == set()
    assert causes_read == "0", "the causes of failures are not needed while nothing has failed"


def test_status_loads_neither_textual_nor_polars(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[run]\ndirectory = "runs"\n[cluster]\nscheduler = "local"\n'
        '[experts.agent]\nmodel = "m"\nrole = "agent"\nnode = 1\ngpus = [0]\nport = 1900\n'
    )
    code = (
        f"import os; os.chdir({str(tmp_path)!r})\n"
        "from tau2tui.cli import words\n"
        "assert words.main(['status', '--json'], standalone_mode=False) == 0\n"
        "print()"
    )
    output = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('loaded', *sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    loaded = set(output.rpartition("loaded")[2].split())
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("word", ["latency", "progress"])
def test_words_that_read_logs_load_what_no_log_needs_only_with_a_configuration(tmp_path: Path, word: str) -> None:
    (tmp_path / "retail.log").write_text(
        "[PROFILE] 2026-01-02 03:00:00.000 task=1 thread=1 type=llm_call duration_ms=1.00\n"
    )
    code = (
        f"import os, sys; os.chdir({str(tmp_path)!r})\n"
        "from tau2tui.cli import words\n"
        f"words.main([{word!r}, 'retail.log', '--no-cache'], standalone_mode=False)\n"
        "print('loaded', *sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(output.rpartition("loaded")[2].split())
    assert "polars" in loaded
    assert not loaded & {"asyncio", "pydantic", "numpy.random", "textual", "tau2tui.config", "tau2tui.node.agent"}


def test_every_error_has_an_exit_code_of_its_own_and_the_help_names_it() -> None:
    leaves = errors.Tau2TuiError.__subclasses__()
    codes = [leaf.exit_code for leaf in leaves]
    assert len(set(codes)) == len(codes) and 1 not in codes
    output = subprocess.run([sys.executable, "-m", "tau2tui", "--help"], capture_output=True, text=True, check=True)
    for code in codes:
        assert re.search(rf"[·:] {code} ", " ".join(output.stdout.split()))
