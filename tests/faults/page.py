"""docs/faults.md: the catalogue with what was observed, when, and of which version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.catalogue import FAULTS, Fault

PAGE = Path(__file__).parents[2] / "docs/faults.md"
NOT_YET = "not yet"
_HEAD = """\
# Faults

What is broken on purpose, and what comes of it. Made by `scripts/faults`, which runs every entry against the real
thing: the SLURM lab, the rehearsal fleet, a real vLLM on the CPU, a real tmux. `scripts/faults ID…` runs some, and
`scripts/faults --list` lists them. The proofs are tests that run in CI too; what takes minutes (`long:`) runs only by
that script. How to add one is in [CONTRIBUTING.md](../CONTRIBUTING.md).
"""
_COLUMNS = "| id | what is done | expected | observed | when, version | proof |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen when an entry was run."""

    outcome: str
    when: str


def read(text: str) -> dict[str, Observed]:
    """What a page says was observed, by entry."""
    rows = (re.split(r"(?<!\\) \| ", line.strip("| \n")) for line in text.splitlines() if line.startswith("| "))
    return {row[0]: Observed(row[3], row[4]) for row in rows if len(row) == 6 and row[0] != "id"}


def page(observed: Mapping[str, Observed]) -> str:
    """The whole page."""
    return "\n".join((_HEAD, _COLUMNS, *(_row(fault, observed.get(fault.id)) for fault in FAULTS))) + "\n"


def _row(fault: Fault, seen: Observed | None) -> str:
    proofs = [f"`{proof}`" for proof in fault.proofs]
    proofs += [f"long: `tests/faults/long.py::{fault.longer.__name__}`"] if fault.longer else []
    seen = seen or Observed(NOT_YET, "–")
    cells = (fault.id, fault.done, fault.expected, seen.outcome, seen.when, "<br>".join(proofs))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
