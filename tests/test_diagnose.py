"""The word `diagnose`, and the settings that its commands change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit

from tau2tui import config
from tau2tui.cli.diagnosis import block
from tau2tui.cli.settings import changed_experts, save_settings
from tau2tui.config import ExpertConfig
from tau2tui.core.diagnosis import Place, diagnose
from tau2tui.core.placement import arguments
from tau2tui.errors import ConfigError
from tests.command_line import CommandLine
from tests.sample import small_config

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parent / "core/diagnosis/samples"
TAKEN = SAMPLES / "server/gpu-memory-taken.log"


@pytest.fixture
def tau2tui(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "config.toml", tmp_path)


def test_json_is_a_list_of_findings_and_empty_for_a_healthy_log(tau2tui: CommandLine) -> None:
    (found,) = json.loads(tau2tui.run("diagnose", str(TAKEN), "--json").stdout)
    assert found["id"] == "gpu-memory-taken" and found["file"] == str(TAKEN) and found["line"] == 14
    assert found["action"] == "tau2tui relaunch REPLICA --set gpu_memory_utilization=0.89"
    assert {"cause", "remedy", "text", "count", "argv", "source"} <= set(found)
    healthy = Path(__file__).parent / "vllm/startup-eager.log"
    assert json.loads(tau2tui.run("diagnose", str(healthy), "--json").stdout) == []
    assert tau2tui.run("diagnose", str(healthy)).stdout == "nothing found in 1 log\n"


def test_for_people_a_finding_fits_into_80_columns_and_its_command_into_one_line() -> None:
    for sample in sorted(SAMPLES.rglob("*.log")):
        place = Place(f"logs/{sample.name}", "expert-1-0", "oss_eval_node2", "gpu07")
        (finding,) = diagnose(sample.read_bytes().split(b"\n"), place)
        lines = block(finding, 80).split("\n")
        assert f"do      {finding.action}" in lines
        assert all(len(line) <= 80 for line in lines if not line.startswith(("do ", "seen "))), lines


def test_stdin_is_read_and_what_is_not_there_is_one_line(tau2tui: CommandLine) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tau2tui", "diagnose", "-"],
        input=TAKEN.read_bytes(), capture_output=True, check=True, cwd=tau2tui.directory,
    ).stdout  # fmt: skip
    assert said.startswith(b"gpu-memory-taken\n")
    error = tau2tui.run("diagnose", "none.log", status=7).stderr
    assert error == "tau2tui: none.log: no such file or directory\n"


def own(**changes: object) -> str:
    signature = {
        "id": "own", "contains": ["the moon is full"], "cause": "The moon", "remedy": "Wait", "act": "wait",
        "action": "wait", "source": ["us"], **changes,
    }  # fmt: skip
    experts = small_config().model_dump(mode="json", exclude_none=True)["experts"]
    return tomlkit.dumps({"experts": experts, "diagnosis": {"signature": [signature]}})


def test_signatures_of_the_configuration_are_looked_for(tau2tui: CommandLine) -> None:
    tau2tui.config.write_text(own())
    (tau2tui.directory / "x.log").write_text("the moon is full\n")
    assert [each["id"] for each in json.loads(tau2tui.run("diagnose", "x.log", "--json").stdout)] == ["own"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"causes": "x"}, "unknown key diagnosis.signature.0.causes (did you mean 'cause'?)"),
        ({"matches": ["("]}, "diagnosis.signature.0.matches.0: not a regular expression"),
        ({"matches": ["(a+)+b"]}, "repeats a group that has choices or repeats in it"),
        ({"matches": [r"(?:\w+,?)*x"]}, "repeats a group that has choices or repeats in it"),
        ({"matches": ["(a|aa)+$"]}, "repeats a group that has choices or repeats in it"),
        ({"matches": ["a.*b.*c"]}, "has more than one '.*'"),
        ({"contains": []}, "neither contains nor matches"),
        ({"cause": "{nobody}"}, "{nobody} is neither a group of its patterns nor known"),
        ({"action": "ask {nobody}"}, "{nobody} is neither a group"),
        ({"act": "pray"}, "diagnosis.signature.0.act"),
        ({"id": "Not An Id"}, "diagnosis.signature.0.id"),
        ({"contains": ["x"]}, "diagnosis.signature.0.contains.0"),
        ({"source": []}, "diagnosis.signature.0.source"),
    ],
)
def test_a_signature_that_is_wrong_is_refused_in_one_line(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(own(**changes).encode(), "config.toml", {})
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_harmless_patterns_are_taken() -> None:
    for pattern in (r"a \(b\)+ c", r"[(a+)]+ b", r"(?:\.\d{1,3}){2} x", r"x (?P<a>\d+)/(?P<b>\d+)", r"(?:one|two) .*"):
        config.parse(own(matches=[pattern]).encode(), "config.toml", {})


def test_two_signatures_of_one_id_are_refused() -> None:
    document = tomlkit.parse(own()).unwrap()
    document["diagnosis"]["signature"] *= 2
    with pytest.raises(ConfigError, match="two signatures have the id 'own'"):
        config.parse(tomlkit.dumps(document).encode(), "config.toml", {})


# one argument of a server


def args_after(args: object, *settings: str) -> list[str]:
    """The command line of expert-1's arguments when it had these, and some are set."""
    data = small_config().model_dump()
    data["experts"]["expert-1"]["args"] = args
    changed = changed_experts(config.Config.model_validate(data), ("expert-1-0",), settings)
    return arguments(changed["expert-1"].args)


def test_one_argument_is_set_and_the_others_stay() -> None:
    table = {"max-num-seqs": 64, "enforce-eager": True}
    assert args_after(table, "args.max-model-len=4096") == [
        "--max-num-seqs", "64", "--enforce-eager", "--max-model-len", "4096",
    ]  # fmt: skip
    assert args_after(table, "args.max-num-seqs=32") == ["--max-num-seqs", "32", "--enforce-eager"]
    assert args_after(["--async-scheduling"], "args.dtype=half", "args.trust-remote-code=true") == [
        "--async-scheduling", "--dtype", "half", "--trust-remote-code",
    ]  # fmt: skip
    assert args_after((), "args.max-num-seqs=32") == ["--max-num-seqs", "32"]


def test_one_argument_is_saved_as_the_file_has_them(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[experts.a]\nmodel = "m" # mine\n[experts.b]\nargs = ["--x"] # list\n[experts.c.args]\ny = 1\n')
    save_settings(file, ("a", "b", "c"), ("args.max-num-seqs=32",))
    saved = tomlkit.parse(file.read_text()).unwrap()["experts"]
    assert ExpertConfig.model_validate(saved["a"]).args == {"max-num-seqs": 32}
    assert saved["b"]["args"] == ["--x", "--max-num-seqs", "32"]
    assert saved["c"]["args"] == {"y": 1, "max-num-seqs": 32}
    assert "# mine" in file.read_text()


def test_an_unknown_id_is_one_line_with_status_2(tau2tui: CommandLine) -> None:
    document = tomlkit.parse(own(covers=["nobody"])).unwrap()
    tau2tui.config.write_text(tomlkit.dumps(document))
    error = tau2tui.run("diagnose", str(TAKEN), status=2).stderr
    assert error == "tau2tui: diagnosis: no signature has the id 'nobody' (see docs/diagnosis.md)\n"
