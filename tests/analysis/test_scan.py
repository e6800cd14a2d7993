from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tau2tui.analysis import stretches
from tau2tui.analysis.scan import DRIVER, ERRORS, EVENTS, TASKS, Logs, find_logs, read_logs
from tau2tui.defaults import ERROR_PATTERNS
from tau2tui.errors import NothingToRead
from tests.analysis.made_logs import LogMaker

OLD_LLM_CALL = (
    "[PROFILE] 2025-12-24 04:28:25.388 task=impossible_task_1 thread=124685400381120 type=llm_call step=1 "
    "model=/ckpt/nvidia/Nemotron-Orchestrator-8B call_type=vllm duration_ms=2107.20 "
    "toolorchestra_vllm_infer_ms=2101.88 toolorchestra_vllm_prefill_ms=102.07 toolorchestra_vllm_decode_ms=1999.81 "
    "toolorchestra_vllm_prefill_len=857 toolorchestra_vllm_decode_len=140 has_tool_calls=False"
)
EXPERT_CALL = (
    "[PROFILE] 2025-12-23 10:15:32.789 task=retail_001 thread=12345 type=expert_call model=openai/gpt-oss-20b "
    "call_type=vllm duration_ms=2345.67"
)
TOOL_CALL = (
    "[PROFILE] 2025-12-23 10:15:33.012 task=retail_001 thread=12345 type=tool_call function=get_order_details "
    "call_type=local_function step=5 duration_ms=12.34"
)
STEP = (
    "[PROFILE] 2025-12-23 10:15:33.015 task=retail_001 thread=12345 type=step_complete step=5 "
    "total_duration_ms=3591.00 from_role=agent to_role=env"
)
USER_SIM = (
    "[USER_JUDGE] 2025-12-23 10:15:34.100 task=retail_001 thread=12345 type=user_sim model=gpt-5 call_type=openai "
    "duration_ms=890.12"
)
TELECOM_TASK = "[mms_issue]airplane_mode_on|bad_network_preference[PERSONA:None]"


def read(
    directory: Path,
    text: str | bytes,
    name: str = "some.log",
    error_patterns: Mapping[str, str] = ERROR_PATTERNS,
) -> Logs:
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_logs([path], error_patterns)


@pytest.mark.parametrize("seed", range(3))
def test_made_logs_are_read_as_they_were_made(tmp_path: Path, seed: int) -> None:
    maker = LogMaker(seed)
    logs = read_logs(maker.write(tmp_path, 1500))
    truth = maker.truth
    assert_frame_equal(logs.events, truth.event_frame(), check_row_order=False)
    tasks = logs.tasks.select("domain", "trial", "task_id", "status").rows()
    assert sorted(tasks) == sorted(truth.tasks)
    assert logs.driver.select("done", "total", "elapsed_s", "eta_s").rows() == truth.etas
    assert dict(logs.errors["name"].value_counts().iter_rows()) == truth.errors
    assert logs.skipped.profile_lines == truth.skipped_profile_lines
    assert logs.skipped.markers == truth.skipped_markers
    assert logs.skipped.unfinished == 0


def test_small_stretches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = LogMaker(7)
    files = maker.write(tmp_path, 400)
    whole = read_logs(files)
    monkeypatch.setattr(stretches, "STRETCH", 2000)
    pieces = read_logs(files)
    assert_frame_equal(pieces.events, whole.events)
    assert pieces.skipped.profile_lines == whole.skipped.profile_lines
    assert_frame_equal(pieces.errors, whole.errors)


def test_frames_have_their_declared_schema_also_without_rows(tmp_path: Path) -> None:
    for logs in (read(tmp_path, ""), read(tmp_path, f"{OLD_LLM_CALL}\n")):
        assert logs.events.schema == EVENTS
        assert logs.tasks.schema == TASKS
        assert logs.driver.schema == DRIVER
        assert logs.errors.schema == ERRORS


