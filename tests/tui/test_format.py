"""How values are written."""

from __future__ import annotations

import pytest

from tau2tui.config import EvaluationConfig
from tau2tui.core.command import (
    CleanGpus,
    Command,
    Launch,
    Relaunch,
    RelaunchJob,
    StartEval,
    StartSmoke,
    SteerEval,
    Stop,
)
from tau2tui.core.model import EvalState
from tau2tui.core.verdict import Standing
from tau2tui.tui.format import (
    EVAL_STATES,
    STANDINGS,
    Cell,
    Tone,
    bar,
    command_words,
    duration,
    latency,
    middle_cut,
    numbers,
    percent,
    printable,
    size,
    standing_cell,
    threshold,
    whole,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (245, "4m05s"),
        (3600, "1h00m"),
        (11_400, "3h10m"),
        (97_200, "1d03h"),
        (-3, "0s"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "–"),
        (0.04, "0.0ms"),
        (9.99, "10.0ms"),
        (93.4, "93ms"),
        (999.6, "1.00s"),
        (4020.2, "4.02s"),
        (70_584.2, "70.6s"),
        (426_958.6, "427s"),
    ],
)
def test_latencies_have_three_digits_that_count(milliseconds: float | None, words: str) -> None:
    assert latency(milliseconds) == words


@pytest.mark.parametrize(("milliseconds", "words"), [(5000, "5s"), (1500, "1.5s"), (200, "200ms")])
def test_thresholds_are_round(milliseconds: float, words: str) -> None:
    assert threshold(milliseconds) == words


def test_what_is_not_known_is_never_a_zero() -> None:
    assert whole(None) == percent(None) == duration(None) == latency(None) == numbers(()) == "–"
    assert (whole(0), percent(0.0)) == ("0", "0%")


def test_counts_are_grouped_and_shares_become_per_cent() -> None:
    assert whole(3453.0) == "3 453"
    assert percent(0.446) == "45%"
    assert percent(0.446, 1) == "44.6%"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1024, "1.0 KB"), (64 << 10, "64 KB"), (12_900_000, "12 MB"), (5 << 30, "5.0 GB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("values", "words"), [((0,), "0"), ((0, 1, 2, 3), "0-3"), ((0, 2), "0,2"), ((6, 7), "6-7")])
def test_runs_of_numbers_are_joined(values: tuple[int, ...], words: str) -> None:
    assert numbers(values) == words


def test_every_state_has_a_glyph_of_one_cell() -> None:
    assert set(STANDINGS) == set(Standing)
    assert set(EVAL_STATES) == set(EvalState)
    assert all(len(glyph) == 1 for glyph, _ in (*STANDINGS.values(), *EVAL_STATES.values()))


def test_no_two_states_look_the_same_without_colour() -> None:
    words = [standing_cell(standing, "", old=False).text for standing in Standing]
    assert len(set(words)) == len(Standing)


def test_an_old_state_is_in_doubt_and_an_unknown_one_stays_unknown() -> None:
    assert standing_cell(Standing.READY, "ready", old=True) == Cell("● ready?", Tone.MUTED)
    assert standing_cell(Standing.UNKNOWN, "", old=True) == Cell("? unknown", Tone.DOUBT)
    assert standing_cell(Standing.STARTING, "loading", old=False) == Cell("◐ loading", Tone.BUSY)


def test_a_bar_is_as_long_as_it_says() -> None:
    assert bar(0.5, 10).plain == "━━━━━─────"
    assert bar(2.0, 4).plain == "━━━━"
    assert bar(-1.0, 4).plain == "────"


def test_names_are_cut_in_the_middle() -> None:
    assert middle_cut("abcdefghij", 10) == "abcdefghij"
    assert middle_cut("abcdefghij", 7) == "abc…hij"
    assert middle_cut("abcdefghij", 4) == "a…ij"


def test_what_would_move_the_cursor_is_taken_out() -> None:
    assert printable("a\x1b[2Jb\x00\tc\u202ed") == "a�[2Jb� c�d"
    assert printable("müßig ✔ 模型") == "müßig ✔ 模型"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Launch(), "launch the fleet"),
        (Relaunch(("expert-1-0", "expert-1-1")), "relaunch expert-1-0, expert-1-1"),
        (RelaunchJob("node2"), "relaunch job node2"),
        (CleanGpus(()), "clean gpus"),
        (Stop(("expert-1-0",)), "stop expert-1-0"),
        (Stop(), "stop everything of this run"),
        (StartEval(EvaluationConfig()), "start the evaluation"),
        (StartSmoke(EvaluationConfig(), "x"), "run the smoke test"),
        (SteerEval("pause"), "pause the evaluation"),
        (SteerEval("concurrency", 12), "run 12 simulations at once"),
        (SteerEval("skip", "retail/[b]17#0"), "skip retail/[b]17#0"),
        (SteerEval("finish"), "stop the evaluation when what runs has ended"),
        (SteerEval("budget_usd", 80.0), "set the evaluation's budget to $80.0"),
        (SteerEval("budget_tokens", 5), "set the evaluation's budget to 5 tokens"),
    ],
)
def test_commands_have_words(command: Command, words: str) -> None:
    assert command_words(command) == words
