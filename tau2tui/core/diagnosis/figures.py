"""What a log's figures amount to: settings that would have fitted, computed from what the failure itself states."""

from __future__ import annotations

import math
from collections.abc import Mapping

_DEFAULT_UTILIZATION = 0.95
"""Of this program's experts (`gpu_memory_utilization`); vLLM's own is 0.9."""
_DEFAULT_SEQS = 256
"""Of vLLM's --max-num-seqs for servers, 0.12."""
_RESERVE = 0.01
"""Of a GPU's memory: the CUDA context of the new server is not yet in what was free."""
_LEAST_STEP = 0.07
"""From 0.95, where a model with multi-token prediction ran out of memory, to 0.88, where it did not."""
_LEAST_UTILIZATION = 0.4
"""Below it something else holds the GPU, and a lower share is no remedy."""
_MIB_PER_GIB = 1024.0


def figures(said: Mapping[str, str]) -> dict[str, str]:
    """Settings by placeholder, from the groups of a match and the server's arguments; without those that do not follow.

    `free`, `total`, `tried`: GiB (or MiB, as `tried_unit` says) on one GPU; `heads`, `parallel`: attention heads and
    the tensor parallel size that does not divide them.
    """
    found: dict[str, float | int | None] = {
        "fitting_utilization": _fitting_utilization(said),
        "lower_utilization": _lower_utilization(said),
        "raised_utilization": _raised_utilization(said),
        "lower_seqs": max(1, int(_number(said, "seqs") or _number(said, "max_num_seqs") or _DEFAULT_SEQS) // 2),
        "fitting_parallel": _fitting_parallel(said),
    }
    return {name: f"{value:g}" for name, value in found.items() if value is not None}


def _number(said: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(said[name].replace(",", ""))
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _fitting_utilization(said: Mapping[str, str]) -> float | None:
    """The share of a GPU that was free when the server started, less a reserve, rounded down to 0.01."""
    free, total = _number(said, "free"), _number(said, "total")
    if free is None or not total:
        return None
    return _sensible(math.floor((free / total - _RESERVE) * 100) / 100)


def _lower_utilization(said: Mapping[str, str]) -> float | None:
    """The share that was used, less what the last allocation lacked, and at least by a step that has helped before."""
    used = _number(said, "gpu_memory_utilization") or _DEFAULT_UTILIZATION
    tried, free, total = _number(said, "tried"), _number(said, "free"), _number(said, "total")
    missing = 0.0
    if tried is not None and total:
        tried_gib = tried / _MIB_PER_GIB if said.get("tried_unit") == "MiB" else tried
        free_gib = (free or 0.0) / _MIB_PER_GIB if said.get("free_unit") == "MiB" else free or 0.0
        missing = (tried_gib - free_gib) / total + 2 * _RESERVE
    return _sensible(math.floor(round((used - max(_LEAST_STEP, missing)) * 100, 6)) / 100)


def _raised_utilization(said: Mapping[str, str]) -> float | None:
    """0.05 more; None where that is beyond 0.95, which leaves the GPU's own share too small."""
    used = _number(said, "gpu_memory_utilization")
    if used is None or used + 0.05 > _DEFAULT_UTILIZATION + 1e-9:
        return None
    return round(used + 0.05, 2)


def _fitting_parallel(said: Mapping[str, str]) -> int | None:
    """The largest tensor parallel size below the refused one that divides the heads."""
    heads, parallel = _number(said, "heads"), _number(said, "parallel")
    if not heads or not parallel or heads != int(heads) or not 1 < parallel <= 1024:
        return None
    return next((size for size in range(int(parallel) - 1, 0, -1) if int(heads) % size == 0), None)


def _sensible(utilization: float) -> float | None:
    return utilization if _LEAST_UTILIZATION <= utilization < 1 else None