def test_the_samples_of_the_formats_are_read_to_the_last_value(tmp_path: Path) -> None:
    lines = [OLD_LLM_CALL, EXPERT_CALL, TOOL_CALL, STEP, USER_SIM]
    events = read(tmp_path, "\n".join([*lines, ""])).events
    known = [{key: value for key, value in row.items() if value is not None} for row in events.to_dicts()]
    assert [row.pop("at").isoformat(timespec="milliseconds") for row in known] == [
        "2025-12-24T04:28:25.388",
        "2025-12-23T10:15:32.789",
        "2025-12-23T10:15:33.012",
        "2025-12-23T10:15:33.015",
        "2025-12-23T10:15:34.100",
    ]
    of_task = {"domain": "", "task_id": "retail_001", "thread": 12345, "level": "PROFILE", "error": False}
    assert known == [
        {
            **{**of_task, "task_id": "impossible_task_1", "thread": 124685400381120},
            **{"type": "llm_call", "step": 1, "model": "/ckpt/nvidia/Nemotron-Orchestrator-8B", "call_type": "vllm"},
            **{"duration_ms": 2107.20, "prefill_ms": 102.07, "decode_ms": 1999.81},
            **{"input_tokens": 857, "output_tokens": 140, "has_tool_calls": False},
        },
        {**of_task, "type": "expert_call", "model": "openai/gpt-oss-20b", "call_type": "vllm", "duration_ms": 2345.67},
        {
            **{**of_task, "type": "tool_call", "function": "get_order_details", "call_type": "local_function"},
            **{"step": 5, "duration_ms": 12.34},
        },
        {**of_task, "type": "step_complete", "step": 5, "duration_ms": 3591.0, "from_role": "agent", "to_role": "env"},
        {
            **{**of_task, "level": "USER_JUDGE", "type": "user_sim", "model": "gpt-5", "call_type": "openai"},
            "duration_ms": 890.12,
        },
    ]


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("tau2_telecom.log", TELECOM_TASK, ("telecom", TELECOM_TASK)),
        ("tau2_telecom.log.2", "7", ("telecom", "7")),
        ("eval_airline.log", "7", ("airline", "7")),
        ("tau2_global.log", f"telecom:{TELECOM_TASK}", ("telecom", TELECOM_TASK)),
        ("tau2_global.log", "retail:17", ("retail", "17")),
        ("tau2_retail.log", "retail:17", ("retail", "17")),
        ("fullrun.log", TELECOM_TASK, ("", TELECOM_TASK)),
        ("my_retail_copy.log", "17", ("", "17")),
        ("tau2_retail.txt", "create task: a = b", ("", "create task: a = b")),
    ],
)
def test_the_domain_comes_from_the_task_or_from_the_exact_name(
    tmp_path: Path, name: str, task: str, expected: tuple[str, str]
) -> None:
    events = read(tmp_path, USER_SIM.replace("retail_001", task) + "\n", name).events
    assert events.select("domain", "task_id").rows() == [expected]


def test_a_key_counts_only_as_a_whole(tmp_path: Path) -> None:
    line = STEP.replace("total_duration_ms=3591.00", "xduration_ms=7.00 total_duration_ms=3591.00 xstep=9")
    event = read(tmp_path, line + "\n").events.row(0, named=True)
    assert (event["duration_ms"], event["step"]) == (3591.0, 5)


def test_an_unreadable_time_leaves_the_rest_of_the_event(tmp_path: Path) -> None:
    events = read(tmp_path, USER_SIM.replace("2025-12-23 10:15:34.100", "2025-13-41 10:15") + "\n").events
    assert events.select("at", "duration_ms").rows() == [(None, 890.12)]


@pytest.mark.parametrize(
    "line",
    [
        "[PROFILE] half of a li",
        EXPERT_CALL.replace("duration_ms=2345.67", ""),
        EXPERT_CALL.replace("2345.67", "fast"),
        EXPERT_CALL.replace("2345.67", "nan"),
        EXPERT_CALL.replace("2345.67", "-1.00"),
        EXPERT_CALL.replace("2345.67", "2345.67\x00"),
        EXPERT_CALL.replace("expert_call", "expert_talk"),
        f"{EXPERT_CALL}[INFO] 2025-12-23 10:15:35.000 task=1 thread=1 hello",
    ],
)
def test_a_profile_line_that_cannot_be_read_is_counted_and_shown(tmp_path: Path, line: str) -> None:
    logs = read(tmp_path, f"{USER_SIM}\n{line}\n{TOOL_CALL}\n")
    assert logs.events.height == 2
    assert (logs.skipped.profile_lines, logs.skipped.total) == (1, 1)
    assert logs.skipped.examples[0].startswith(line[:20])
    assert len(logs.skipped.examples[0]) <= 160


def test_the_record_behind_torn_ones_is_read(tmp_path: Path) -> None:
    logs = read(tmp_path, f"{EXPERT_CALL[:90]}[tau2/cli.py STDERR] {TOOL_CALL[:30]}{USER_SIM}\n{STEP}\n")
    assert logs.events["type"].to_list() == ["user_sim", "step_complete"]
    assert logs.skipped.profile_lines == 2


