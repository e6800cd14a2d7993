"""The lines of the logs, in the formats that the seed's recipes read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tau2tui.core.layout import RunLayout
from tau2tui.core.model import DomainProgress, EvalProgress, EvalState
from tau2tui.evaluation.answer import Answer, ToolRequest
from tau2tui.evaluation.client import ChatRequest
from tau2tui.evaluation.journal import HEARTBEAT_S, PROFILE, Journal, clock_time
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit

UNIT = Unit("telecom", "[mms_issue]a|b[PERSONA:None]", 2, 7)
ANSWER = Answer("Hi.", (), 2107.2, 102.07, 2005.13, 857, 140, "orchestrator-0")
OPEN: list[Journal] = []
"""The journal of the test that runs: everything that it said is in the files once it is closed."""
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, RunLayout(), ("telecom", "retail")) as journal:
        OPEN.append(journal)
        yield journal
    OPEN.clear()


@pytest.fixture
def log(journal: Journal) -> UnitLog:
    unit_log = UnitLog(UNIT, journal, Tally({"telecom": 1}, EvalProgress(EvalState.STARTING, 1.0, 1.0)))
    unit_log.step = 5
    return unit_log


def lines(run_dir: Path, name: str) -> list[str]:
    for journal in OPEN:
        with journal:
            pass
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
    journal.say("one\ntwo\x1b[31m\u2028three", "retail")
    assert event(tmp_path) == "[PROFILE] task=task_1_x type=tool_call function=a_b_[PROFILE]_c_[31m empty=-"
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


def test_a_harmony_error_is_counted_once_for_each_attempt(tmp_path: Path, journal: Journal) -> None:
    journal.outcome(
        outcome(error_class="harmony", error="unexpected tokens remaining"), DomainProgress("telecom", 1, errors=1)
    )
    assert lines(tmp_path, "fullrun.log")[0].endswith("Task failed: telecom/[mms_issue]a|b[PERSONA:None]#2: harmony")


def test_after_half_a_minute_without_a_word_there_is_a_sign_of_life(tmp_path: Path, journal: Journal) -> None:
    journal.say("begun")
    begun = time.monotonic()
    for later_s in (1, HEARTBEAT_S + 1, HEARTBEAT_S + 2, 2 * HEARTBEAT_S + 2):
        journal.heartbeat(begun + later_s)
    signs = lines(tmp_path, "fullrun.log")[1:]
    assert [sign.partition("] ")[2] for sign in signs] == [
        f"evaluation still running (pid={os.getpid()}); no output for {silent}s..." for silent in (31, 62)
    ]


def test_requests_and_answers_are_logged_at_level_debug_alone(tmp_path: Path) -> None:
    for level, wanted in (("PROFILE", 1), ("DEBUG", 3)):
        with Journal(tmp_path / level, RunLayout(), ("telecom",), level=level) as journal:
            log = UnitLog(UNIT, journal, Tally({"telecom": 1}, EvalProgress(EvalState.STARTING, 1.0, 1.0)))
            agent = Participant("any-name", "agent", "m")
            log.asked(agent, ChatRequest("m", [{"role": "user", "content": "one\ntwo"}]))
            log.answered(agent, ANSWER)
        written = lines(tmp_path / level, "tau2_telecom.log")
        assert len(written) == wanted
    assert re.match(rf"\[DEBUG\] {STAMP}\.\d{{3}} task=\S+ thread=\d+ request to orchestrator: ", written[0])
    assert '"content": "one\\ntwo"' in written[0]
