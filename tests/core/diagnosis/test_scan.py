"""How a log is read: wrappers and roots, stops, levels, counts, bounds, garbage, figures and places."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.config import DiagnosisConfig, LogKind
from tau2tui.core.diagnosis import Action, Finding, LogScan, Place, diagnose, table
from tau2tui.core.diagnosis.anchors import choose_anchors, lines_with
from tau2tui.core.diagnosis.figures import figures
from tau2tui.core.diagnosis.lines import HEAD_BYTES, bounded, read_line
from tau2tui.errors import ConfigError

PLACE = Place("logs/expert-1-0.2.log", "expert-1-0", "oss_eval_node2", "gpu07")
START_FAILED = (
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)
DEAD = (
    "(APIServer pid=1) ERROR 12-24 05:11:00 [async_llm.py:525] vllm.v1.engine.exceptions.EngineDeadError: "
    "EngineCore encountered an issue. See stack trace (above) for the root cause."
)
TAKEN = (
    "ValueError: Free memory on device ({free}/79.11 GiB) on startup is less than desired GPU memory utilization "
    "(0.95, 75.15 GiB)."
)


def only(*lines: str, kind: LogKind | None = "server", place: Place = PLACE, **config: Any) -> Finding:
    known = table(DiagnosisConfig.model_validate(config)) if config else None
    (finding,) = diagnose(lines, place, kind, known)
    return finding


def engine(text: str, role: str = "EngineCore_DP0") -> str:
    return f"({role} pid=2) ERROR 12-24 05:10:59 [core.py:843] {text}"


# wrappers and roots


def test_a_wrapper_leads_up_to_the_first_exception_of_the_engine() -> None:
    finding = only(
        "(APIServer pid=1) ValueError: something that was caught an hour ago",
        *['(APIServer pid=1) INFO:     1.2.3.4:5 - "GET /health HTTP/1.1" 200 OK'] * 500,
        engine("Traceback (most recent call last):", "Worker_TP1"),
        engine("KeyError: 'layers.0.mlp'", "Worker_TP1"),
        engine("RuntimeError: Worker failed with error 'layers.0.mlp', please check the stack trace above"),
        "(APIServer pid=1) ValueError: Engine is not there",
        START_FAILED,
    )
    assert (finding.id, finding.line, finding.text) == ("engine-start-failed", 503, "KeyError: 'layers.0.mlp'")
    assert finding.wrapper and "KeyError: 'layers.0.mlp'" in finding.cause


def test_a_wrapper_below_a_known_cause_is_not_named() -> None:
    assert only(engine(TAKEN.format(free="70.00")), START_FAILED, DEAD).id == "gpu-memory-taken"


def test_a_failed_request_does_not_explain_why_the_engine_died() -> None:
    context = (
        "ERROR 12-24 05:00:00 [x.py:1] ValueError: This model's maximum context length is 4096 tokens. "
        "However, your request has 5000 input tokens."
    )
    findings = diagnose([context, *["INFO:     x"] * 900, engine("RuntimeError: boom"), DEAD], PLACE, "server")
    assert [(each.id, each.text) for each in findings] == [
        ("context-length-exceeded", findings[0].text),
        ("engine-died", "RuntimeError: boom"),
    ]


def test_several_wrappers_are_one_finding() -> None:
    died = (
        "(APIServer pid=1) ERROR 12-24 05:11:00 [x.py:601] Engine core proc EngineCore_DP0 died unexpectedly, "
        "shutting down client."
    )
    assert only(died, DEAD, DEAD).id == "engine-process-ended"


def test_repeats_are_counted_and_the_first_line_is_the_evidence() -> None:
    harmony = "ERROR 12-24 05:00:00 [x.py:1] HarmonyError: unexpected tokens remaining in message header"
    finding = only("INFO:     x", harmony, "INFO:     x", harmony, harmony)
    assert (finding.count, finding.line) == (3, 2)


def test_what_ends_the_server_comes_before_what_it_survived() -> None:
    harmony = "ERROR 12-24 05:00:00 [x.py:1] HarmonyError: unexpected tokens remaining in message header"
    findings = diagnose(
        [harmony, engine("torch.AcceleratorError: CUDA error: an illegal memory access was encountered")], PLACE
    )
    assert [each.id for each in findings] == ["gpu-illegal-access", "harmony-malformed"]


def test_an_allocation_that_failed_in_a_graph_is_no_poisoned_cache() -> None:
    frame = '  File "/home/u/.cache/vllm/torch_aot_compile/9e1c/inner.py", line 12, in aot_compiled_fn'
    assert (
        only(engine(frame), engine("torch.OutOfMemoryError: CUDA out of memory"), START_FAILED).id
        == "cuda-out-of-memory"
    )


# stops


def test_a_server_that_was_told_to_stop_has_not_failed_and_one_beside_it_has() -> None:
    stop = "(APIServer pid={}) INFO 12-24 05:10:00 [launcher.py:254] [shutdown] API server: shutdown triggered"
    assert diagnose([stop.format(1), DEAD], PLACE, "server") == ()
    assert only(stop.format(9), DEAD, kind="job").id == "engine-died"


def test_an_engine_that_was_stopped_before_its_api_server_has_not_died() -> None:
    stop = (
        "(EngineCore pid=2) INFO 12-24 05:10:00 [core.py:1454] [shutdown] EngineCore: trigger received signal=SIGTERM"
    )
    assert diagnose([stop, DEAD], PLACE, "server") == ()
    assert only(stop, DEAD, kind="job").id == "engine-died", "in the output of a job it may be another server's"


def test_a_server_that_starts_again_in_the_same_log_is_no_longer_stopping() -> None:
    stop = "(APIServer pid=1) INFO 12-24 05:10:00 [launcher.py:254] [shutdown] API server: shutdown triggered"
    start = "(APIServer pid=1) INFO 12-24 05:20:00 [utils.py:253] non-default args: {'gpu_memory_utilization': 0.9}"
    assert only(stop, start, DEAD).id == "engine-died"


# levels


@pytest.mark.parametrize(
    "prefix",
    ["INFO 12-24 05:00:00 [logger.py:40] ", "(APIServer pid=4) DEBUG 12-24 05:00:00 [x.py:1] ", "INFO:     ",
     "[DEBUG] 2025-12-24 04:28:25.388 task=7 thread=12 ", "2025-12-24 04:28:27.001 | INFO     | a.b:c:1 - "],
)  # fmt: skip
def test_what_was_logged_as_information_may_quote_anything(prefix: str) -> None:
    quoted = "the user wrote: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert diagnose([prefix + quoted]) == ()
    assert diagnose([prefix.replace("INFO", "ERROR").replace("DEBUG", "ERROR") + quoted])[0].id == "cuda-out-of-memory"


def test_the_warning_about_open_files_of_every_start_is_none() -> None:
    warning = (
        "WARNING 12-24 05:00:00 [system_utils.py:255] Found ulimit of 20000 and failed to automatically increase with "
        "error x. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`."
    )
    assert diagnose([warning]) == ()


def test_what_is_usual_while_a_server_starts_counts_only_when_it_was_ready_and_often() -> None:
    stuck = "INFO 12-24 05:00:00 [shm_broadcast.py:501] No available shared memory broadcast block found in 60 seconds."
    assert diagnose([stuck] * 9, PLACE, "server") == ()
    assert diagnose(["INFO:     Application startup complete.", *[stuck] * 2], PLACE, "server") == ()
    assert only("INFO:     Application startup complete.", *[stuck] * 3).count == 3


# figures, places, commands


def test_the_share_that_was_free_is_proposed_and_a_gpu_that_is_held_is_cleaned() -> None:
    free = only(TAKEN.format(free="73.20"))
    assert free.action.argv == ("tau2tui", "relaunch", "expert-1-0", "--set", "gpu_memory_utilization=0.91")
    assert "73.20 of 79.11 GiB" in free.cause
    assert str(only(TAKEN.format(free="3.25")).action) == "tau2tui clean gpu07"


def test_what_a_log_does_not_say_stands_in_capitals_and_the_command_is_not_complete() -> None:
    action = only(TAKEN.format(free="3.25"), place=Place()).action
    assert action == Action(("tau2tui", "clean", "NODE"), complete=False)
    hardware = only("RuntimeError: CUDA error: uncorrectable ECC error encountered")
    assert str(hardware.action) == "tau2tui relaunch --job oss_eval_node2 --exclude gpu07" and hardware.action.complete


def test_the_settings_of_the_server_are_taken_from_its_own_log() -> None:
    arguments = (
        "(APIServer pid=1) INFO 12-24 05:00:00 [utils.py:253] non-default args: {{'gpu_memory_utilization': {}}}"
    )
    none = engine("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`")
    assert only(arguments.format(0.85), none).action.argv[-1] == "gpu_memory_utilization=0.9"
    assert only(arguments.format(0.95), none).action.argv[-1] == "args.max-num-seqs=128"


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ({"free": "73.2", "total": "79.11"}, "fitting_utilization", "0.91"),
        ({"free": "9", "total": "79.11"}, "fitting_utilization", None),
        ({"free": "NaN", "total": "79.11"}, "fitting_utilization", None),
        ({"free": "9", "total": "0"}, "fitting_utilization", None),
        ({"gpu_memory_utilization": "0.95"}, "lower_utilization", "0.88"),
        ({}, "lower_utilization", "0.88"),
        ({"tried": "9.0", "tried_unit": "GiB", "free": "1.05", "total": "79.11"}, "lower_utilization", "0.82"),
        ({"tried": "9216", "tried_unit": "MiB", "free": "1.05", "total": "79.11"}, "lower_utilization", "0.82"),
        ({"gpu_memory_utilization": "0.9"}, "raised_utilization", "0.95"),
        ({"gpu_memory_utilization": "0.95"}, "raised_utilization", None),
        ({}, "raised_utilization", None),
        ({"seqs": "1024"}, "lower_seqs", "512"),
        ({"seqs": "1"}, "lower_seqs", "1"),
        ({"heads": "40", "parallel": "3"}, "fitting_parallel", "2"),
        ({"heads": "7", "parallel": "4"}, "fitting_parallel", "1"),
        ({"heads": "40", "parallel": "1"}, "fitting_parallel", None),
    ],
)
def test_settings_follow_from_the_figures_of_the_failure(said: dict[str, str], name: str, value: str | None) -> None:
    assert figures(said).get(name) == value


def test_a_remark_with_a_figure_that_the_log_does_not_state_is_left_out() -> None:
    assert only("torch.OutOfMemoryError: CUDA out of memory").cause == (
        "Model, graphs and KV cache did not fit into the GPU"
    )
    assert "(2.00 GiB more were needed)" in only("CUDA out of memory. Tried to allocate 2.00 GiB").cause


def test_nothing_of_a_log_becomes_another_word_of_a_command_or_a_placeholder() -> None:
    evil = (
        "*** JOB 8 ON gpu07;reboot CANCELLED AT 2025-12-24T08:00:31 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"
    )
    assert only(evil, kind="job", place=Place("x", "", "job")).action.argv[-1] == "NODE"
    finding = only("KeyError: 'The model `{replica}; $(reboot)` does not exist'")
    assert "{replica}; $(reboot)" in finding.cause
    wild = Finding("x", "c", "r", "move", Action(("tau2tui", "clean", "a b;c")), "", 1, "", 1, "", "", "", ())
    assert str(wild.action) == "tau2tui clean 'a b;c'"


# bounds and garbage


def test_of_a_long_line_the_beginning_and_the_end_are_looked_at() -> None:
    fill = b"x" * 100_000
    oom = b"torch.OutOfMemoryError: CUDA out of memory"
    for line in (oom + fill, fill + oom):
        scan = LogScan(table())
        for start in range(0, len(line), 999):
            scan.feed(line[start : start + 999])
        scan.feed(b"\nsecond\n")
        assert [each.id for each in scan.finish()] == ["cuda-out-of-memory"]
        assert scan.lines == 2
    assert diagnose([fill + oom + fill]) == ()
    assert len(bounded(fill)) < 2 * HEAD_BYTES


def test_a_line_of_a_hundred_megabytes_takes_no_memory() -> None:
    scan = LogScan(table())
    stretch = b"Error " * 50_000
    for _ in range(350):
        scan.feed(stretch)
        assert len(scan._rest) < 2 * HEAD_BYTES
    assert scan.finish() == ()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.randoms())
def test_garbage_is_survived_and_cut_anywhere_it_reads_the_same(data: bytes, chance: random.Random) -> None:
    noisy = data + b"\n\x00\xff torch.OutOfMemoryError: CUDA out of memory\x00\n" + data
    whole, cut = LogScan(table()), LogScan(table())
    whole.feed(noisy)
    at = 0
    while at < len(noisy):
        size = chance.randint(1, 300)
        cut.feed(noisy[at : at + size])
        at += size
    assert whole.finish() == cut.finish()
    assert whole.lines == cut.lines


@given(st.lists(st.sampled_from([b"a", b"Error x", b"", b"no Error", b"Xid "]), max_size=30))
def test_the_anchors_find_every_line_that_holds_one_and_no_other(lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in lines)
    found = [block[start:stop] for start, stop in lines_with((b"Error", b"Xid"), block)]
    assert found == [line for line in lines if b"Error" in line or b"Xid" in line]


def test_every_text_holds_one_of_its_anchors() -> None:
    texts = {text for each in table().signatures for text in (*each.config.contains, *each.config.core)}
    anchors = choose_anchors(texts)
    assert all(any(anchor in text.encode() for anchor in anchors) for text in texts)
    assert len(anchors) < 110


def test_a_line_is_freed_of_what_stands_around_it() -> None:
    line = read_line(b"3: \x1b[0;36m(EngineCore_DP0 pid=131)\x1b[0m ERROR 07-13 03:51:02 [core.py:770] boom\x07\r\n")
    assert (line.text, line.role, line.pid, line.level) == ("boom", "EngineCore", "131", "ERROR")
    line = read_line("[2025-12-24 04:29:31] [tau2/cli.py STDERR] FileNotFoundError: x")
    assert (line.text, line.level) == ("FileNotFoundError: x", "")


# a user's own


OWN = {
    "id": "license-down", "matches": [r"license server (?P<server>\S+) did not answer"], "core": ["license server"],
    "cause": "The license server {server} is down", "remedy": "Tell them", "act": "ask",
    "action": ["tau2tui", "relaunch", "{replica}"], "source": ["us"],
}  # fmt: skip


def test_a_signature_of_ones_own_is_found_and_one_with_a_known_id_takes_its_place() -> None:
    finding = only("license server lic1 did not answer", signature=[OWN])
    assert (finding.id, finding.cause) == ("license-down", "The license server lic1 is down")
    assert str(finding.action) == "tau2tui relaunch expert-1-0"
    other = {**OWN, "id": "port-in-use", "core": []}
    assert only("license server lic1 did not answer", signature=[other]).id == "port-in-use"
    assert (
        diagnose(
            ["OSError: [Errno 98] Address already in use"],
            PLACE,
            None,
            table(DiagnosisConfig.model_validate({"signature": [other]})),
        )
        == ()
    )


def test_what_is_ignored_is_not_looked_for_and_an_unknown_id_is_refused() -> None:
    ignoring = table(DiagnosisConfig(ignore=("port-in-use",)))
    assert diagnose(["OSError: [Errno 98] Address already in use"], PLACE, None, ignoring) == ()
    with pytest.raises(ConfigError, match="no signature has the id 'prot'"):
        table(DiagnosisConfig(ignore=("prot",)))
