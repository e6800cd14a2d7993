"""Values over time as one line of characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-=+*#@"


def sparkline(values: Sequence[float | None], width: int, low: float, high: float, *, ascii_only: bool = False) -> str:
    """At most `width` characters from `low` to `high`; a gap is a space.

    Of more values than characters the largest of each stretch is drawn: a peak must not disappear.
    """
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    count = len(values)
    if count > width:
        edges = [place * count // width for place in range(width + 1)]
        values = [max((value for value in values[a:b] if value is not None), default=None) for a, b in pairwise(edges)]
    span = high - low
    return "".join(
        " "
        if value is None
        else blocks[min(int((value - low) / span * len(blocks)), len(blocks) - 1) if span > 0 else 0]
        for value in values
    )
