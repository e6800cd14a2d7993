"""Which lines are one error, of whom, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.analysis.errors.classes import Classifier
from tau2tui.analysis.errors.forms import SEARCHED
from tau2tui.analysis.errors.found import EVALUATION, SERVER, Found, LogErrors
from tau2tui.analysis.errors.lines import LineSearch
from tau2tui.analysis.errors.records import read_errors
from tests.analysis.errors.logs import DAY, TELECOM, attempt, failed, gave_up, marker, said

TRACEBACK = (
    "Traceback (most recent call last):\n  File \"/x/tau2/run.py\", line 7, in step\n    go()\nKeyError: 'order'\n"
)
HARMONY = 'openai.APIError: unexpected tokens remaining in message header: Some("commentary")'


def read(directory: Path, text: str, name: str = "fullrun.log") -> LogErrors:
    (directory / name).write_text(text)
    classifier = Classifier()
    return read_errors(directory / name, LineSearch((*classifier.patterns, *SEARCHED)), classifier)


def the_one(directory: Path, text: str, name: str = "fullrun.log") -> Found:
    (found,) = read(directory, text, name).errors
    return found


def test_a_line_of_the_driver_says_everything(tmp_path: Path) -> None:
    one = the_one(
        tmp_path, attempt("17:32:15", f"telecom/{TELECOM}#2", "server", "Error code: 500", who="expert-1 at expert-1-3")
    )
    assert (one.kind, one.text, one.said) == ("server", "Error code: 500", "retry")
    assert (one.domain, one.task_id, one.trial) == ("telecom", TELECOM, 2)
    assert (one.series, one.replica, str(one.at)) == ("expert-1", "expert-1-3", f"{DAY} 17:32:15")


def test_a_call_that_was_given_up_and_its_unit_are_one_error(tmp_path: Path) -> None:
    unit = "retail/7#0"
    one = the_one(
        tmp_path,
        gave_up("17:32:15", unit, "budget") + failed("17:32:16", unit, "budget") + marker("retail", "7", "error"),
    )
    assert (one.kind, one.said) == ("budget", "permanent")


def test_a_unit_that_failed_without_a_call_is_an_error_of_its_own(tmp_path: Path) -> None:
    one = the_one(
        tmp_path, failed("17:32:15", "retail/7#1", "deadline", "it took longer than 600 s and waited for user")
    )
    assert (one.kind, one.said, one.trial) == ("deadline", "task_failed", 1)


def test_a_neutral_text_that_stood_in_is_said(tmp_path: Path) -> None:
    text = "retail/7#0 orchestrator at a-0: empty: no text. Nothing in 4 attempts: a neutral text stands in"
    assert the_one(tmp_path, said("17:32:15", text)).said == "stood_in"


def test_the_traceback_of_a_unit_gets_its_name_from_the_line_that_tells_of_its_end(tmp_path: Path) -> None:
    text = said("17:32:14", "retail/7#0 starts") + TRACEBACK + failed("17:32:16", "retail/7#0", "KeyError", "'order'")
    one = the_one(tmp_path, text, "eval_retail.log")
    assert (one.task_id, one.trial, one.said, one.exception, one.kind) == ("7", 0, "task_failed", "KeyError", "unknown")
    assert one.place == "/x/tau2/run.py:7 in step"
    copy = the_one(tmp_path, failed("17:32:16", "retail/7#0", "KeyError", "'order'"))
    assert (copy.identity, copy.exception) == (one.identity, "KeyError")


def test_a_line_with_a_level_and_the_traceback_below_it_are_one_error(tmp_path: Path) -> None:
    line = f"[ERROR] {DAY} 17:32:15.123 task=7 thread=1 The simulation broke\n"
    one = the_one(tmp_path, line + TRACEBACK, "tau2_retail.log")
    assert (one.domain, one.task_id, one.text) == ("retail", "7", "KeyError: 'order'")
    assert str(one.at) == f"{DAY} 17:32:15.123000"
    assert len(read(tmp_path, f"{line}x\n{TRACEBACK}").errors) == 2


@pytest.mark.parametrize("prefix", ["", "[tau2/cli.py STDERR] ", f"[{DAY} 17:32:15] [tau2/cli.py STDERR] "])
def test_a_retry_without_a_class_is_said_of_the_error_before_it(tmp_path: Path, prefix: str) -> None:
    one = the_one(tmp_path, f"{prefix}{HARMONY}\n{prefix}Retrying in 5 seconds\n")
    assert (one.kind, one.said) == ("harmony", "retry")


def test_a_retry_is_said_of_an_error_of_the_same_task_and_of_no_other(tmp_path: Path) -> None:
    def line(task: int, text: str) -> str:
        return f"[WARNING] {DAY} 17:32:15.123 task={task} thread=1 {text}\n"

    log = read(tmp_path, line(1, HARMONY) + line(2, HARMONY) + line(1, "Retry 1/5 in 8s..."), "tau2_retail.log")
    assert [(one.task_id, one.said) for one in log.errors] == [("1", "retry"), ("2", "")]


def test_a_retry_of_which_nothing_else_is_said_is_an_error_of_unknown_class(tmp_path: Path) -> None:
    assert the_one(tmp_path, "Retrying in 5 seconds\n").kind == "unknown"


def test_an_error_level_is_an_error_of_any_words_and_talk_is_none(tmp_path: Path) -> None:
    lines = [f"[{level}] {DAY} 17:32:15.123 task=retail:7 thread=1 " for level in ("ERROR", "DEBUG", "INFO", "WARNING")]
    text = f"{lines[0]}so what\n" + "".join(f"{line}{HARMONY} and more\n" for line in lines[1:])
    assert [(one.kind, one.domain, one.task_id) for one in read(tmp_path, text).errors] == [
        ("unknown", "retail", "7"),
        ("harmony", "retail", "7"),
    ]


def test_the_driver_that_leaves_a_replica_out_tells_of_no_further_error(tmp_path: Path) -> None:
    assert not read(
        tmp_path, said("17:32:15", "[ROUTING] replica=a-0 state=open failures=1 for_s=1.0 class=connection")
    ).errors


def test_units_end_with_their_markers_in_whatever_form(tmp_path: Path) -> None:
    odd = 'it\'s "a" | status=ok'
    plain = marker("telecom", odd, "error", 3).strip()
    log = read(tmp_path, f"{said('17:32:15', 'x')}{plain}\n{(plain,)!r}\n[TAU2_TASK_COMPLETE] domain=re\n")
    assert [(end.domain, end.task_id, end.trial, end.status) for end in log.ends] == [("telecom", odd, 3, "error")] * 2
    assert str(log.ends[0].at) == f"{DAY} 17:32:15"


def test_a_log_is_of_the_evaluation_or_of_the_server_that_its_name_tells(tmp_path: Path) -> None:
    text = "(APIServer pid=1) ERROR 12-30 17:32:15 [serving.py:1173] Error code: 500\n"
    log = read(tmp_path, text, "expert-1-0.2.log")
    assert (log.origin, log.errors[0].replica, log.errors[0].text) == (SERVER, "expert-1-0", "Error code: 500")
    assert read(tmp_path, text, "eval_retail.log").origin == EVALUATION
    assert read(tmp_path, text + marker("retail", "1"), "run.txt").origin == EVALUATION


def test_a_traceback_of_a_server_has_its_class(tmp_path: Path) -> None:
    prefix = "(EngineCore_0 pid=9) ERROR 12-30 17:32:15 [core.py:700] "
    lines = ["EngineCore failed to start.", *TRACEBACK.splitlines()[:3]]
    lines += ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.74 GiB."]
    one = the_one(tmp_path, "".join(f"{prefix}{line}\n" for line in lines), "expert-3-0.1.log")
    assert (one.kind, one.exception) == ("memory", "torch.OutOfMemoryError")
