"""scripts/audit: what it says, and with which status, of the answers that pip-audit can give."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / "scripts/audit"
CLEAN = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}
SKIPPED = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([CLEAN, CLEAN], 0, "2 packages: 0 with known vulnerabilities, 0 could not be looked up"),
        ([CLEAN, BAD, SKIPPED], 1, "bad 2.0: PYSEC-1, mended in 2.1, 3.0"),
        ([CLEAN, SKIPPED], 2, "nothing is known of unknown"),
        ([], 2, "0 packages"),
        (None, 2, "pip-audit gave no answer"),
    ],
)
def test_a_finding_and_what_could_not_be_asked_are_told_apart(
    tmp_path: Path, packages: list[dict[str, object]] | None, status: int, says: str
) -> None:
    answer, asked = tmp_path / "answer", tmp_path / "asked"
    answer.write_text("" if packages is None else json.dumps({"dependencies": packages, "fixes": []}))
    program = tmp_path / "pip-audit"
    program.write_text(f'#!/bin/sh\necho "$@" >"{asked}"\ncat "{answer}"\nexit 1\n')
    program.chmod(0o755)
    environment = {**os.environ, "PIP_AUDIT": str(program)}
    done = subprocess.run([AUDIT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stdout + done.stderr) == (status, True), done
    assert "--requirement requirements.lock" in asked.read_text()
