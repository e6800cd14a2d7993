"""One operator at a time: claims on a run, by many processes, over dead and silent holders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path, PurePosixPath

import pytest

from tau2tui.errors import Refused
from tau2tui.remote import claim_program
from tau2tui.remote.claim_program import CLAIMS, LEASE_S
from tau2tui.remote.claims import claimed
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell

PROGRAM = Path(str(resources.files("tau2tui.remote").joinpath("claim_program.py")))


def run_directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(LocalShell(), PurePosixPath(tmp_path / "runs/one"), sys.executable)


def silent_since(tmp_path: Path, number: int, seconds: float) -> None:
    """Make a claim as old as one whose holder has not been heard of for so long."""
    at = time.time() - seconds
    for path in (tmp_path / "runs/one" / CLAIMS / f"{number:06d}").iterdir():
        os.utime(path, (at, at))
    os.utime(tmp_path / "runs/one" / CLAIMS / f"{number:06d}", (at, at))


def told(words: str) -> None:
    """Nobody listens."""


async def test_a_claim_is_taken_kept_and_released(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    async with claimed(run, "Launch", told) as first:
        assert (first.number, first.before_s) == (1, None)
        await first.check()
    async with claimed(run, "Launch", told) as second:
        assert second.number == 2 and second.before_s is not None and second.before_s < 60, "somebody was at it"


def test_of_many_who_try_at_once_exactly_one_has_it(tmp_path: Path) -> None:
    words = [sys.executable, str(PROGRAM), "take", str(tmp_path)]
    tries = [
        subprocess.Popen([*words, json.dumps({"by": str(n)})], stdout=subprocess.PIPE, text=True) for n in range(8)
    ]
    answers = [json.loads(each.communicate(timeout=60)[0]) for each in tries]
    (winner,) = (answer for answer in answers if answer["mine"])
    assert {answer["holder"] for answer in answers if answer["holder"]} <= {winner["holder"]}
    assert {answer["number"] for answer in answers} == {1}


def test_a_silent_holder_is_overcome_by_exactly_one_and_is_told_when_it_wakes(tmp_path: Path) -> None:
    run = str(tmp_path / "runs/one")
    assert claim_program.take(run, "ada")["mine"]
    assert not claim_program.take(run, "bob")["mine"]
    silent_since(tmp_path, 1, LEASE_S + 1)
    assert [claim_program.take(run, name)["mine"] for name in ("bob", "eve")] == [True, False]
    awake = claim_program.keep(run, 1)
    assert not awake["mine"] and awake["holder"] == "bob"
    assert claim_program.keep(run, 2)["mine"]


def test_a_claim_that_is_kept_does_not_grow_old(tmp_path: Path) -> None:
    run = str(tmp_path / "runs/one")
    claim_program.take(run, "ada")
    silent_since(tmp_path, 1, LEASE_S - 5)
    claim_program.keep(run, 1)
    answer = claim_program.take(run, "bob")
    assert not answer["mine"] and answer["age_s"] < LEASE_S / 2


def test_a_holder_that_was_killed_before_it_said_who_it_is_is_overcome(tmp_path: Path) -> None:
    (tmp_path / "runs/one" / CLAIMS / "000001").mkdir(parents=True)
    silent_since(tmp_path, 1, LEASE_S + 1)
    assert claim_program.take(str(tmp_path / "runs/one"), "bob")["number"] == 2


async def test_a_killed_operator_of_this_machine_is_overcome_at_once(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    program = (
        "import asyncio, os, signal, sys; from pathlib import PurePosixPath\n"
        "from tau2tui.remote.claims import claimed; from tau2tui.remote.rundir import RunDirectory\n"
        "from tau2tui.remote.shell import LocalShell\n"
        "async def main():\n"
        "    run = RunDirectory(LocalShell(), PurePosixPath(sys.argv[1]), sys.executable)\n"
        "    async with claimed(run, 'Launch', print):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(run.path)], check=False, timeout=60)
    assert killed.returncode == -9
    heard: list[str] = []
    async with claimed(run, "Launch", heard.append) as claim:
        assert claim.number == 2 and heard == [], "nothing was waited for"


class Elsewhere(LocalShell):
    """A login node that two operators work on from machines of their own: their processes say nothing here."""

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        completed = await super().run(argv, timeout_s, stdin)
        answer = json.loads(completed.stdout or "{}")
        if answer.get("holder"):
            answer["holder"] = json.dumps({**json.loads(answer["holder"]), "machine": "another"})
        return Completed(completed.argv, completed.status, json.dumps(answer), completed.stderr)


async def test_who_stops_everything_waits_for_no_holder_and_that_one_submits_nothing_more(tmp_path: Path) -> None:
    run = RunDirectory(Elsewhere(), PurePosixPath(tmp_path / "runs/one"), sys.executable)
    async with claimed(run, "Launch", told) as launching, claimed(run, "Stop", told, at_once=True) as stopping:
        await stopping.check()
        with pytest.raises(Refused, match=r"\(Stop\) has taken over the jobs of run one"):
            await launching.check()


def test_the_program_runs_on_old_pythons_and_needs_no_packages() -> None:
    import ast

    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= set(sys.stdlib_module_names)
