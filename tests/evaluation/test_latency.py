"""What the orchestrator is told of the experts' latencies: measured ones, and seldom another figure."""

from __future__ import annotations

from pathlib import Path

from tau2tui.evaluation.latency import FEWEST, Latencies
from tau2tui.evaluation.participants import Cast, Participant

AGENT = Participant("a", "agent", "m")
CAST = Cast(
    AGENT, (Participant("expert-1", "expert", "m", latency_s=9.0), Participant("expert-2", "expert", "n")), AGENT
)


def measured(*durations_ms: float) -> Latencies:
    latencies = Latencies()
    for duration_ms in durations_ms:
        latencies.add("expert-1", duration_ms)
    return latencies


def told(latencies: Latencies) -> list[float | None]:
    return [expert.latency_s for expert in latencies.informed(CAST).experts]


def test_what_is_configured_holds_until_enough_was_measured() -> None:
    assert told(measured(*[2000.0] * (FEWEST - 1))) == [9.0, None]
    assert told(measured(*[2000.0] * FEWEST)) == [2.0, None]


def test_it_is_the_median_so_that_one_hung_call_says_nothing() -> None:
    assert told(measured(*[1000.0] * 15, *[3000.0] * 15, 400_000.0)) == [3.0, None]


def test_another_figure_is_told_only_when_the_median_has_really_changed() -> None:
    latencies = measured(*[2000.0] * FEWEST)
    assert told(latencies)[0] == 2.0
    for _ in range(200):
        latencies.add("expert-1", 2400.0)
    assert told(latencies)[0] == 2.0
    for _ in range(200):
        latencies.add("expert-1", 2600.0)
    assert told(latencies)[0] == 2.6


def test_a_later_driver_begins_with_what_the_logs_of_the_run_say(tmp_path: Path) -> None:
    head = "[PROFILE] 2025-12-24 04:28:25.388 task=1 thread=1 type="
    lines = [
        f"{head}expert_call step=5 model=m duration_ms=2500.00 prefill_ms=9.00 expert=expert-1 replica=r",
        f"{head}expert_call step=5 model=m call_type=vllm duration_ms=1.2.3 expert=expert-1",
        f"{head}expert_call model=of/another/program call_type=vllm duration_ms=1.00",
        f"{head}llm_call model=m call_type=vllm duration_ms=1.00 has_tool_calls=False",
    ]
    log = tmp_path / "tau2_retail.log"
    log.write_bytes(b"\xff torn\n" + "\n".join(lines * FEWEST).encode())
    latencies = Latencies()
    latencies.read_logs([tmp_path / "tau2_airline.log", log])
    assert told(latencies) == [2.5, None]
