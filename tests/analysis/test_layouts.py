"""Lines with their keys in one order are told from those that only look alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis import layouts
from tau2tui.analysis.layouts import by_layout
from tau2tui.analysis.places import find_places
from tau2tui.analysis.words import Positions, words_of

HEAD = "[PROFILE] 2025-12-24 04:28:25.388 task=17 thread=1 type=llm_call"
KEYS = ("step", "model", "my_step", "duration_ms", "toolorchestra_vllm_prefill_ms", "toolorchestra_vllm_prefill_len")


@pytest.fixture(autouse=True)
def each_line_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_FEW", 0)


def split(lines: Sequence[str]) -> tuple[dict[int, tuple[str, ...]], list[int]]:
    """The keys that lines were found to have, by their number, and the numbers of those that are left."""
    data = "\n".join(f"{HEAD} {line}" for line in lines).encode()
    places = find_places(data)
    begins = np.concatenate((np.zeros(1, np.int64), places.ends[:-1]))
    first: Positions = np.searchsorted(places.equals, begins) + 3
    count: Positions = np.searchsorted(places.equals, places.ends) - first
    laid, left = by_layout(places, words_of(data), first, count)
    found = {line: tuple(key.decode() for key in each.keys) for each in laid for line in each.lines.tolist()}
    assert sum(each.lines.size for each in laid) == len(found)
    return found, sorted(left.tolist())


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 10**9)), min_size=1, max_size=6), max_size=30))
def test_a_line_has_the_layout_that_it_has_or_is_left(lines: list[list[tuple[str, int]]]) -> None:
    found, left = split([" ".join(f"{key}={value}" for key, value in pairs) for pairs in lines])
    assert sorted([*found, *left]) == list(range(len(lines)))
    for line, keys in found.items():
        assert keys == tuple(key for key, _ in lines[line])


def test_values_of_any_length_do_not_part_lines_of_one_layout() -> None:
    found, left = split([f"step={value} model={'x' * value}" for value in range(1, 200)])
    assert set(found.values()) == {("step", "model")}
    assert (len(found), left) == (199, [])


@pytest.mark.parametrize(
    "line",
    ["xstep=1 model=x", "step=1 my_model=x", "step=1xmodel=x", "step=1 model_=x", "Step=1 model=x", "step= model x="],
)
def test_a_line_that_differs_in_one_character_of_a_key_has_another_layout(line: str) -> None:
    found, _ = split(["step=1 model=x", line, "step=2 model=y"])
    assert (found[0], found[2]) == (("step", "model"),) * 2
    assert found.get(1) != ("step", "model")


def test_a_long_key_is_compared_to_its_first_character() -> None:
    key = "toolorchestra_vllm_prefill_len"
    found, _ = split([f"{key}=1", f"{key[0].upper()}{key[1:]}=1", f"{key}=2"])
    assert [found.get(line) for line in range(3)] == [(key,), (key.title()[0] + key[1:],), (key,)]


def test_lines_in_any_order_are_given_up_after_a_few_tries() -> None:
    pairs = ["a=1", "b=2", "c=3", "d=4", "e=5"]
    lines = [" ".join(pairs[place:] + pairs[:place]) for place in range(5)] * 2
    layouts._FEW = 5
    found, left = split(lines)
    assert (found, left) == ({}, list(range(10)))


def test_a_line_of_thousands_of_pairs_is_nobodys_layout() -> None:
    found, left = split([" ".join(["a=1"] * 5000)] * 3)
    assert (found, left) == ({}, [0, 1, 2])
