"""Two readings of logs that must say the same."""

from __future__ import annotations

from polars.testing import assert_frame_equal

from tau2tui.analysis.frames import Logs


def same(one: Logs, other: Logs) -> None:
    """All frames are equal, and what could not be read."""
    for name in ("events", "tasks", "driver", "errors"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.skipped == other.skipped
