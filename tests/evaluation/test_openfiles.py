"""The limit on open files, in processes of their own: a limit that was lowered cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tau2tui.evaluation.openfiles import needed


def limited(soft: int, hard: int, max_concurrency: int) -> list[str]:
    """The soft limit after it was raised, and the warning, in a process that begins with these limits."""
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from tau2tui.evaluation.openfiles import raise_limit
warning = raise_limit({max_concurrency})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
print(warning)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_limit_is_raised_to_what_is_allowed() -> None:
    assert limited(200, 1500, 128) == ["1500", ""]


@pytest.mark.parametrize("soft", [300, 400])
def test_a_hard_limit_that_is_too_low_is_named_with_what_is_needed(soft: int) -> None:
    limit, warning = limited(soft, 400, 128)
    assert limit == "400"
    assert "Only 400 files" in warning
    assert f"128 simulations at once may need {needed(128)}" in warning
