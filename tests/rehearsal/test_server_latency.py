from __future__ import annotations

import pytest

from tau2tui.rehearsal.server import PROBABILITIES, PUBLISHED, Latency, quantile_ms


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_quantile_function_goes_through_every_published_figure(name: str) -> None:
    series = PUBLISHED[name]
    assert [quantile_ms(series, probability) for probability in PROBABILITIES] == pytest.approx(series.quantiles_ms)


def test_between_two_figures_it_is_linear() -> None:
    series = PUBLISHED["orchestrator"]
    assert quantile_ms(series, 0.175) == pytest.approx((2096.5 + 2804.8) / 2)


@pytest.mark.parametrize("name", PUBLISHED)
def test_of_many_draws_the_published_share_lies_below_each_published_quantile(name: str) -> None:
    series = PUBLISHED[name]
    latency = Latency(series, speed=1.0, seed=7)
    drawn_ms = [1000 * sum(latency.draw_s()) for _ in range(20_000)]
    for probability, quantile in zip(PROBABILITIES, series.quantiles_ms, strict=True):
        below = sum(ms <= quantile + 1e-6 for ms in drawn_ms) / len(drawn_ms)
        assert below == pytest.approx(probability, abs=0.015)  # four standard errors of a share of 20 000


def test_speed_divides_and_the_prefill_share_splits() -> None:
    slow, fast = (Latency(PUBLISHED["expert-1"], speed, seed=1).draw_s() for speed in (1.0, 20.0))
    assert fast == pytest.approx([part / 20 for part in slow])
    assert slow[0] / sum(slow) == pytest.approx(1710.2 / (1710.2 + 620.5))


def test_the_seed_decides_the_draws() -> None:
    def drawn(seed: int) -> list[tuple[float, float]]:
        latency = Latency(PUBLISHED["user"], 20.0, seed)
        return [latency.draw_s() for _ in range(5)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_probe_never_meets_the_tail() -> None:
    latency = Latency(PUBLISHED["orchestrator"], 1.0, 0)
    assert {round(sum(latency.draw_s(probe=True)), 6) for _ in range(50)} == {0.2341}