def test_an_unfinished_last_line_is_not_taken_for_a_record(tmp_path: Path) -> None:
    torn = read(tmp_path, f"{USER_SIM}\n{EXPERT_CALL[:-3]}")
    assert torn.events["type"].to_list() == ["user_sim"]
    assert torn.skipped.unfinished == 1
    harmless = read(tmp_path, f"{USER_SIM}\nhello")
    assert harmless.skipped.total == 0


def test_a_line_longer_than_a_stretch_is_cut_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "STRETCH", 4096)
    logs = read(tmp_path, b"\x00" * 20_000 + b"\n" + USER_SIM.encode() + b"\n")
    assert logs.events.height == 1


def test_a_copy_in_another_file_is_one_event_and_a_repetition_in_a_file_is_two(tmp_path: Path) -> None:
    (tmp_path / "tau2_retail.log").write_text(f"{USER_SIM}\n{USER_SIM}\n{TOOL_CALL}\n")
    (tmp_path / "fullrun.log").write_text(
        f"[tau2/cli.py STDERR] \x1b[36m{USER_SIM}\x1b[0m\r\n{TOOL_CALL}\n{TOOL_CALL}\n{TOOL_CALL}\n{STEP}\n"
    )
    logs = read_logs(find_logs([tmp_path]))
    counts = dict(logs.events["type"].value_counts().iter_rows())
    assert counts == {"user_sim": 2, "tool_call": 3, "step_complete": 1}
    assert set(logs.events.filter(pl.col("type") == "user_sim")["domain"]) == {"retail"}


def test_the_same_words_without_a_time_in_two_domains_are_two_errors(tmp_path: Path) -> None:
    again = "Retrying in 5 seconds\n"
    (tmp_path / "tau2_retail.log").write_text(again * 3)
    (tmp_path / "eval_retail.log").write_text(again * 3)
    (tmp_path / "tau2_telecom.log").write_text(again * 2)
    assert read_logs(find_logs([tmp_path])).errors.height == 5
    (tmp_path / "fullrun.log").write_text(f"[2025-12-30 17:32:15] [tau2/cli.py STDOUT] {again}" * 6)
    assert read_logs(find_logs([tmp_path])).errors.height == 6


def test_a_line_may_match_several_patterns_and_those_may_look_around(tmp_path: Path) -> None:
    patterns = {"any": "failed", "call": r"(?<=LLM call )failed", "never": "xyz"}
    logs = read(tmp_path, "x LLM call failed permanently\nTask failed\n", "fullrun.log", error_patterns=patterns)
    assert logs.errors["name"].to_list() == ["any", "call", "any"]
    assert logs.error_names == ("any", "call", "never")


def test_an_error_line_says_when_and_in_which_task(tmp_path: Path) -> None:
    line = f"[ERROR] 2025-12-30 17:33:01.500 task={TELECOM_TASK} thread=-1 LLM call failed permanently: x\n"
    row = read(tmp_path, line, "tau2_telecom.log").errors.row(0, named=True)
    assert row.pop("at").isoformat() == "2025-12-30T17:33:01.500000"
    assert row == {
        **{"name": "permanent", "level": "ERROR", "domain": "telecom", "task_id": TELECOM_TASK},
        "text": "LLM call failed permanently: x",
    }


def test_a_server_that_prints_the_same_error_is_not_counted_again(tmp_path: Path) -> None:
    text = "unexpected tokens remaining in message header\n"
    (tmp_path / "eval_retail.log").write_text(text)
    (tmp_path / "expert-1-0.1.log").write_text(text * 5)
    assert read_logs(find_logs([tmp_path])).errors.height == 1


