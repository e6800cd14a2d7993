"""Every signature finds its sample and nothing else in it; nothing is found in logs of good health."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import get_args

import click
import pytest

from tau2tui.cli import word as tau2tui_word
from tau2tui.cli import words
from tau2tui.config import LOG_KINDS, ExpertConfig, LogKind, SignatureConfig
from tau2tui.core.diagnosis import Finding, LogScan, Place, diagnose, markdown, table
from tau2tui.core.diagnosis.lines import HEAD_BYTES, TAIL_BYTES
from tau2tui.core.diagnosis.table import Signature, shipped_signatures
from tau2tui.core.plan.fleet import IN_PLACE

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]
SAMPLES = sorted((HERE / "samples").rglob("*.log"))
RECORDED = sorted((HERE / "recorded").iterdir())
HEALTHY = [*sorted((HERE / "healthy").iterdir()), *sorted((ROOT / "tests/vllm").glob("*.log"))]
PLACE = Place("x.log", "expert-1-0", "oss_eval_node2", "gpu07")


def found(path: Path, kind: LogKind | None, stretch: int = 1 << 16) -> tuple[Finding, ...]:
    """What a file shows, read in stretches of so many bytes."""
    scan = LogScan(table(), PLACE, kind)
    data = path.read_bytes()
    for start in range(0, len(data), stretch):
        scan.feed(data[start : start + stretch])
    return scan.finish()


def kind_of(sample: Path) -> LogKind:
    (kind,) = (each for each in LOG_KINDS if each == sample.parent.name)
    return kind


def test_every_row_of_the_survey_has_a_signature_and_every_signature_a_sample() -> None:
    rows = [signature.row for signature in shipped_signatures() if signature.row]
    assert sorted(rows) == list(range(1, 78))
    assert sorted(sample.stem for sample in SAMPLES) == sorted(each.id for each in shipped_signatures())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_shows_exactly_its_signature_in_whatever_stretches_it_is_read(sample: Path) -> None:
    (finding,) = found(sample, kind_of(sample))
    assert finding.id == sample.stem
    assert found(sample, kind_of(sample), stretch=7) == (finding,)
    assert [each.id for each in found(sample, None)] == [sample.stem], "a log of which nobody knows who wrote it"
    lines = sample.read_bytes().decode().split("\n")
    assert finding.text.strip() and finding.text[:60].strip() in lines[finding.line - 1]
    assert not any(mark in text for mark in "{}" for text in (finding.cause, finding.remedy))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_with_colours_and_task_labels_and_windows_line_ends_shows_the_same(sample: Path) -> None:
    dressed = "".join(f"3: \x1b[1;36m{line}\x1b[0m\r\n" for line in sample.read_bytes().decode().split("\n")[:-1])
    kind = kind_of(sample)
    assert [each.id for each in diagnose(dressed.encode().split(b"\n"), PLACE, kind)] == [sample.stem]


@pytest.mark.parametrize("log", RECORDED, ids=lambda log: log.stem)
def test_what_a_real_vllm_said_when_it_failed_is_known(log: Path) -> None:
    """Recorded of vLLM 0.32.0: an engine that was killed, a cache too small, a wrong flag, parser, port and path."""
    assert [finding.id for finding in found(log, "server")] == [log.stem]


@pytest.mark.parametrize("log", HEALTHY, ids=lambda log: log.name)
def test_nothing_is_found_in_a_log_of_good_health(log: Path) -> None:
    assert found(log, None) == ()
    for kind in LOG_KINDS:
        assert found(log, kind) == ()


def test_the_healthy_logs_hold_words_that_would_frighten() -> None:
    texts = "\n".join(log.read_text() for log in HEALTHY)
    for scary in (
        "EngineDeadError",
        "CUDA out of memory. Tried to allocate",
        "Too many open files",
        "CANCELLED AT",
        "ConnectError",
    ):
        assert scary in texts


def actions(signature: SignatureConfig) -> list[tuple[str, ...]]:
    """The commands that a signature may offer."""
    return [each for each in (signature.action, signature.otherwise) if isinstance(each, tuple) and each]


@pytest.mark.parametrize("signature", shipped_signatures(), ids=lambda signature: signature.id)
def test_what_is_offered_is_a_word_of_ours_with_options_and_settings_that_it_has(signature: SignatureConfig) -> None:
    assert actions(signature) or signature.action == "wait" or signature.act == "ask"
    for argv in actions(signature):
        assert argv[0] == "tau2tui"
        filled = [word.replace("{unit}", "retail/7#0").replace("{node}", "gpu07") for word in argv[2:]]
        command = tau2tui_word(argv[1])
        context = command.make_context(argv[1], filled, parent=click.Context(words, obj=None))
        for setting in context.params.get("settings", ()):
            key = str(setting).partition("=")[0]
            assert key.partition(".")[0] in IN_PLACE & set(ExpertConfig.model_fields), "only that can change in a job"
            assert ("." in key) == key.startswith("args."), key


def test_signatures_say_everything_in_one_tongue() -> None:
    for signature in shipped_signatures():
        assert not signature.cause.endswith(".") and not signature.remedy.endswith(".")
        assert signature.core or not signature.matches, f"{signature.id}: a pattern without core makes every scan slow"
        assert set(signature.applies) <= set(get_args(LogKind))


def test_the_page_is_current() -> None:
    page = ROOT / "docs/diagnosis.md"
    assert page.read_text() == markdown() + "\n", "write it anew: tau2tui diagnose --signatures > docs/diagnosis.md"


def test_the_samples_are_found_in_gzip_as_they_are(tmp_path: Path) -> None:
    sample = HERE / "samples/server/gpu-memory-taken.log"
    packed = gzip.compress(sample.read_bytes())
    assert diagnose(gzip.decompress(packed).split(b"\n"))[0].id == sample.stem


@pytest.mark.parametrize("signature", table().signatures, ids=lambda signature: signature.config.id)
def test_no_pattern_gets_lost_in_a_long_line_that_is_made_of_its_own_pieces(signature: Signature) -> None:
    """Patterns whose time explodes would make this test hang."""
    for core in signature.config.core:
        behind = (core + "1" * 5000, core + " " * 5000 + "x", core + "/a.b-" * 900)
        for line in (core * 400, "a" * 5000 + core, f"{core} " * 400, *behind):
            for pattern in signature.patterns:
                pattern.search(line[: HEAD_BYTES + TAIL_BYTES])
