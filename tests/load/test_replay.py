from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.analysis.scan import read_logs
from tau2tui.errors import NothingToRead
from tau2tui.load.replay import choose_series, recorded_calls

LINES = """\
2025-12-30 18:00:10,500 [PROFILE] 2025-12-30 18:00:10.500 task=7 thread=1 type=llm_call step=1 model=big duration_ms=2500.0 input_tokens=900 output_tokens=40
2025-12-30 18:00:09,000 [PROFILE] 2025-12-30 18:00:09.000 task=8 thread=2 type=llm_call step=1 model=big duration_ms=500.0
2025-12-30 18:00:12,000 [PROFILE] 2025-12-30 18:00:12.000 task=7 thread=1 type=expert_call step=2 model=small duration_ms=1000.0 input_tokens=50 output_tokens=5
2025-12-30 18:00:13,000 [PROFILE] 2025-12-30 18:00:13.000 task=7 thread=1 type=tool_call step=2 function=f duration_ms=3.0
"""  # noqa: E501


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "tau2_retail.log"
    path.write_text(LINES)
    return path


def test_a_call_was_sent_its_duration_before_its_line_was_written(log: Path) -> None:
    calls = recorded_calls(read_logs([log]).events, "orchestrator")
    assert [(call.input_tokens, call.output_tokens) for call in calls] == [(900, 40), (None, None)]
    assert calls[1].started_s - calls[0].started_s == pytest.approx(0.5)


def test_the_series_is_the_one_of_the_model_or_the_one_that_is_named(log: Path) -> None:
    events = read_logs([log]).events
    assert choose_series(events, None, "small") == "expert:small"
    assert choose_series(events, None, "big") == "orchestrator"
    assert choose_series(events, "orchestrator", "another") == "orchestrator"


@pytest.mark.parametrize(("wanted", "model"), [("expert:nobody", "big"), (None, "another"), ("tool:retail:f", "big")])
def test_what_cannot_be_chosen_is_told_with_what_there_is(log: Path, wanted: str | None, model: str) -> None:
    with pytest.raises(NothingToRead, match="orchestrator") as told:
        choose_series(read_logs([log]).events, wanted, model)
    assert "expert:small" in str(told.value) and "there are: expert:small, orchestrator" in told.value.hint


def test_the_only_series_there_is_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "tau2_retail.log"
    path.write_text(LINES.splitlines()[0] + "\n")
    assert choose_series(read_logs([path]).events, None, "another") == "orchestrator"


def test_logs_without_calls_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "tau2_retail.log"
    path.write_text("hello\n")
    with pytest.raises(NothingToRead, match="no profile lines"):
        choose_series(read_logs([path]).events, None, "big")