@pytest.mark.parametrize("task_id", [TELECOM_TASK, "it's \"a\" \\ | status=ok (b',)", "x status=error y", "17"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_marker_is_read_whatever_its_task_is_called(tmp_path: Path, task_id: str, wrapped: bool) -> None:
    marker = f"[TAU2_TASK_COMPLETE] domain=telecom trial=2 task_id={task_id} status=error "
    marker += "completed_global=3 total_global=278"
    line = repr((f"{marker} ",)) if wrapped else marker
    logs = read(tmp_path, f"[2025-12-30 17:33:01] [tau2/cli.py STDOUT] \x1b[36m{line}\x1b[0m\r\n")
    row = logs.tasks.row(0, named=True)
    assert row.pop("at").isoformat() == "2025-12-30T17:33:01"
    assert row == {
        **{"domain": "telecom", "trial": 2, "task_id": task_id, "status": "error"},
        **{"scope": "global", "completed": 3, "total": 278},
    }


def test_a_marker_in_two_files_is_one_task_whatever_it_is_wrapped_in(tmp_path: Path) -> None:
    marker = "[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=114"
    (tmp_path / "fullrun.log").write_text(f"[2025-12-30 17:33:01] {(marker + ' ',)}\n")
    (tmp_path / "eval_retail.log").write_text(f"{marker}\n")
    assert read_logs(find_logs([tmp_path])).tasks.height == 1


def test_torn_markers_are_counted(tmp_path: Path) -> None:
    marker = "[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=114"
    logs = read(tmp_path, f"{marker[:40]}{marker}\n{marker[:80]}\n{marker[:60]}{USER_SIM}\n[OVERALL_ETA] done=3\n")
    assert logs.tasks.height == 1
    assert logs.events.height == 1
    assert logs.skipped.markers == 4


def test_what_the_driver_says(tmp_path: Path) -> None:
    logs = read(
        tmp_path,
        "[2025-12-30 18:00:00] \x1b[31m[OVERALL_ETA] done=12/278 elapsed=65:20 eta=24:03:05\x1b[0m\n"
        "[OVERALL_ETA] done=0/278 elapsed=00:00 eta=--:--\n"
        "[2025-12-30 18:00:30] retail still running (pid=42); no output for 30s...\n"
        "FINISHED SIMULATION: Domain: retail, Task: 5\n"
        "Global evaluation complete: ok=270 error=8 total=278 elapsed_s=5700.5 tasks_per_min=2.93\n"
        "Global evaluation of nothing\n",
    )
    rows = [{key: value for key, value in row.items() if value is not None} for row in logs.driver.to_dicts()]
    assert rows[0].pop("at").isoformat() == "2025-12-30T18:00:00"
    assert rows[2].pop("at").isoformat() == "2025-12-30T18:00:30"
    assert rows == [
        {"kind": "overall_eta", "done": 12, "total": 278, "elapsed_s": 3920.0, "eta_s": 86585.0},
        {"kind": "overall_eta", "done": 0, "total": 278, "elapsed_s": 0.0},
        {"kind": "still_running", "pid": 42, "silent_s": 30.0},
        {"kind": "finished_simulation"},
        {
            **{"kind": "evaluation_end", "state": "complete", "ok": 270, "errors": 8, "total": 278},
            **{"elapsed_s": 5700.5, "tasks_per_min": 2.93},
        },
    ]
    assert logs.skipped.total == 0


def test_a_log_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToRead, match=r"gone\.log: No such file"):
        read_logs([tmp_path / "gone.log"])


PARTS = st.sampled_from(
    [
        *(part.encode() for part in (OLD_LLM_CALL, TOOL_CALL, STEP, USER_SIM)),
        *(b"[PROFILE] ", b"[USER_JUDGE] ", b"task=", b" thread=", b" type=", b"duration_ms=", b"llm_call", b" step=1"),
        *(b"[TAU2_TASK_COMPLETE] ", b"domain=a trial=1 task_id=", b" status=ok", b"[OVERALL_ETA] done=", b"1/2"),
        *(b"('", b" ',)", b"\\", b"'", b'"', b"\x1b[36m", b"\x1b[", b"\x1e", b"\r", b"\x00", b"\n", b"\n\n"),
        *(b"still running (pid=", b"Global evaluation complete: ok=", b"Task failed", b"9" * 25, b"=", b" ", b"\xff"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(PARTS | st.binary(max_size=12), max_size=8).map(b"".join), max_size=6))
def test_garbage_never_raises_and_never_costs_a_good_line(tmp_path: Path, garbage: list[bytes]) -> None:
    good = f"\n{EXPERT_CALL}\n".encode()
    logs = read(tmp_path, good + good.join(garbage) + good)
    experts = logs.events.filter((pl.col("type") == "expert_call") & (pl.col("duration_ms") == 2345.67))
    assert experts.height == 2 + max(len(garbage) - 1, 0)
    marks = sum(line.count(b"[PROFILE] ") + line.count(b"[USER_JUDGE] ") for line in garbage)
    assert logs.events.height - experts.height + logs.skipped.profile_lines <= marks


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "round.log"
    path.symlink_to(path)  # a loop: no user can open it, not even root
    with pytest.raises(NothingToRead, match=r"round\.log: Too many levels of symbolic links"):
        read_logs([path])
