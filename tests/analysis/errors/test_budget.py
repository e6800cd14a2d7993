"""Errors counted once, by class and place, as rates, and as they stood at a time."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.analysis.errors.answers import budget_json, budget_text
from tau2tui.analysis.errors.budget import ErrorBudget, error_budget
from tau2tui.analysis.errors.fates import Fate
from tau2tui.analysis.errors.tables import DIMENSIONS, alike, by_class, by_dimension, lost_units, totals
from tau2tui.analysis.scan import find_logs, read_logs
from tau2tui.errors import NothingToRead
from tests.analysis.errors.logs import DAY, attempt, budget_of, call, failed, gave_up, marker, said
from tests.analysis.made_logs import LogMaker

RETAIL = (
    attempt("17:00:00", "retail/1#0", "harmony", "unexpected tokens 1", who="expert-1 at expert-1-0")
    + attempt("17:10:00", "retail/1#0", "harmony", "unexpected tokens 22", who="expert-1 at expert-1-1")
    + marker("retail", "1")
    + attempt("17:12:00", "retail/2#0", "timeout")
    + gave_up("17:13:00", "retail/2#0", "timeout")
    + failed("17:13:00", "retail/2#0", "timeout")
    + marker("retail", "2", "error")
)
TELECOM = (
    attempt("17:14:00", "telecom/9#1", "empty", who="user") + said("17:15:00", "x") + marker("telecom", "9", trial=1)
)
CALLS = "".join(call(f"17:0{minute}:00.500") for minute in range(8)) + call(
    "17:09:00.500", kind="expert_call", model="openai/gpt-oss-20b", rest="expert=expert-1 replica=expert-1-0"
)
LATE = call("17:14:30.500", "2") + call("17:14:31.500", "2", rest="replica=orchestrator-1")


def run(directory: Path) -> None:
    logs = {"fullrun": RETAIL + TELECOM, "eval_retail": RETAIL, "eval_telecom": TELECOM, "tau2_retail": CALLS + LATE}
    for name, text in logs.items():
        (directory / f"{name}.log").write_text(text)


def asked(directory: Path, **how: object) -> ErrorBudget:
    files = find_logs([directory])
    return error_budget(files, read_logs(files), **how)  # type: ignore[arg-type]


def test_an_error_in_two_logs_is_one_and_rates_have_both_denominators(tmp_path: Path) -> None:
    run(tmp_path)
    budget = asked(tmp_path)
    assert (budget.agent_calls, budget.tasks, budget.now) == (10, 3, datetime.fromisoformat(f"{DAY} 17:15:00"))
    table = {row["class"]: row for row in by_class(budget).to_dicts()}
    assert {name: row["errors"] for name, row in table.items()} == {"harmony": 2, "timeout": 2, "empty": 1}
    harmony, timeout = table["harmony"], table["timeout"]
    assert (harmony["per_call"], harmony["per_task"]) == (pytest.approx(0.2), pytest.approx(2 / 3))
    assert (harmony["recovered"], harmony["recent"], harmony["recent_per_call"]) == (2, 0, 0.0)
    assert (timeout["lost"], timeout["recent"], timeout["recent_per_call"]) == (2, 2, 1.0)
    assert timeout["recent_per_task"] == pytest.approx(1.0)
    whole = totals(budget).row(0, named=True)
    assert (whole["errors"], whole["recovered"], whole["lost"], whole["recent"]) == (5, 3, 2, 3)


def test_as_it_stood_at_a_time(tmp_path: Path) -> None:
    run(tmp_path)
    budget = asked(tmp_path, now=datetime.fromisoformat(f"{DAY} 17:12:30"), last_min=3.0)
    (timeout, harmony) = sorted(by_class(budget).to_dicts(), key=lambda row: row["class"], reverse=True)
    assert (timeout["open"], timeout["lost"], timeout["recent"]) == (1, 0, 1)
    assert (harmony["errors"], harmony["recent"], budget.tasks) == (2, 1, 1)


def test_of_one_domain(tmp_path: Path) -> None:
    run(tmp_path)
    budget = asked(tmp_path, domain="telecom")
    assert (budget.failures["class"].to_list(), budget.agent_calls, budget.tasks) == (["empty"], 0, 1)
    assert by_class(budget)["per_call"].to_list() == [None]


def test_by_where_it_happened_with_the_calls_of_each(tmp_path: Path) -> None:
    run(tmp_path)
    budget = asked(tmp_path)

    def rows(dimension: str) -> list[tuple[object, ...]]:
        table = by_dimension(budget, dimension)
        return list(table.select(DIMENSIONS[dimension], "errors", "lost", "recent", "calls").iter_rows())

    assert rows("domain") == [("retail", 4, 2, 2, 10), ("telecom", 1, 0, 1, None)]
    assert rows("model") == [
        ("/ckpt/orchestrator", 2, 2, 2, 10),
        ("openai/gpt-oss-20b", 2, 0, 0, 1),
        ("unknown", 1, 0, 1, None),
    ]
    assert rows("replica") == [
        ("orchestrator-0", 2, 2, 2, 9),
        ("expert-1-0", 1, 0, 0, 1),
        ("expert-1-1", 1, 0, 0, None),
        ("unknown", 1, 0, 1, None),
    ]
    assert rows("task") == [("1", 2, 0, 0, 8), ("2", 2, 2, 2, 2), ("9", 1, 0, 1, None)]
    assert by_dimension(budget, "domain")["classes"].to_list()[1] == [{"class": "empty", "count": 1}]


def test_what_differs_in_numbers_only_is_alike(tmp_path: Path) -> None:
    run(tmp_path)
    first = alike(asked(tmp_path).failures).row(0, named=True)
    assert (first["class"], first["count"], first["text"]) == ("harmony", 2, "unexpected tokens 1")
    assert (str(first["first"]), str(first["last"])) == (f"{DAY} 17:00:00", f"{DAY} 17:10:00")
    assert (first["file"], first["line"]) == ("eval_retail.log", 1)


def test_lost_units_are_named_with_what_ended_them(tmp_path: Path) -> None:
    run(tmp_path)
    (lost,) = lost_units(asked(tmp_path)).to_dicts()
    assert (lost["domain"], lost["task_id"], lost["trial"], lost["class"]) == ("retail", "2", 0, "timeout")


def test_a_unit_that_ended_in_error_without_a_word_is_lost_for_an_unknown_reason(tmp_path: Path) -> None:
    (lost,) = lost_units(budget_of(tmp_path, fullrun=marker("retail", "3", "error"))).to_dicts()
    assert (lost["task_id"], lost["class"], lost["text"]) == ("3", "unknown", "")
    run_again = marker("retail", "3", "error") + marker("retail", "3")
    assert lost_units(budget_of(tmp_path, fullrun=run_again)).is_empty()


def test_an_error_of_no_named_trial_explains_the_units_of_its_task(tmp_path: Path) -> None:
    error = f"[ERROR] {DAY} 17:32:15.500 task=3 thread=1 openai.APIConnectionError: Connection error.\n"
    full = said("17:33:00", "x") + marker("retail", "3", "error", 1)
    (lost,) = lost_units(budget_of(tmp_path, tau2_retail=error, fullrun=full)).to_dicts()
    assert (lost["trial"], lost["class"]) == (1, "connection")


def test_tool_calls_that_returned_an_error_are_a_class(tmp_path: Path) -> None:
    line = call(
        "17:00:00.100", kind="tool_call", model="x", rest="function=get_order call_type=local_function error=True"
    )
    budget = budget_of(tmp_path, tau2_retail=line.replace("model=x ", "") + call("17:00:05.000"))
    (one,) = budget.failures.to_dicts()
    assert (one["class"], one["fate"], one["text"], one["task_id"]) == (
        "tool",
        "recovered",
        "get_order returned an error",
        "1",
    )


def test_the_same_traceback_in_two_logs_is_one_and_in_one_log_twice_is_two(tmp_path: Path) -> None:
    traceback = 'Traceback (most recent call last):\n  File "a.py", line 7, in step\nKeyError: 1\n'
    dressed = "".join(f"[{DAY} 17:00:00] [tau2/cli.py STDERR] {line}\n" for line in traceback.splitlines() * 2)
    budget = budget_of(tmp_path, eval_retail=traceback * 2 + marker("retail", "1"), fullrun=dressed)
    assert budget.failures["exception"].to_list() == ["KeyError", "KeyError"]
    assert alike(budget.failures)["count"].to_list() == [2]


def test_servers_have_a_count_of_their_own(tmp_path: Path) -> None:
    server = {"expert-3-0.1": "torch.OutOfMemoryError: CUDA out of memory\n" * 2}
    budget = budget_of(tmp_path, fullrun=RETAIL, **server)
    assert set(budget.servers.select("class", "replica").iter_rows()) == {("memory", "expert-3-0")}
    assert "memory" not in budget.failures["class"]


def test_made_logs_with_copies_are_counted_as_they_were_made(tmp_path: Path) -> None:
    maker = LogMaker(11)
    files = maker.write(tmp_path, 1500)
    classes = asked(tmp_path).failures["class"].value_counts()
    assert dict(classes.iter_rows())["harmony"] == maker.truth.errors["harmony"]
    assert len(asked(tmp_path).files) == len(files)


def test_nothing_and_garbage_have_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(b"\x00\xff\n\xfe[ERROR]\n\n\x1b[")
    budget = asked(tmp_path)
    assert (budget.failures.height, budget.tasks, budget.now) == (0, 0, None)
    assert totals(budget).row(0, named=True)["errors"] == 0
    assert all(by_dimension(budget, name).is_empty() for name in DIMENSIONS)
    assert by_class(budget).is_empty()
    assert lost_units(budget).is_empty()
    assert alike(budget.failures).is_empty()


LINES = [
    attempt("17:00:00", "retail/1#0", "harmony").encode(),
    gave_up("17:00:01", "retail/1#0", "budget").encode(),
    failed("17:00:01", "retail/1#0", "budget").encode(),
    marker("retail", "1", "error").encode(),
    marker("retail", "1").encode(),
    b"Traceback (most recent call last):\n",
    b'  File "a.py", line 1, in f\n',
    b"KeyError: 1\n",
    b"Retrying in 5 seconds\n",
    b"[ERROR] 2025-12-30 17:00:00.500 task=1 thread=1 x\n",
    b"[ERROR] 2025-02-31 99:00:00.500 task= thread=1 x\n",
    b"During handling of the above exception, another exception occurred:\n",
    b"[2025-12-30 17:00:09] Global evaluation complete: \n",
]


@given(pieces=st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(LINES)), max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_bytes_are_survived_and_fates_add_up(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    directory = tmp_path_factory.getbasetemp() / "any"
    directory.mkdir(exist_ok=True)
    (directory / "fullrun.log").write_bytes(b"".join(pieces))
    budget = asked(directory)
    whole = totals(budget).row(0, named=True)
    assert whole["errors"] == sum(whole[fate] for fate in Fate) == budget.failures.height
    assert whole["errors"] == sum(by_class(budget)["errors"]) == sum(alike(budget.failures)["count"])
    for name in DIMENSIONS:
        assert sum(by_dimension(budget, name)["errors"]) == whole["errors"]
    assert json.dumps(budget_json(budget))
    assert all(line.isprintable() and len(line) <= 80 for line in budget_text(budget).split("\n"))


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    run(tmp_path)
    logs = read_logs(find_logs([tmp_path]))
    with pytest.raises(NothingToRead, match="gone"):
        error_budget([tmp_path / "gone.log"], logs)
