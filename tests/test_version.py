"""`--version`: the version, and the commit of a checkout, from git's own files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tau2tui import __version__
from tau2tui.version import commit, described
from tests.command_line import CommandLine


def git(directory: Path, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "init.defaultBranch=main")
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    directory = tmp_path / "checkout"
    directory.mkdir()
    (directory / "pyproject.toml").touch()
    git(directory, "init", "-q")
    git(directory, "commit", "-q", "--allow-empty", "-m", "one")
    return directory


def test_the_commit_is_the_one_that_git_says_wherever_it_keeps_it(checkout: Path, tmp_path: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout) == head and described(checkout) == f"{__version__} (commit {head[:12]})"
    git(checkout, "pack-refs", "--all")
    assert commit(checkout) == head
    git(checkout, "worktree", "add", "-q", "-b", "side/branch", "../side")
    git(tmp_path / "side", "commit", "-q", "--allow-empty", "-m", "two")
    (tmp_path / "side" / "pyproject.toml").touch()
    assert commit(tmp_path / "side") == git(tmp_path / "side", "rev-parse", "HEAD") != head
    git(checkout, "checkout", "-q", "--detach")
    assert commit(checkout) == head


@pytest.mark.parametrize("head", ["", "ref: refs/heads/none", "ref: ../../../etc/passwd", "nonsense\n\x1b[31m", "\xff"])
def test_what_is_no_commit_is_none(checkout: Path, head: str) -> None:
    (checkout / ".git" / "HEAD").write_bytes(head.encode("latin-1"))
    assert commit(checkout) == "" and described(checkout) == __version__


def test_an_installed_package_does_not_take_the_commit_of_the_project_around_it(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()
    assert commit(checkout) == ""


def test_the_option_says_it(tmp_path: Path) -> None:
    said = CommandLine(tmp_path / "config.toml", tmp_path).run("--version").stdout
    assert said == f"tau2tui, version {described()}\n"
