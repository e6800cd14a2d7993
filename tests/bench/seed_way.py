"""The baseline of `bench parse`: a Python loop over the lines with one regular expression for each kind of event.

This is how the scripts that the seed's notes come from read their logs; written anew here, for comparison only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

PERCENTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)
_KINDS = {
    "llm_call": r"model=(\S+)",
    "expert_call": r"model=(\S+)",
    "user_sim": r"model=(\S+)",
    "tool_call": r"function=(\S+)",
    "step_complete": r"from_role=(\S+)",
}
_PATTERNS = {
    kind: (re.compile(rf"\[(?:PROFILE|USER_JUDGE)\].*type={kind}\b.*?duration_ms=([\d.]+)"), re.compile(name))
    for kind, name in _KINDS.items()
}


def durations(path: Path) -> dict[str, list[float]]:
    """Durations in milliseconds by kind and name."""
    found: dict[str, list[float]] = defaultdict(list)
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            for kind, (pattern, name) in _PATTERNS.items():
                match = pattern.search(line)
                if match:
                    label = name.search(line)
                    found[f"{kind}:{label[1] if label else ''}"].append(float(match[1]))
                    break
    return found


def percentiles(values: list[float]) -> list[float]:
    """Linear interpolation between order statistics."""
    ordered = sorted(values)
    result = []
    for percentile in PERCENTILES:
        position = (len(ordered) - 1) * percentile / 100
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        result.append(ordered[low] + (ordered[high] - ordered[low]) * (position - low))
    return result


def summarize(path: Path) -> int:
    """Parse and aggregate; returns how many events there were."""
    found = durations(path)
    for values in found.values():
        percentiles(values)
    return sum(map(len, found.values()))
