"""SLURM's way to write a length of time: limits in the configuration and from sinfo, and what squeue says is left."""

from __future__ import annotations

import re

_PART = r"([0-9]{1,9})"
_TIME = re.compile(rf"(?:{_PART}-)?{_PART}(?::{_PART})?(?::{_PART})?")


def slurm_seconds(text: str) -> float | None:
    """Seconds of minutes, minutes:seconds, hours:minutes:seconds or days-hours[:minutes[:seconds]].

    None for what is no length: UNLIMITED, infinite, NOT_SET, INVALID. Source: sbatch(1), --time; squeue(1), %L.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, first, second, third = (None if part is None else int(part) for part in match.groups())
    hours, minutes, seconds = (0, first, second) if days is None and third is None else (first, second, third)
    return float((((days or 0) * 24 + (hours or 0)) * 60 + (minutes or 0)) * 60 + (seconds or 0))
