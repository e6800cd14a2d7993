"""Which logs a run has, with size and age, wherever it lies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tau2tui.remote.logfiles import DirectoryLogs, RunLogs
from tau2tui.remote.loglist import LogEntry, list_files, parse_listing
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell
from tests.tui.fakes import FakeCluster, FakeShell, seed_config


class ElsewhereShell(FakeShell):
    """This machine as if it were another one: it is asked by commands."""

    def __init__(self, *, find: bool = True) -> None:
        super().__init__(FakeCluster(seed_config()))
        self._find = find

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        if not self._find:
            return Completed(tuple(argv), 1, "", "find: unrecognized: -printf")
        return await LocalShell().run(argv, timeout_s, stdin)

    async def names(self, directory: str) -> tuple[str, ...]:
        return await LocalShell().names(directory)


def make_run(root: Path) -> None:
    for name in ("logs/fullrun.log", "logs/expert-1-0.1.log", "jobs/node1.out", "jobs/node1.sbatch", "eval/driver.out"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"12345")
        os.utime(root / name, (1_000_000.5, 1_000_000.5))
    (root / "logs/odd\tname\n.log").write_bytes(b"1")


async def test_a_run_is_listed_with_sizes_and_ages_the_evaluation_first(tmp_path: Path) -> None:
    make_run(tmp_path)
    logs = RunLogs(RunDirectory(LocalShell(), PurePosixPath(tmp_path), "python3"), "logs")
    entries = {entry.name: entry for entry in await logs.entries()}
    assert list(entries) == [
        "logs/fullrun.log", "logs/expert-1-0.1.log", "logs/odd\tname\n.log", "eval/driver.out", "jobs/node1.out",
    ]  # fmt: skip
    assert entries["logs/fullrun.log"] == LogEntry("logs/fullrun.log", 5, 1_000_000.5)
    assert await logs.names() == tuple(entries)
    assert logs.path_here("logs/fullrun.log") == tmp_path / "logs/fullrun.log"


async def test_the_same_is_known_of_a_run_elsewhere_by_one_command(tmp_path: Path) -> None:
    make_run(tmp_path)
    root, directories = PurePosixPath(tmp_path), ("eval", "jobs", "logs", "missing")
    here = await list_files(LocalShell(), root, directories)
    assert await list_files(ElsewhereShell(), root, directories) == here
    assert len(here) == 6
    logs = RunLogs(RunDirectory(ElsewhereShell(), root, "python3"), "logs")
    assert (await logs.entries())[0] == LogEntry("logs/fullrun.log", 5, 1_000_000.5)
    assert logs.path_here("logs/fullrun.log") is None


async def test_where_find_is_another_one_names_alone_are_known(tmp_path: Path) -> None:
    make_run(tmp_path)
    listed = await list_files(ElsewhereShell(find=False), PurePosixPath(tmp_path), ("logs", "missing"))
    assert listed[:2] == (LogEntry("logs/expert-1-0.1.log"), LogEntry("logs/fullrun.log"))


def test_what_is_no_listing_says_nothing() -> None:
    assert parse_listing("481498\n", "/run/") == ()
    assert parse_listing("5\t1.5\t/run/logs/a.log\0x\ty\tz\0", "/run/") == (LogEntry("logs/a.log", 5, 1.5),)


async def test_somebodys_directory_is_listed_as_a_whole(tmp_path: Path) -> None:
    make_run(tmp_path)
    (tmp_path / "report.json").write_bytes(b"{}")
    names = await DirectoryLogs(tmp_path).names()
    assert "jobs/node1.sbatch" in names
    assert "report.json" not in names
