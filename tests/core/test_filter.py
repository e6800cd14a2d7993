"""The filter language, term by term."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.core.filter import FilterError, parse_filter

KEYS = ("STATE", "REPLICA", "KV", "LEFT", "WHY")


@dataclass(frozen=True)
class Field:
    text: str
    value: float | None = None


ROWS = {
    "math": (Field("✖ failed"), Field("expert-math-1"), Field("–"), Field("3h10m", 11400.0), Field("out of memory")),
    "code": (Field("◐ loading"), Field("expert-code-0"), Field("0%", 0.0), Field("11h58m", 43080.0), Field("")),
    "tools": (Field("● ready"), Field("Expert-tools-0"), Field("71%", 0.71), Field("41m", 2460.0), Field("")),
}


@pytest.mark.parametrize(
    ("words", "matching"),
    [
        ("", ["math", "code", "tools"]),
        ("expert", ["math", "code", "tools"]),
        ("Expert", ["tools"]),
        ("ready", ["tools"]),
        ("state:failed", ["math"]),
        ("state:!ready", ["math", "code"]),
        ("!state:ready", ["math", "code"]),
        ("!ready expert-c", ["code"]),
        ("kv>50%", ["tools"]),
        ("kv<0.5", ["code"]),
        ("!kv>50%", ["code"]),  # of math it is not known
        ("left<1h", ["tools"]),
        ("left>=3h left<=4h", ["math"]),
        ("replica=EXPERT-CODE-0", ["code"]),
        ("replica=expert-code", []),
        ("kv=71%", ["tools"]),
        ("kv=0.71", ["tools"]),
        ("left=41m", ["tools"]),
        ("/^expert-(math|tools)/", ["math", "tools"]),
        ("!/math|code/", ["tools"]),
        ("replica:/code-\\d/", ["code"]),
        ('why:"out of memory"', ["math"]),
        ("'out of' memory", ["math"]),
        ('why:"out of', ["math"]),  # not closed yet
    ],
)
def test_rows_match_all_terms(words: str, matching: list[str]) -> None:
    wanted = parse_filter(words, KEYS)
    assert [name for name, row in ROWS.items() if wanted(row)] == matching


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("colour:red", "no column 'colour' here; there are state, replica, kv, left, why"),
        ("kv>much", "'much' is no number; write 12, 5m, 2h, 80% or 3k"),
        ("/(/", "/(/ is no expression"),
    ],
)
def test_what_says_nothing_is_refused_with_what_would_be_right(words: str, said: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse_filter(words, KEYS)
    assert said in str(refused.value)


@given(st.text(max_size=30))
def test_whatever_is_typed_either_filters_or_is_refused(words: str) -> None:
    try:
        wanted = parse_filter(words, KEYS)
    except FilterError:
        return
    for row in ROWS.values():
        assert wanted(row) in (True, False)


@pytest.mark.parametrize("words", ["a", "gpu01 ready", '"out of"', "", "'x y'", 'unclosed"'])
def test_plain_words_are_told_and_mean_the_same_as_the_filter(words: str) -> None:
    rows = [
        tuple(map(Field, row)) for row in (("GPU01", "ready"), ("out of", "memory"), ("a", "x y"), ('"', "unclosed"))
    ]
    wanted = parse_filter(words, ("name", "state"))
    assert wanted.literals is not None
    for row in rows:
        said = "\0".join(field.text for field in row).lower()
        assert wanted(row) is all(word in said for word in wanted.literals)


@pytest.mark.parametrize("words", ["Ready", "!ready", "/ready/", "name:gpu", "count>5"])
def test_what_is_more_than_plain_words_is_not_told_as_such(words: str) -> None:
    assert parse_filter(words, ("name", "count")).literals is None
