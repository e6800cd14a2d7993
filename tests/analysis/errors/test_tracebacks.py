"""Real tracebacks, dressed as loggers dress them, become one error each."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tau2tui.analysis.errors.tracebacks import CUT_OFF, HEAD_TEXT, Folding, Traceback


def raised(call: Callable[[], object]) -> list[str]:
    """The lines of the traceback of what a call raises."""
    try:
        call()
    except BaseException:  # noqa: BLE001 - exception groups, exits and interrupts are folded too
        return traceback.format_exc().splitlines()
    raise AssertionError("nothing was raised")


def look_up() -> object:
    orders: dict[str, object] = {}
    return orders["order_17"]


def handled() -> None:
    try:
        look_up()
    except KeyError:
        raise ValueError("no such order") from None


def during() -> None:
    try:
        look_up()
    except KeyError:
        int("x")


def caused() -> None:
    try:
        during()
    except ValueError as error:
        raise ConnectionResetError(104, "Connection reset by peer") from error


def grouped() -> None:
    def failed(call: Callable[[], object]) -> Exception:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - any of them
            return error
        raise AssertionError

    raise ExceptionGroup("two of them", [failed(look_up), failed(during)])


def many_lines() -> None:
    raise RuntimeError("CUDA out of memory.\nGPU 0 has a total capacity of 79.18 GiB\n\nSee the documentation")


def bare() -> None:
    raise KeyboardInterrupt


def folded(lines: Iterable[str], notable: Callable[[str], bool] = lambda _: False) -> list[Traceback]:
    folding, found = Folding(), []
    for number, line in enumerate(lines):
        found += folding.feed(number, line, notable=notable(line))[1]
    return found + folding.end()


CASES = [
    (look_up, "KeyError", "'order_17'", [], "look_up"),
    (handled, "ValueError", "no such order", [], "handled"),
    (during, "ValueError", "invalid literal for int() with base 10: 'x'", ["KeyError"], "during"),
    (caused, "ConnectionResetError", "[Errno 104] Connection reset by peer", ["KeyError", "ValueError"], "caused"),
    (many_lines, "RuntimeError", "CUDA out of memory.", [], "many_lines"),
    (bare, "KeyboardInterrupt", "", [], "bare"),
]
PREFIXES = [
    "",
    "[tau2/cli.py STDERR] ",
    "[2025-12-30 17:32:15] [tau2/cli.py STDERR] ",
    "(EngineCore_0 pid=4711) ERROR 12-30 17:32:15 [core.py:700] ",
    "[ERROR] 2025-12-30 17:32:15.123 task=[mms_issue]a|b[PERSONA:None] thread=12 ",
    "    ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("call", "name", "message", "causes", "function"), CASES, ids=lambda one: str(one)[:20])
def test_a_traceback_is_one_error_whatever_stands_before_its_lines(
    call: Callable[[], object], name: str, message: str, causes: list[str], function: str, prefix: str
) -> None:
    lines = [prefix + line for line in raised(call)]
    (found,) = folded(["before", *lines, "after"])
    assert (found.name, found.message, found.causes) == (name, message, causes)
    assert found.place.endswith(f" in {function}")
    assert f"{__name__.rpartition('.')[2]}.py:" in found.place
    assert (found.first_line, found.prefix) == (1, prefix)
    assert found.text.startswith(HEAD_TEXT)


def test_the_time_in_a_prefix_may_go_on_within_a_traceback() -> None:
    lines = [
        f"[2025-12-30 17:32:{number + 10}] [tau2/cli.py STDERR] {line}" for number, line in enumerate(raised(caused))
    ]
    (found,) = folded(lines)
    assert (found.name, len(found.causes)) == ("ConnectionResetError", 2)


def test_only_the_head_may_stand_behind_a_record() -> None:
    head, *rest = raised(during)
    (found,) = folded([f"[ERROR] 2025-12-30 17:32:15.123 task=17 thread=12 {head}", *rest])
    assert (found.name, found.causes) == ("ValueError", ["KeyError"])


def test_an_exception_group_is_one_error_with_its_parts() -> None:
    lines = raised(grouped)
    (found,) = folded([*lines, "[INFO] 2025-12-30 17:32:15.123 task=1 thread=1 on"])
    assert (found.name, found.message) == ("ExceptionGroup", "two of them (2 sub-exceptions)")
    assert "order_17" in found.text


def test_records_of_others_between_the_lines_are_not_taken_for_a_part() -> None:
    other = "[PROFILE] 2025-12-30 17:32:15.123 task=1 thread=1 type=llm_call duration_ms=1.00"
    lines = raised(caused)
    mixed = [line for pair in zip(lines, [other] * len(lines), strict=True) for line in pair]
    folding = Folding()
    taken = [folding.feed(number, line)[0] for number, line in enumerate(mixed)]
    assert taken[1::2] == [False] * len(lines)
    (found,) = folding.end()
    assert (found.name, found.causes) == ("ConnectionResetError", ["KeyError", "ValueError"])
    assert other not in found.text


def test_two_in_a_row_are_two() -> None:
    assert [one.name for one in folded([*raised(look_up), *raised(during)])] == ["KeyError", "ValueError"]


def test_one_that_was_cut_off_is_still_an_error() -> None:
    (found,) = folded(raised(look_up)[:-1])
    assert (found.name, found.place.rpartition(" ")[2]) == (CUT_OFF, "look_up")
    names = [one.name for one in folded([*raised(look_up)[:2], *raised(during)])]
    assert names == [CUT_OFF, "ValueError"]


def test_a_line_of_its_own_behind_an_exception_ends_it() -> None:
    folding = Folding()
    lines = raised(look_up)
    for number, line in enumerate(lines):
        assert folding.feed(number, line) == (True, [])
    taken, ended = folding.feed(len(lines), "Retrying in 5 seconds", notable=True)
    assert not taken
    assert [one.name for one in ended] == ["KeyError"]
    assert not folding.open


def test_a_long_one_is_kept_in_part_and_read_to_its_end() -> None:
    head, *frames, last = raised(look_up)
    (found,) = folded([head, *frames * 5000, last])
    assert found.name == "KeyError"
    assert len(found.text) < 5000


@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                [HEAD_TEXT, '  File "x.py", line 3, in f', "    x()", "KeyError: 'a'", "", "  | a", "  +-+-"]
            ),
            st.sampled_from(
                [
                    "During handling of the above exception, another exception occurred:",
                    "  + Exception Group Traceback (most recent call last):",
                    "[INFO] 2025-12-30 17:32:15.123 task=1 thread=1 x",
                ]
            ),
        ),
        max_size=60,
    )
)
def test_any_lines_are_survived_and_no_head_is_lost(lines: list[str]) -> None:
    found = folded(lines)
    heads = sum(HEAD_TEXT in line for line in lines)
    # A head in a chain, or within a group, is a part of an error: there are never more errors than heads.
    assert len(found) <= heads
    assert (heads > 0) == bool(found)
    assert [one.first_line for one in found] == sorted({one.first_line for one in found})


@given(
    errors=st.lists(
        st.tuples(st.sampled_from([look_up, handled, during, caused, bare]), st.sampled_from(PREFIXES)), max_size=12
    )
)
def test_as_many_errors_come_out_as_were_raised(errors: list[tuple[Callable[[], object], str]]) -> None:
    lines = [prefix + line for call, prefix in errors for line in raised(call)]
    assert len(folded(lines)) == len(errors)
