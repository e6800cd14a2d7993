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
    middle_cut,
    numbers,
    printable,
    standing_cell,
)


@pytest.mark.parametrize(("values", "words"), [((0,), "0"), ((0, 1, 2, 3), "0-3"), ((0, 2), "0,2"), ((6, 7), "6-7")])
def test_runs_of_numbers_are_joined(values: tuple[int, ...], words: str) -> None:
    assert numbers(values) == words


def test_no_numbers_are_not_known() -> None:
    assert numbers(()) == "–"


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
