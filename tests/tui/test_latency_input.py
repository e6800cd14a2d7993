"""What is typed at the latency screen, and what its keys go through."""

from __future__ import annotations

import pytest

from tau2tui.tui.latency_input import next_bins, parse_bins, parse_sla, parse_zoom


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no call below"):
        parse_sla("0s")


def test_a_zoom_has_two_ends_in_order_or_none() -> None:
    assert parse_zoom("500ms 3s") == (500, 3000)
    assert parse_zoom("  ") is None
    with pytest.raises(ValueError, match="3s does not lie before 1s"):
        parse_zoom("3s 1s")
    with pytest.raises(ValueError, match="does not lie before"):
        parse_zoom("1000 1000.0000000001")
    with pytest.raises(ValueError, match="where the axis begins"):
        parse_zoom("3s")


def test_a_number_of_bins_is_a_number_however_long_it_is() -> None:
    assert (parse_bins(" 33 "), parse_bins("1000"), parse_bins("0" * 5000 + "7")) == (33, 1000, 7)
    for words in ("", "0", "1001", "-3", "4.5", "²", "9" * 5000):
        with pytest.raises(ValueError, match=r"^bins are a number from 1 to 1000, not ") as refused:
            parse_bins(words)
        assert len(str(refused.value)) < 80


def test_bins_go_up_and_down_also_from_a_number_that_was_typed() -> None:
    assert [next_bins(bins, 1) for bins in (10, 40, 80, 33, 200)] == [20, 80, 80, 40, 200]
    assert [next_bins(bins, -1) for bins in (10, 40, 80, 33, 200)] == [10, 20, 40, 20, 80]
