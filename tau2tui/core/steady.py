"""Time that passes evenly, also while somebody sets the clock: for waits, ages and durations.

What is compared with the clocks of other machines, such as a sign of life in a file, is told by `time.time` instead.
"""

from __future__ import annotations

import time

# Also runs while a laptop sleeps, where the system has it: what was seen before that is old.
_SOURCE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BEGAN = time.time() - time.clock_gettime(_SOURCE)
_LEAST_STEP_S = 1.0


def steady_time() -> float:
    """Unix seconds, by the clock as it was when the program began."""
    return _BEGAN + time.clock_gettime(_SOURCE)


def stepped_s() -> float:
    """By how much the clock was set since the program began; less than a second is slewing, and none."""
    step_s = time.time() - steady_time()
    return step_s if abs(step_s) >= _LEAST_STEP_S else 0.0
