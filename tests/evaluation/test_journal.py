"""The lines of the logs, in the formats that the seed's recipes read."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tau2tui.core.layout import RunLayout
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.evaluation.answer import Answer, ToolRequest
from tau2tui.evaluation.journal import PROFILE, Journal, LineFile, clock_time
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit

UNIT = Unit("telecom", "[mms_issue]a|b[PERSONA:None]", 2, 7)
ANSWER = Answer("Hi.", (), 2107.2, 102.07, 2005.13, 857, 140, "orchestrator-0")
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, RunLayout(), ("telecom", "retail")) as journal:
        yield journal


@pytest.fixture
def log(journal: Journal) -> UnitLog:
    unit_log = UnitLog(UNIT, journal, Tally({"telecom": 1}, EvalProgress(EvalState.STARTING, 1.0, 1.0)))
    unit_log.step = 5
    return unit_log


def lines(run_dir: Path, name: str) -> list[str]:
    return (run_dir / "logs" / name).read_text().splitlines()


def event(run_dir: Path) -> str:
    """The one profile line of telecom, without its time and thread, which are checked."""
    (line,) = lines(run_dir, "tau2_telecom.log")
    found = re.fullmatch(rf"(\[\w+\]) {STAMP}\.\d{{3}} (task=\S+) thread=\d+ (type=.*)", line)
    assert found, line
    return " ".join(found.groups())


def test_a_call_of_the_orchestrator(tmp_path: Path, log: UnitLog) -> None:
    agent = Participant("any-name", "agent", "/ckpt/Nemotron Orchestrator-8B")
    log.answered(agent, replace(ANSWER, tool_calls=(ToolRequest("x", {}),)))
    assert event(tmp_path) == (
        "[PROFILE] task=[mms_issue]a|b[PERSONA:None] type=llm_call step=5 model=/ckpt/Nemotron_Orchestrator-8B "
        "call_type=vllm duration_ms=2107.20 prefill_ms=102.07 decode_ms=2005.13 input_tokens=857 output_tokens=140 "
        "has_tool_calls=True replica=orchestrator-0"
    )


def test_a_call_of_an_expert_leaves_out_what_is_not_known(tmp_path: Path, log: UnitLog) -> None:
    expert = Participant("expert-1", "expert", "openai/gpt-oss-20b")
    log.answered(expert, Answer("Hi.", duration_ms=2345.67, replica="expert-1-2"))
    assert event(tmp_path) == (
        "[PROFILE] task=[mms_issue]a|b[PERSONA:None] type=expert_call step=5 model=openai/gpt-oss-20b call_type=vllm "
        "duration_ms=2345.67 expert=expert-1 replica=expert-1-2"
    )


def test_a_call_of_the_user_simulator(tmp_path: Path, log: UnitLog) -> None:
    log.answered(Participant("user", "user", "gpt-5", fleet=False), replace(ANSWER, replica=""))
    assert event(tmp_path) == (
        "[USER_JUDGE] task=[mms_issue]a|b[PERSONA:None] type=user_sim step=5 model=gpt-5 call_type=openai "
        "duration_ms=2107.20"
    )


@pytest.mark.parametrize(("error", "end"), [(False, ""), (True, " error=True")])
def test_a_tool_of_the_environment(tmp_path: Path, log: UnitLog, error: bool, end: str) -> None:
    log.tool_ran("get_order_details", 12.3449, error=error)
    assert event(tmp_path) == (
        "[PROFILE] task=[mms_issue]a|b[PERSONA:None] type=tool_call function=get_order_details "
        f"call_type=local_function step=5 duration_ms=12.34{end}"
    )


def test_a_step_is_logged_under_its_own_number_and_then_the_next_begins(tmp_path: Path, log: UnitLog) -> None:
    log.stepped("agent", "env", 3591.0)
    assert event(tmp_path) == (
        "[PROFILE] task=[mms_issue]a|b[PERSONA:None] type=step_complete step=5 total_duration_ms=3591.00 "
        "from_role=agent to_role=env"
    )
    assert log.step == 6


def test_values_have_no_spaces_and_lines_no_ends(tmp_path: Path, journal: Journal) -> None:
    values = {"function": "a b\n[PROFILE] c\x1b[31m", "empty": "", "none": None}
    journal.event(PROFILE, "tool_call", "telecom", "task 1\nx", values)
    assert event(tmp_path) == "[PROFILE] task=task_1_x type=tool_call function=a_b_[PROFILE]_c_[31m empty=-"
    journal.say("one\ntwo\x1b[31m\u2028three", "retail")
    (said,) = lines(tmp_path, "fullrun.log")
    assert re.fullmatch(rf"\[{STAMP}\] one two \[31m three", said)
    assert lines(tmp_path, "eval_retail.log") == [said]


def outcome(**fields: Any) -> Outcome:
    return Outcome(UNIT, 10.0, 20.0, **fields)


def test_a_unit_that_is_over_leaves_its_marker_in_both_logs(tmp_path: Path, journal: Journal) -> None:
    journal.outcome(
        outcome(simulation={"reward_info": {"reward": 0.0}}), DomainProgress("telecom", 114, ok=3, errors=1)
    )
    said, marker = lines(tmp_path, "fullrun.log")
    assert re.fullmatch(rf"\[{STAMP}\] FINISHED SIMULATION: Domain: telecom, Task: .*Reward: 0.0", said)
    assert marker == (
        "[TAU2_TASK_COMPLETE] domain=telecom trial=2 task_id=[mms_issue]a|b[PERSONA:None] status=ok "
        "completed_domain=4 total_domain=114"
    )
    assert lines(tmp_path, "eval_telecom.log") == [said, marker]


def test_a_unit_that_failed_is_told_with_its_class(tmp_path: Path, journal: Journal) -> None:
    journal.outcome(outcome(error_class="timeout", error="too\nlate"), DomainProgress("telecom", 114, errors=1))
    said, marker = lines(tmp_path, "fullrun.log")
    assert said.endswith("] Task failed: telecom/[mms_issue]a|b[PERSONA:None]#2: timeout: too late")
    assert "status=error" in marker


def test_the_time_left_is_red_and_may_be_unknown(tmp_path: Path, journal: Journal) -> None:
    journal.eta(3, 278, 75.4, 6869.0)
    journal.eta(0, 278, 0.0, None)
    assert lines(tmp_path, "fullrun.log") == [
        "\x1b[31m[OVERALL_ETA] done=3/278 elapsed=01:15 eta=01:54:29\x1b[0m",
        "\x1b[31m[OVERALL_ETA] done=0/278 elapsed=00:00 eta=--:--\x1b[0m",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (-3, "00:00"), (59.6, "01:00"), (360000, "100:00:00")])
def test_times_are_minutes_and_seconds_or_hours_too(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@pytest.mark.parametrize(("state", "word"), [(EvalState.FINISHED, "complete"), (EvalState.STOPPED, "stopped")])
def test_the_last_line_sums_up(tmp_path: Path, journal: Journal, state: EvalState, word: str) -> None:
    domains = (DomainProgress("telecom", 10, ok=5, errors=1), DomainProgress("retail", 4, ok=4))
    journal.summary(EvalProgress(state, 1.0, 1.0, domains), 120.0, 6)
    (line,) = lines(tmp_path, "fullrun.log")
    assert line.endswith(f"] Global evaluation {word}: ok=9 error=1 total=14 elapsed_s=120.0 tasks_per_min=3.00")


def test_a_traceback_stands_in_the_log_of_its_domain_alone(tmp_path: Path, journal: Journal) -> None:
    journal.trace("telecom", "Traceback (most recent call last):\n  File x\nValueError: y\x1b[0m")
    assert lines(tmp_path, "eval_telecom.log")[-1] == "ValueError: y [0m"
    assert lines(tmp_path, "fullrun.log") == []


def test_lines_of_many_threads_are_never_torn(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log")

    def write_many(letter: str) -> None:
        for _ in range(50):
            file.write(letter * 5000)

    threads = [threading.Thread(target=write_many, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    written = (tmp_path / "x.log").read_text().splitlines()
    assert len(written) == 200
    assert all(line == line[0] * 5000 for line in written)


def test_a_line_that_a_kill_cut_short_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    path.write_text("a whole line\nhalf a li")
    for line in ("first", "second"):
        file = LineFile(path)
        file.write(line)
        file.close()
    assert path.read_text() == "a whole line\nhalf a li\nfirst\nsecond\n"


def test_a_thread_that_outlives_its_log_harms_no_other_file(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log")
    file.close()
    with (tmp_path / "other").open("w"):
        file.write("late")
    assert (tmp_path / "other").read_text() == ""
    assert (tmp_path / "x.log").read_text() == ""


def test_the_drivers_lines_are_echoed_as_long_as_someone_listens(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with Journal(tmp_path, RunLayout(), ("retail",), echo=writer) as journal:
        journal.say("heard")
        assert b"heard" in os.read(reader, 1000)
        os.close(reader)
        journal.say("unheard")
        journal.say("still written")
    os.close(writer)
    assert len(lines(tmp_path, "fullrun.log")) == 3


def test_text_that_cannot_be_encoded_is_written_all_the_same(tmp_path: Path, journal: Journal) -> None:
    journal.say("a \ud800 b")
    assert lines(tmp_path, "fullrun.log")[0].endswith("a \\ud800 b")
