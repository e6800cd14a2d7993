"""Loaded lines become shown ones: filters, folds, merged logs, what a diagnosis says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from tau2tui.tui.log_findings import found_in
from tau2tui.tui.log_lines import LogLine, error_pattern, make_lines
from tau2tui.tui.log_pattern import parse_pattern
from tau2tui.tui.log_shown import Shape, Shown, arrange, complete_from, merged


def lines(text: str) -> list[LogLine]:
    return make_lines(text.encode(), 0, error_pattern())


def words(shown: Shown) -> list[str]:
    return [line.text for line in shown.lines]


def test_filters_take_lines_out_and_count_them() -> None:
    log = [*lines("GET /health 200\nGET /v1 200\nPOST /v1 500\n"), LogLine("truncated", note=True)]
    shown = arrange([log], Shape(include=parse_pattern("get")))
    assert (words(shown), shown.hidden) == (["GET /health 200", "GET /v1 200", "truncated"], 1)
    shown = arrange([log], Shape(exclude=parse_pattern("/health|500/")))
    assert (words(shown), shown.hidden) == (["GET /v1 200", "truncated"], 2)
    shown = arrange([log], Shape(include=parse_pattern("GET"), exclude=parse_pattern("health")))
    assert words(shown) == ["GET /v1 200", "truncated"]


def test_lines_that_repeat_but_for_numbers_become_one_with_their_count() -> None:
    log = lines("".join(f"2025-12-24 04:28:{n % 60:02} no price for model 0x{n:x}\n" for n in range(4291)) + "end 1\n")
    shown = arrange([log], Shape(fold=True))
    assert words(shown) == ["×4 291 2025-12-24 04:28:30 no price for model 0x10c2", "end 1"]
    assert shown.folded == 4290
    without = arrange([log], Shape(fold=True, stamps=False))
    assert words(without) == ["×4 291 no price for model 0x10c2", "end 1"]


def test_several_logs_are_merged_by_time_and_lines_without_one_stay_with_the_line_before() -> None:
    one = lines("INFO 12-24 04:00:01 a\n  goes on\nINFO 12-24 04:00:05 c\n")
    two = lines("2025-12-24 03:59:00 before\n[PROFILE] 2025-12-24 04:00:03.500 b\n")
    two = [replace(line, at=_same_year(line, one)) for line in two]
    assert [(source, line.text.split()[-1]) for source, line in merged([one, two])] == [
        (1, "before"),
        (0, "a"),
        (0, "on"),
        (1, "b"),
        (0, "c"),
    ]


def _same_year(line: LogLine, others: Sequence[LogLine]) -> float | None:
    """vLLM names no year, so that the test's other log has to be in whichever it is read as."""
    first = others[0].at
    assert line.at is not None
    assert first is not None
    day = 86_400
    return first - first % day + line.at % day


def test_of_several_logs_only_what_is_loaded_of_all_is_shown() -> None:
    busy, quiet = lines("2025-12-24 04:00:09 busy\n"), lines("2025-12-24 01:00:00 old\n2025-12-24 04:00:10 new\n")
    since = complete_from([(busy, False), (quiet, True)])
    assert words(arrange([busy, quiet], Shape(), (), since)) == ["2025-12-24 04:00:09 busy", "2025-12-24 04:00:10 new"]
    assert complete_from([(busy, True), (quiet, True)]) is None
    assert complete_from([(lines("no times\n"), False)]) is None


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=20), min_size=2, max_size=4))
def test_merging_loses_nothing_and_keeps_each_log_in_order(times: list[list[int | None]]) -> None:
    logs = [
        [LogLine(f"{log}/{place}", offset=place, at=None if at is None else float(at)) for place, at in enumerate(each)]
        for log, each in enumerate(times)
    ]
    both = merged(logs)
    for number, log in enumerate(logs):
        assert [line for source, line in both if source == number] == log


@dataclass(frozen=True)
class Oom:
    cause: str = "the GPU is out of memory"
    remedy: str = "lower gpu_memory_utilization"
    line: int = 2


def test_what_a_diagnosis_says_stands_below_the_line_that_shows_it() -> None:
    log = [LogLine("a note", note=True), *lines("INFO fine\nCUDA out of memory\nINFO end\n")]
    asked: list[Sequence[str]] = []

    def diagnose(given: Sequence[str]) -> Sequence[Oom]:
        asked.append(given)
        return (Oom(), Oom(line=99))

    notes = found_in(log, diagnose)
    assert asked == [["INFO fine", "CUDA out of memory", "INFO end"]]
    shown = arrange([log], Shape(), [notes])
    assert words(shown) == [
        "a note",
        "INFO fine",
        "CUDA out of memory",
        "└ the GPU is out of memory",
        "  lower gpu_memory_utilization",
        "INFO end",
    ]
    assert [line.line.note for line in shown.lines] == [True, False, False, True, True, False]
