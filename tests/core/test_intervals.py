"""The interval of a share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.core.intervals import wilson


def test_it_is_the_score_interval() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = wilson(successes, trials)
        assert found is not None
        assert found == pytest.approx((low, high), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) is None


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_it_holds_the_share_and_stays_within_bounds(trials: int, share: float) -> None:
    successes = round(share * trials)
    found = wilson(successes, trials)
    assert found is not None
    assert 0 <= found[0] <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= found[1] <= 1
