"""What became of errors, in small logs that can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.errors.logs import DAY, TELECOM, attempt, budget_of, call, failed, fates, gave_up, marker, said

OVER = said("17:40:00", "Global evaluation complete: ok=1 error=0 total=1 elapsed_s=1.0 tasks_per_min=1.0")
UNIT = "retail/1#0"
FAILED = attempt("17:32:15", UNIT, "server")


@pytest.mark.parametrize(
    ("rest", "fate"),
    [
        (marker("retail", "1"), "recovered"),
        (marker("retail", "1", "error"), "lost"),
        (marker("retail", "1", "error") + marker("retail", "1"), "recovered"),
        (marker("retail", "1", "skipped"), "open"),
        (marker("retail", "1", trial=1), "open"),
        (marker("retail", "2") + marker("telecom", "1"), "open"),
        ("", "open"),
        (said("18:02:00", "Evaluation starts"), "open"),
        (said("18:02:30", "Evaluation starts"), "lost"),
        (said("17:32:16", "Global evaluation complete: ok=1 error=0 total=2 elapsed_s=1.0 tasks_per_min=1.0"), "lost"),
    ],
    ids=[
        "ended well", "ended in error", "run again", "skipped", "another trial", "other tasks", "nothing yet",
        "less than half an hour of silence", "more of it", "the run is over",
    ],
)  # fmt: skip
def test_an_attempt_fares_as_its_unit_does(tmp_path: Path, rest: str, fate: str) -> None:
    assert fates(budget_of(tmp_path, fullrun=FAILED + rest)) == [("server", "1", fate)]


def test_an_answer_later_means_that_the_call_came_back(tmp_path: Path) -> None:
    full = FAILED + said("17:35:00", "x")
    assert fates(budget_of(tmp_path, fullrun=full, tau2_retail=call("17:32:20.100"))) == [("server", "1", "recovered")]


@pytest.mark.parametrize("at", ["17:32:14.000", "17:32:15.900"])
def test_an_answer_before_the_error_or_in_its_second_proves_nothing(tmp_path: Path, at: str) -> None:
    assert fates(budget_of(tmp_path, fullrun=FAILED, tau2_retail=call(at))) == [("server", "1", "open")]


def test_only_the_error_that_ended_a_unit_is_lost_with_it(tmp_path: Path) -> None:
    full = (
        FAILED
        + gave_up("17:32:40", UNIT, "budget")
        + failed("17:32:40", UNIT, "budget")
        + marker("retail", "1", "error")
    )
    budget = budget_of(tmp_path, fullrun=full, tau2_retail=call("17:32:20.100"))
    assert fates(budget) == [("server", "1", "recovered"), ("budget", "1", "lost")]


def test_what_happens_when_a_unit_is_run_again_is_no_answer_to_an_earlier_error(tmp_path: Path) -> None:
    full = FAILED + said("17:32:18", "x") + marker("retail", "1", "error") + said("17:33:00", "x")
    budget = budget_of(tmp_path, fullrun=full, tau2_retail=call("17:33:00.100"))
    assert fates(budget) == [("server", "1", "lost")]


def test_a_model_that_said_nothing_had_a_text_stand_in_for_it(tmp_path: Path) -> None:
    text = said("17:32:15", f"{UNIT} expert-1: empty: no text. Nothing in 4 attempts: a neutral text stands in")
    assert fates(budget_of(tmp_path, fullrun=text)) == [("empty", "1", "recovered")]


def test_an_error_without_a_task_has_an_unknown_fate(tmp_path: Path) -> None:
    text = "openai.APIError: unexpected tokens remaining in message header\nRetrying in 5 seconds\n"
    assert fates(budget_of(tmp_path, fullrun=text + marker("retail", "1"))) == [("harmony", "", "unknown")]


@pytest.mark.parametrize(
    ("rest", "fate"),
    [
        (marker("retail", "1") + OVER, "recovered"),
        (marker("retail", "1", "error") + marker("retail", "1") + OVER, "recovered"),
        (marker("retail", "1") + marker("retail", "2", "error") + OVER, "unknown"),
        (marker("retail", "1"), "unknown"),
        (OVER, "unknown"),
        (marker("retail", "1") + said("17:40:00", "Global evaluation stopped: ok=1 error=0 total=2"), "unknown"),
    ],
    ids=["all ended well", "the second time", "not all did", "it goes on", "nobody says how", "it was stopped"],
)
def test_an_error_without_a_task_was_recovered_if_every_unit_ended_well(tmp_path: Path, rest: str, fate: str) -> None:
    error = said("17:32:15", "[tau2/cli.py STDERR] openai.APIConnectionError: Connection error.")
    assert fates(budget_of(tmp_path, fullrun=error + rest)) == [("connection", "", fate)]


def test_lines_of_the_seed_are_followed_by_task_across_files(tmp_path: Path) -> None:
    error = f"[ERROR] {DAY} 17:32:15.500 task={TELECOM} thread=1 openai.APIConnectionError: Connection error.\n"
    full = (
        said("17:32:10", "x") + marker("telecom", TELECOM, "error") + said("17:32:30", "x") + marker("telecom", TELECOM)
    )
    assert fates(budget_of(tmp_path, fullrun=full, tau2_telecom=error)) == [("connection", TELECOM, "recovered")]
