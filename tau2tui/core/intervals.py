"""Intervals of shares, in closed form: for what is shown again and again while it grows."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share (0–1); None without a trial.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927): it holds at
    small counts and near 0 and 1, where the normal approximation fails.

    centre = (p + z²/2n) / (1 + z²/n), half width = z / (1 + z²/n) · √(p(1−p)/n + z²/4n²). Units of one task in several
    trials count as independent here, which makes it narrower than the reports' interval, which does not.
    """
    if trials <= 0:
        return None
    z = Z_95
    share, square = successes / trials, z * z
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
