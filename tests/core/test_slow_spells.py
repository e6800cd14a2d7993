"""Why a stretch was slow, with the figures; and no cause where nothing says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tau2tui.core.slow_spells import Cause, Stretch, explain

CALM = Stretch(
    client_s=9.0,
    usual_client_s=3.0,
    server_most_s=10.0,
    kv_cache=0.5,
    waiting=0.0,
    preemptions=0.0,
    queue_s=0.1,
    busy=4.0,
    busy_others=4.0,
    hit_share=0.6,
    usual_hit_share=0.6,
    answer_tokens=200.0,
    usual_answer_tokens=200.0,
)


@pytest.mark.parametrize(
    ("changed", "cause", "evidence"),
    [
        ({"kv_cache": 0.97, "waiting": 5.0}, Cause.KV_FULL, "KV cache up to 97%, 5 waited, 0 preemptions"),
        ({"preemptions": 7.0}, Cause.PREEMPTION, "7 preemptions"),
        ({"queue_s": 4.0, "waiting": 6.0}, Cause.QUEUE, "4.0 s in the queue of 9.0 s, up to 6 waited"),
        ({"busy": 12.0}, Cause.IMBALANCE, "12.0 requests at once, the others of its model 4.0"),
        ({"hit_share": 0.1}, Cause.CACHE_LOST, "prefix hits 10%, usually 60%"),
        ({"answer_tokens": 400.0}, Cause.LONGER, "400 tokens an answer, usually 200"),
        ({"server_most_s": 2.0}, Cause.CLIENT, "the server had a request for at most 2.0 s, the call took 9.0 s"),
        ({"sampled": False}, Cause.NOT_KNOWN, "no samples of the server in this stretch"),
        ({}, Cause.NOT_KNOWN, "nothing that the server reports stands out"),
    ],
)
def test_each_cause_is_told_with_its_figures(changed: dict[str, Any], cause: Cause, evidence: str) -> None:
    assert explain(replace(CALM, **changed)) == (cause, evidence)


def test_a_full_cache_in_which_nothing_waits_explains_nothing() -> None:
    assert explain(replace(CALM, kv_cache=0.99))[0] is Cause.NOT_KNOWN


def test_what_is_not_reported_is_no_cause() -> None:
    assert explain(Stretch(9.0, 3.0))[0] is Cause.NOT_KNOWN


def test_a_cause_comes_before_what_it_causes() -> None:
    everything = replace(CALM, kv_cache=0.97, waiting=5.0, preemptions=3.0, queue_s=5.0, busy=12.0)
    assert explain(everything)[0] is Cause.KV_FULL
