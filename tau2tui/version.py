"""Which version this is, with the commit if it runs from a checkout; looked up only when somebody asks."""

from __future__ import annotations

import re
from pathlib import Path

from tau2tui import __version__

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_SHOWN = 12


def described(root: Path | None = None) -> str:
    """The version; `root`: of the checkout, else the directory in which the package lies."""
    found = commit(root or Path(__file__).parents[1])
    return f"{__version__} (commit {found[:_SHOWN]})" if found else __version__


def commit(root: Path) -> str:
    """The commit that a checkout is at, from git's own files; empty if it is none, or if they say something else.

    Source: gitrepository-layout(5): a work tree of its own has a file `.git` that names its directory, whose
    `commondir` names the one with the branches.
    """
    try:
        if not (root / "pyproject.toml").is_file():
            return ""  # an installed package, which may lie in some other project's checkout
        directory = root / ".git"
        if directory.is_file():
            directory = root / directory.read_text().removeprefix("gitdir:").strip()
        head = (directory / "HEAD").read_text().strip()
        if head.startswith("ref:"):
            head = _branch(directory, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return ""
    return head if _COMMIT.fullmatch(head) else ""


def _branch(directory: Path, name: str) -> str:
    """The commit of a branch. Raises OSError."""
    common = directory / "commondir"
    shared = directory / common.read_text().strip() if common.is_file() else directory
    if (shared / name).is_file():
        return (shared / name).read_text().strip()
    lines = (shared / "packed-refs").read_text().splitlines()
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {name}")), "")
