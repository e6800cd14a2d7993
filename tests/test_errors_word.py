"""The word `errors`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tau2tui.analysis.errors.counters import COUNTED
from tau2tui.cli import words
from tests.analysis.errors.logs import DAY, TELECOM, attempt, call, failed, gave_up, marker, said

TRACEBACK = "\n".join(
    [
        "Traceback (most recent call last):",
        *('  File "a.py", line 7, in step', "    go()") * 20,
        "KeyError: 'order'",
        "",
    ]
)
UNIT = f"telecom/{TELECOM}#0"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    full = (
        attempt(
            "17:00:00", "retail/1#0", "harmony", 'unexpected tokens remaining in message header: Some("[red]x[/red]")'
        )
        + marker("retail", "1")
        + gave_up("17:10:00", UNIT, "budget", "You exceeded your current quota. " * 9)
        + failed("17:10:00", UNIT, "budget")
        + marker("telecom", TELECOM, "error")
    )
    (tmp_path / "fullrun.log").write_text(full)
    (tmp_path / "eval_telecom.log").write_text(said("17:09:00", "x") + TRACEBACK)
    (tmp_path / "tau2_retail.log").write_text(call("17:00:05.250") * 4)
    (tmp_path / "expert-1-0.1.log").write_text("torch.OutOfMemoryError: CUDA out of memory\n")
    return tmp_path


def said_to(*arguments: object, config: Path | None = None) -> str:
    named = ["-c", str(config)] if config else []
    result = CliRunner().invoke(words, [*named, "errors", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_tables_are_readable_at_80_columns(logs: Path) -> None:
    text = said_to(logs)
    assert max(map(len, text.splitlines())) <= 80
    for words_of in (
        "as of 2025-12-30 17:10:00: 4 agent calls, 2 finished tasks",
        "lost: 1 unit",
        "by replica",
        'Some("[red]x[/red]")',
        "KeyError: 'order'",
        "a.py:7 in step",
        "Retrying in 5 seconds",
        "torch.OutOfMemoryError",
    ):
        assert words_of in text
    assert text.count('File "a.py"') == 5
    assert said_to(logs, "--examples", 0).count('File "a.py"') == 0


def test_programs_get_the_same_keys_whatever_there_is(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    garbage = tmp_path_factory.mktemp("garbage") / "x.log"
    garbage.write_bytes(bytes(range(256)) * 50 + b"\n\n\xff\n[TAU2_TASK_COMPLETE] domain=\n[ERROR] 2025")
    whole, empty = (json.loads(said_to(path, "--json")) for path in (logs, garbage))
    assert set(whole) == set(empty)
    assert set(whole["by"]) == set(empty["by"]) == {"domain", "model", "replica", "task"}
    assert set(whole["counters"]) == set(empty["counters"]) == set(COUNTED)
    assert set(whole["total"]) == set(empty["total"])
    assert (empty["total"]["errors"], empty["now"]) == (0, None)
    assert {row["class"]: row["errors"] for row in whole["classes"]} == {"harmony": 1, "budget": 1, "unknown": 1}
    assert whole["counters"]["retry"]["files"][str(logs / "fullrun.log")] == 1
    assert whole["by"]["task"][0]["task"] in ("retail/1", f"telecom/{TELECOM}", "unknown")
    assert [(unit["task_id"], unit["class"]) for unit in whole["lost_units"]] == [(TELECOM, "budget")]
    assert whole["servers"][0] | {"class": "memory", "replica": "expert-1-0", "count": 1} == whole["servers"][0]


def test_what_no_line_tells_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "fullrun.log").write_text("openai.APIConnectionError: Connection error.\nRetrying in 5 seconds\n")
    text = said_to(tmp_path)
    assert "of no error a line says which domain or model or replica or task it was" in text
    assert "of the 1 without a task, 1 were tried again" in text
    assert "by domain" not in text


def test_no_errors_are_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "tau2_retail.log").write_text(call("17:00:05.250"))
    text = said_to(tmp_path)
    assert "no errors of an evaluation in 1 file" in text
    assert "Retrying in 5 seconds" in text


def test_the_last_minutes_the_time_and_the_domain_can_be_chosen(logs: Path) -> None:
    data = json.loads(said_to(logs, "--json", "--now", f"{DAY} 17:00:30", "--last-min", 1))
    assert (data["now"], data["last_min"], data["total"]["errors"]) == (f"{DAY} 17:00:30.000", 1.0, 1)
    assert data["total"]["recent"] == 1
    assert json.loads(said_to(logs, "--json", "--domain", "retail"))["total"]["errors"] == 1


def test_patterns_of_the_configuration_are_classes(logs: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        Path("config.toml").read_text().replace("[error_patterns]", "[error_patterns]\nlookup = 'KeyError'\n#")
    )
    classes = {row["class"] for row in json.loads(said_to(logs, "--json", config=config))["classes"]}
    assert classes == {"harmony", "budget", "lookup"}


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(words, ["errors", str(tmp_path / "gone")])
    assert "gone: no such file" in str(result.exception)


def test_packed_logs_are_counted_as_the_plain_ones(tmp_path: Path) -> None:
    text = b"INFO x\nERROR unexpected tokens remaining in message header\nRetrying in 5 seconds\n" * 3
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    for directory in (plain, packed):
        directory.mkdir()
    (plain / "fullrun.log").write_bytes(text)
    (packed / "fullrun.log.gz").write_bytes(gzip.compress(text))
    of_plain, of_packed = (json.loads(said_to(directory, "--json")) for directory in (plain, packed))
    assert of_plain["counters"]
    for found in (of_plain, of_packed):
        del found["files"], found["alike"]  # these name files
        for counter in found["counters"] if isinstance(found["counters"], list) else found["counters"].values():
            counter.pop("files", None)
    assert of_packed == of_plain
