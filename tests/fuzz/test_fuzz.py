"""What fuzzing has found stays mended, and for a few seconds each target is looked at again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import ROOT, SEEN, TARGETS, seen

SECONDS = 4
"""Of fuzzing for each target; `scripts/fuzz` goes on for as long as one likes."""


@pytest.mark.parametrize(("name", "path"), [(name, path) for name in TARGETS for path in seen(name)], ids=str)
def test_what_once_broke_a_reader_is_read(name: str, path: Path) -> None:
    TARGETS[name].make()(path.read_bytes())


def test_every_recorded_input_belongs_to_a_target() -> None:
    assert {path.name for path in SEEN.iterdir()} <= TARGETS.keys()


def test_an_input_that_breaks_a_reader_ends_the_fuzzing_with_it(tmp_path: Path) -> None:
    """The check can fail: a target that does not like what it is given is heard of."""
    program = (
        "import tests.fuzz.targets as targets, tests.fuzz.__main__ as main\n"
        "def make():\n"
        "    def read(data):\n"
        "        assert b'broken' not in data\n"
        "    return read\n"
        "targets.TARGETS['bad'] = targets.Target('', make, (b'fine', b'broken'))\n"
        "main.main()\n"
    )
    done = _run(["-c", program, "bad", "--seconds", "5", "--keep", str(tmp_path)])
    assert done.returncode != 0 and "AssertionError" in done.stdout
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"broken"


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_a_few_seconds(name: str, tmp_path: Path) -> None:
    words = ["-m", "tests.fuzz", name, "--seconds", str(SECONDS), "--seed", "1", "--keep", str(tmp_path)]
    done = _run(words)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{[path.read_bytes() for path in tmp_path.iterdir()]}"
    assert "stat::number_of_executed_units" in done.stdout


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
