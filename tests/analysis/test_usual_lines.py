"""The fast reader of profile lines against the one that takes everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tau2tui.analysis import layouts
from tau2tui.analysis.events import join_profile_lines, parse_any_events
from tau2tui.analysis.line_keys import SPELLINGS
from tau2tui.analysis.places import find_places
from tau2tui.analysis.profile_lines import read_profile_lines
from tau2tui.analysis.usual_lines import WHOLE, read_usual_lines
from tau2tui.analysis.wanted import ALL
from tests.analysis.made_logs import LogMaker

pytestmark = pytest.mark.slow

DOMAINS = st.sampled_from(["retail", ""])
KEYS = st.sampled_from(
    [
        *("step", "model", "function", "call_type", "from_role", "to_role", "expert", "replica", "error"),
        *(
            "has_tool_calls",
            "my_duration_ms",
            "xstep",
            "",
            "toolorchestra_vllm_infer_ms",
            "toolorchestra_xxxx_prefill_ms",
        ),
        *(key for keys in SPELLINGS.values() for key in keys),
    ]
)
NUMBERS = st.one_of(
    st.decimals(0, 10**12, places=2).map(str),
    st.integers(-5, 10**18).map(str),
    st.sampled_from(
        ["00.50", "1e3", "1.5", "nan", "inf", "+5", ".25", "12:34.56", "0x10", "١.٢٣", "/0000.00", ":0000.00"]
    ),
)
NAMES = st.sampled_from(
    ["", "False", "True", "openai/gpt-oss-20b", "é", "x" * 300, "[x]", "agent", "12345678", "123456789"]
)
PAIRS = st.lists(st.tuples(KEYS, NUMBERS | NAMES).map("=".join), max_size=8)
TASKS = st.sampled_from(
    ["0", "17", "retail:17", "a b", 'it\'s "x"', "a=b", "[mms]x|y[PERSONA:None]", "", "é" * 40, "telecom:[x]y"]
)
TIMES = st.one_of(
    st.datetimes().map(lambda at: f"{at.year:04d}-{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"),
    st.sampled_from(
        [
            "2025-02-29 10:00:00.000",
            "0000-01-01 00:00:00.000",
            "2025-12-24 24:00:00.000",
            "2025-12-24 10:61:00.1",
            "2025-12-24T10:00:00.000",
            "2025-12-24 10:00:60.000",
            "2025-12-24 10:00:00,000",
            "",
        ]
    ),
)
LINES = st.builds(
    lambda before, level, at, task, thread, kind, pairs, after: (
        f"{before}[{level}] {at} task={task} thread={thread} type={' '.join([kind, *pairs])}{after}"
    ),
    st.sampled_from(
        [
            "",
            "[tau2/cli.py STDERR] ",
            "[tau2/cli.py STDERR] \x1b[36m",
            "\x1b[36m",
            "x ",
            "[PROFILE] 2025",
            "é" * 10,
            "[2025-12-30 17:32:15] [tau2/cli.py STDOUT] ",
            "[2025-12-30 17:32:15] ",
        ]
    ),
    st.sampled_from(["PROFILE", "USER_JUDGE"]),
    TIMES,
    TASKS,
    st.sampled_from(["1", "124685400381120", "-1", "99999999999999999999", "", "0007"]),
    st.sampled_from(["llm_call", "expert_call", "tool_call", "step_complete", "user_sim", "evaluator", "other", ""]),
    PAIRS,
    st.sampled_from(
        ["", "", "\x1b[0m", "\r", "\x1b[0m\r", " ", "[PROFILE] ", " [tau2/cli.py STDERR] x", "\x1b[31m", "=", "\x00"]
    ),
)


@pytest.mark.parametrize("few", [layouts._FEW, 0], ids=["as it is", "each line's layout counts"])
@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12), DOMAINS)
def test_both_readers_read_the_same(few: int, texts: list[str], domain: str) -> None:
    found = find_places("\n".join(texts).encode())
    usual, layouts._FEW = layouts._FEW, few
    try:
        fast, fast_unread = join_profile_lines([read_profile_lines(found, domain, ALL.columns)], domain)
    finally:
        layouts._FEW = usual
    slow, slow_unread = parse_any_events(texts, range(len(texts)), domain)
    assert_frame_equal(fast, slow.drop("line"))
    assert sorted(fast_unread["text"]) == sorted(slow_unread["text"])


COLUMNS = st.lists(st.sampled_from(ALL.columns), min_size=1, unique=True).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12), DOMAINS, COLUMNS)
def test_what_is_wanted_is_read_as_if_everything_was(texts: list[str], domain: str, columns: tuple[str, ...]) -> None:
    everything, _ = parse_any_events(texts, range(len(texts)), domain)
    found = find_places("\n".join(texts).encode())
    events, _ = join_profile_lines([read_profile_lines(found, domain, columns)], domain, columns)
    assert_frame_equal(events, everything.select(columns))


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_lines_of_the_writers_are_usual_whatever_the_order_of_their_keys(shuffled: bool) -> None:
    maker = LogMaker(1, shuffled=shuffled)
    texts = [maker.profile_line("retail")[0] for _ in range(500)]
    dressed = [
        f"[tau2/cli.py STDERR] \x1b[36m{text}\x1b[0m\r" if place % 3 else text for place, text in enumerate(texts)
    ]
    places = find_places("\n".join(dressed).encode())
    for wanted in (WHOLE, *(frozenset({name}) for name in WHOLE)):
        usual = read_usual_lines(places, wanted)
        assert usual.line.tolist() == list(range(500)), wanted
        assert usual.columns.keys() == wanted | {"type"}, "what is not wanted is not told"
