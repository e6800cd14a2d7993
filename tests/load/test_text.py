from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tau2tui.core.error_class import ErrorClass
from tau2tui.core.load.knee import suggest
from tau2tui.core.load.measured import Sample, distribution, summarize
from tau2tui.errors import CommandFailed, Unreachable
from tau2tui.load.generator import Endpoint
from tau2tui.load.measuring import Outcome, Target, closed_loop, levels_of
from tau2tui.load.text import outcome_json, outcome_lines, sweep_json, sweep_lines

TARGET = Target("expert-1", "org/M", (Endpoint("expert-1-0", "http://a/v1"), Endpoint("expert-1-1", "http://b/v1")))


def outcome(*samples: Sample, concurrency: int = 2) -> Outcome:
    return Outcome(TARGET, closed_loop(concurrency, 100, 60.0, 512, 5, 2, 0), summarize(samples), 2)


def answered(ended_s: float = 1.0, **more: object) -> Sample:
    given = {"ttft_ms": 100.0, "input_tokens": 512, "output_tokens": 5, **more}
    return Sample("expert-1-0", 0.0, ended_s, **given)  # type: ignore[arg-type]


def lost(kind: ErrorClass) -> Sample:
    return Sample("expert-1-1", 0.0, 1.0, error=kind, message="it said no")


def text_of(one: Outcome) -> str:
    return "\n".join(outcome_lines(one))


def test_a_report_says_what_was_left_out_of_it_and_fits_eighty_columns() -> None:
    said = text_of(replace(outcome(answered(), lost(ErrorClass.SERVER)), interrupted=True, unfinished=2))
    assert "warm-up      2 requests, not counted" in said
    assert "1 completed, 1 failed, 2 given up" in said and "interrupted" in said
    assert "server: 1 (50.0%), such as: it said no" in said
    assert max(map(len, said.splitlines())) <= 82


def test_what_is_not_known_is_a_dash_and_null() -> None:
    one = outcome(answered(output_tokens=None))
    assert "– output tokens/s" in text_of(one) and "does not say how many output tokens" in text_of(one)
    found = json.loads(json.dumps(outcome_json(one)))
    assert found["output_tokens_per_s"] is None and found["latency_ms"]["tpot"]["p50"] is None
    assert found["latency_ms"]["ttft"]["p50"] == 100


def test_what_makes_figures_mean_less_is_told() -> None:
    assert "745 input tokens in the mean, not the 512" in text_of(outcome(answered(input_tokens=745)))
    assert "itself was up to 30.0 ms late" in text_of(replace(outcome(answered()), lag=distribution([30.0])))
    late = Outcome(TARGET, outcome().work, summarize([answered(late_s=0.4)], open_loop=True), 2)
    assert "sent up to 400.0 ms late" in text_of(late)
    assert "!" not in text_of(outcome(answered()))


def test_a_sweep_is_a_row_for_each_level_and_a_suggestion() -> None:
    levels = (outcome(answered(1.0), concurrency=1), outcome(answered(2.0), concurrency=2))
    found = suggest(levels_of(levels))
    said = list(sweep_lines(levels, found))
    assert [line.split()[0] for line in said[1:3]] == ["1", "2"]
    assert "suggested concurrency: 1; at 2 throughput grows by -50% and p99 by 100%" in said[3]
    assert sweep_json(levels, found)["suggestion"]["concurrency"] == 1
    assert "nothing to suggest" in "\n".join(sweep_lines((outcome(),), suggest(levels_of((outcome(),)))))


def test_a_level_that_was_interrupted_suggests_nothing() -> None:
    assert levels_of([replace(outcome(answered()), interrupted=True)]) == ()


@pytest.mark.parametrize(
    ("kind", "error", "hint"),
    [
        (ErrorClass.CONNECTION, Unreachable, "tau2tui status"),
        (ErrorClass.TIMEOUT, Unreachable, "tau2tui status"),
        (ErrorClass.AUTH, CommandFailed, "--api-key-env"),
        (ErrorClass.SERVER, CommandFailed, ""),
    ],
)
def test_a_load_of_which_nothing_was_answered_ends_with_the_error_of_its_class(
    kind: ErrorClass, error: type[Exception], hint: str
) -> None:
    failure = outcome(lost(kind)).failure
    assert type(failure) is error and "it said no" in failure.message and hint in failure.hint


def test_a_load_with_an_answer_or_without_a_request_is_no_failure() -> None:
    assert outcome(answered(), lost(ErrorClass.SERVER)).failure is None
    assert outcome().failure is None
