"""The baseline of `bench parse`: a Python loop over the lines with one regular expression for each kind of event.

Written anew, for comparison only, after the steps of the public script that the seed's notes speak of: two kinds are
told by a plain search for their name, and a line of neither is tried with one expression after the other; durations and
tokens are put into lists by series, and of each series and each of its three durations NumPy makes mean, deviation,
extremes, thirteen percentiles, the share below five seconds and ten bins, and of tokens their means and the tokens per
second. Where the original loses events or dies (an invalid byte, a model of another name), this one does not, so that
both ways can be checked against the same truth. It takes as long as the original (within a tenth, on our made logs).
Keys in any order need other expressions, which are slower; the original cannot read them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

METRICS = ("duration", "prefill", "decode")
TOKENS = ("input", "output")
PERCENTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)
_OPTIONAL = (
    r"prefill_ms=([\d.]+)",
    r"decode_ms=([\d.]+)",
    r"(?:input_tokens|prefill_len)=(\d+)",
    r"(?:output_tokens|decode_len)=(\d+)",
)
_CALLS = ("llm_call", "expert_call")
_OTHERS = {
    "user_sim": ("USER_JUDGE", "model", "duration_ms"),
    "evaluator": ("USER_JUDGE", "model", "duration_ms"),
    "tool_call": ("PROFILE", "function", "duration_ms"),
    "step_complete": ("PROFILE", "from_role", "duration_ms"),
}


def _patterns(*, any_order: bool) -> dict[str, re.Pattern[str]]:
    """One expression for a kind of event: for the order in which the writers write, or for any order."""
    form = "(?=.*?{})" if any_order else ".*?{}"
    patterns = {}
    for kind, (level, name, duration) in (dict.fromkeys(_CALLS, ("PROFILE", "model", "duration_ms")) | _OTHERS).items():
        needed = [rf" {name}=([^\s\x1b]+)", rf" (?:total_)?{duration}=([\d.]+)"]
        if kind == "step_complete":
            needed.reverse()
        parts = [form.format(part) for part in needed]
        parts += [f"(?:{form.format(part)})?" for part in _OPTIONAL if kind in _CALLS]
        patterns[kind] = re.compile(rf"\[{level}\] \d.*?type={kind}\b" + "".join(parts))
    return patterns


Series = dict[str, dict[str, list[float]]]


def parse(path: Path, *, any_order: bool = False) -> Series:
    """`duration`, `prefill` and `decode` in milliseconds, `input` and `output` tokens, by series (`<kind>:<name>`)."""
    patterns = _patterns(any_order=any_order)
    calls = [(f"type={kind}", kind, patterns[kind]) for kind in _CALLS]
    others = [(kind, patterns[kind]) for kind in _OTHERS]
    found: Series = defaultdict(lambda: {name: [] for name in (*METRICS, *TOKENS)})
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            for text, kind, pattern in calls:
                if text in line:
                    if match := pattern.search(line):
                        series = found[f"{kind}:{match[1]}"]
                        series["duration"].append(float(match[2]))
                        if match[3]:
                            series["prefill"].append(float(match[3]))
                        if match[4]:
                            series["decode"].append(float(match[4]))
                        if match[5]:
                            series["input"].append(int(match[5]))
                        if match[6]:
                            series["output"].append(int(match[6]))
                    break
            else:
                for kind, pattern in others:
                    if match := pattern.search(line):
                        name, duration = match[1], match[2]
                        if kind == "step_complete":
                            name, duration = duration, name
                        found[f"{kind}:{name}"]["duration"].append(float(duration))
                        break
    return found


def statistics(values: list[float]) -> Mapping[str, Any]:
    """What the report shows of one list."""
    if not values:
        return {"count": 0}
    numbers = np.array(values)
    counts, edges = np.histogram(numbers, bins=10)
    return {
        "count": len(values),
        "mean": float(np.mean(numbers)),
        "std": float(np.std(numbers)),
        "min": float(np.min(numbers)),
        "max": float(np.max(numbers)),
        **{f"p{percentile}": float(np.percentile(numbers, percentile)) for percentile in PERCENTILES},
        "under_5s_pct": float(np.mean(numbers < 5000) * 100),
        "counts": counts.tolist(),
        "edges": edges.tolist(),
    }


def summarize(path: Path, *, any_order: bool = False) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Parse and aggregate: series → duration → statistics, and `tokens`."""
    return {
        series: {metric: statistics(lists[metric]) for metric in METRICS} | {"tokens": _tokens(lists)}
        for series, lists in parse(path, any_order=any_order).items()
    }


def _tokens(lists: Mapping[str, list[float]]) -> Mapping[str, Any]:
    """Mean tokens of a call, and output tokens over the summed latency."""
    means = {f"mean_{name}": float(np.mean(lists[name])) if lists[name] else None for name in TOKENS}
    return means | {"per_s": 1000 * sum(lists["output"]) / sum(lists["duration"]) if lists["output"] else None}
