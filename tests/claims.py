"""For login nodes that are classes: nobody else is at work on the run."""

from __future__ import annotations

import json
from collections.abc import Sequence

GRANTED = {"number": 1, "mine": True, "holder": "", "age_s": 0.0, "before_s": None}


def claim_granted(argv: Sequence[str]) -> str | None:
    """What `claim_program.py` would print; None for another command."""
    return json.dumps(GRANTED) if argv[1:2] == ("-",) and argv[2] in ("take", "keep", "release") else None
