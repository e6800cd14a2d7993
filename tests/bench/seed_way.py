"""The baseline of `bench parse`: a Python loop over the lines with one regular expression for each kind of event.

This is what the script that the seed's notes speak of does, as far as they tell, written anew here for comparison only:
every line of text is tried with the expression of each kind until one fits, durations and tokens are put into lists by
series, and of each series and each of its three durations NumPy makes mean, deviation, extremes, thirteen percentiles,
the share below five seconds and ten bins, and of tokens their means and the tokens per second. Where the original loses
events or dies (an invalid byte, optional fields, `total_duration_ms`), this one does not, so that both ways can be
checked against the same truth. Nothing in it is slow on purpose: it is a leaner loop than the original, for which 48 to
57 MB/s were measured on a machine like ours.
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
_HEAD = r"\[{level}\] (?P<at>\S+ \S+) task=(?P<task>.*?) thread=(?P<thread>\d+) type={kind}\b"
_DURATION = r" (?:total_)?duration_ms=(?P<duration>[\d.]+)"
_PREFILL = r" (?:toolorchestra_vllm_)?prefill_ms=(?P<prefill>[\d.]+)"
_DECODE = r" (?:toolorchestra_vllm_)?decode_ms=(?P<decode>[\d.]+)"
_INPUT = r" (?:input_tokens|toolorchestra_vllm_prefill_len)=(?P<input>\d+)"
_OUTPUT = r" (?:output_tokens|toolorchestra_vllm_decode_len)=(?P<output>\d+)"
_KINDS = {
    "llm_call": ("PROFILE", "model"),
    "expert_call": ("PROFILE", "model"),
    "tool_call": ("PROFILE", "function"),
    "step_complete": ("PROFILE", "from_role"),
    "user_sim": ("USER_JUDGE", "model"),
    "evaluator": ("USER_JUDGE", "model"),
}


def _pattern(kind: str, *, any_order: bool) -> re.Pattern[str]:
    """One expression for a kind of event: for the order in which the writers write, or (slower) for any order."""
    level, name = _KINDS[kind]
    needed, optional = [rf" {name}=(?P<name>[^\s\x1b]+)", _DURATION], []
    if kind == "step_complete":
        needed.reverse()
    if kind in ("llm_call", "expert_call"):
        optional = [_PREFILL, _DECODE, _INPUT, _OUTPUT]
    form = "(?=.*?{})" if any_order else ".*?{}"
    parts = [form.format(part) for part in needed] + [f"(?:{form.format(part)})?" for part in optional]
    return re.compile(_HEAD.format(level=level, kind=kind) + "".join(parts))


Series = dict[str, dict[str, list[float]]]


def parse(path: Path, *, any_order: bool = False) -> Series:
    """`duration`, `prefill` and `decode` in milliseconds, `input` and `output` tokens, by series (`<kind>:<name>`)."""
    patterns = {kind: _pattern(kind, any_order=any_order) for kind in _KINDS}
    found: Series = defaultdict(lambda: {name: [] for name in (*METRICS, *TOKENS)})
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            for kind, pattern in patterns.items():
                match = pattern.search(line)
                if match:
                    fields = match.groupdict()
                    series = found[f"{kind}:{fields['name']}"]
                    for metric, values in series.items():
                        if fields.get(metric):
                            values.append(float(fields[metric]))
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
