"""What a configuration may say, and what a user is told about one that may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from tau2tui import config
from tau2tui.config import Config, ExpertConfig, expand
from tau2tui.errors import ConfigError
from tests.sample import small_config

SHIPPED = Path(__file__).parents[1] / "config.toml"


def complaint(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """The one line that a user sees for a config file with this text."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ or {})
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_shipped_file_is_the_fleet_of_the_seed() -> None:
    fleet = config.load(SHIPPED, {}).experts
    seen = {
        name: (e.model, e.role, e.node, e.gpus, e.ports, e.tensor_parallel, e.replicas, e.gpu_memory_utilization)
        for name, e in fleet.items()
    }
    four = (0, 1, 2, 3)
    assert seen == {
        "orchestrator": (
            "nvidia/Nemotron-Orchestrator-8B", "agent", 1, four, (1900, 1901, 1902, 1903), 1, 4, 0.95,
        ),
        "expert-1": ("openai/gpt-oss-20b", "expert", 2, four, (1910, 1911, 1912, 1913), 1, 4, 0.95),
        "expert-2": ("Qwen/Qwen3-32B-FP8", "expert", 1, (4, 5, 6, 7), (1904, 1905, 1906, 1907), 1, 4, 0.95),
        "expert-3": (
            "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", "expert", 3, tuple(range(8)), (1920, 1921, 1922, 1923), 2, 4, 0.88,
        ),
    }  # fmt: skip
    assert fleet["expert-3"].speculative_config == {"method": "qwen3_next_mtp", "num_speculative_tokens": 4}
    assert not fleet["expert-2"].thinking


def test_every_key_of_the_shipped_file_is_known_and_every_section_appears_in_it() -> None:
    text = SHIPPED.read_text()
    config.parse(text.encode(), "config.toml", {})
    for section in Config.model_fields:
        assert f"[{section}" in text


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace('partition = "batch"', 'partitoin = "batch"')
    said = complaint(tmp_path, text)
    assert "config.toml: unknown key slurm.partitoin" in said and "'partition'" in said


def test_an_unknown_key_of_an_expert_is_named_with_its_path(tmp_path: Path) -> None:
    said = complaint(tmp_path, SHIPPED.read_text().replace("stagger_s = 60", "staggers = 60", 1))
    assert "unknown key experts.expert-2.staggers" in said and "'stagger_s'" in said


def test_a_wrong_type_is_named_with_its_key(tmp_path: Path) -> None:
    assert "experts.expert-2.port" in complaint(tmp_path, SHIPPED.read_text().replace("1904", '"many"'))


def test_two_experts_on_one_port_are_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, SHIPPED.read_text().replace("port = 1904", "port = 1902"))
    assert "port 1902 on node 1 is already used by orchestrator" in said


def test_two_experts_on_one_gpu_are_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, SHIPPED.read_text().replace("gpus = [4, 5, 6, 7]", "gpus = [3, 5, 6, 7]"))
    assert "GPU 3 on node 1 is already used by orchestrator" in said


def test_ports_that_differ_by_node_only_clash_on_one_machine() -> None:
    experts = {
        "a": {"model": "m", "role": "agent", "node": 1, "gpus": [0], "port": 1900},
        "b": {"model": "n", "node": 2, "gpus": [0], "port": 1900},
    }
    Config.model_validate({"experts": experts})
    with pytest.raises(ValueError, match="port 1900"):
        Config.model_validate({"experts": experts, "cluster": {"scheduler": "local"}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gpus": [0, 1]}, "need 1 GPUs"),
        ({"gpus": [9]}, "beyond slurm.gpus_per_node"),
        ({"gpus": [0, 0], "replicas": 2}, "named twice"),
        ({"port": 65535, "replicas": 2, "gpus": [0, 1]}, "beyond 65535"),
        ({"model": "two\nlines"}, "control characters"),
    ],
)
def test_an_expert_that_cannot_be_placed_is_refused(change: dict[str, Any], said: str) -> None:
    agent = {"model": "m", "role": "agent", "node": 1, "gpus": [0], "port": 1900, **change}
    with pytest.raises(ConfigError, match=said):
        config.validate({"experts": {"agent": agent}}, "here", {})


@pytest.mark.parametrize("name", ["../up", "a b", "", "-x", "a;b", "a\n", "x" * 64])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(name: str) -> None:
    agent = {"model": "m", "role": "agent", "node": 1, "gpus": [0], "port": 1900}
    with pytest.raises(ConfigError):
        config.validate({"experts": {name: agent}}, "here", {})


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tau2tui init"):
        config.load(tmp_path / "none.toml", {})


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[run", b"run = 3", b""])
def test_garbage_is_a_clear_error(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        config.parse(raw, "config.toml", {})


def test_a_variable_is_expanded_once_and_an_unset_one_is_an_error(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace('directory = "~/tau2tui-runs"', 'directory = "$DATA/${WHO}/runs"')
    said = complaint(tmp_path, text, {"DATA": "/data"})
    assert "run.directory" in said and "$WHO is not set" in said
    loaded = config.load(tmp_path / "config.toml", {"DATA": "/data/$HOME", "WHO": "me"})
    assert loaded.run.directory == "/data/$HOME/me/runs"


def test_the_home_of_the_cluster_replaces_the_tilde() -> None:
    moved = small_config(run={"directory": "~/runs"}).at_home("/home/me")
    assert moved.run.directory == "/home/me/runs"
    assert moved.at_home("/elsewhere").run.directory == "/home/me/runs"


def test_what_was_submitted_is_read_back_as_it_was(tmp_path: Path) -> None:
    before = small_config(serve={"cache": "/literal/$NOT_A_VARIABLE"})
    document = {"submitted": {"by": "me"}, **before.model_dump(mode="json", exclude_none=True)}
    path = tmp_path / "run.toml"
    path.write_text(tomlkit.dumps(document))
    assert config.load_submitted(path) == before


@given(st.text())
def test_expansion_of_text_without_a_dollar_changes_nothing(text: str) -> None:
    if "$" not in text:
        assert expand(text, {}) == text


@given(st.integers(1, 8), st.integers(1, 8))
def test_an_expert_takes_one_port_for_each_replica(replicas: int, tensor_parallel: int) -> None:
    gpus = tuple(range(replicas * tensor_parallel))
    expert = ExpertConfig(model="m", node=1, gpus=gpus, port=2000, replicas=replicas, tensor_parallel=tensor_parallel)
    assert expert.ports == tuple(range(2000, 2000 + replicas))


@pytest.mark.parametrize("value", ["a\0b", ["a", "b\0"], [["a", "\0"]]])
def test_an_argument_with_a_nul_is_refused_for_no_program_can_have_it(value: Any) -> None:
    expert = {"model": "m", "role": "agent", "args": {"chat-template-content": value}}
    with pytest.raises(ConfigError, match="NUL"):
        config.validate({"experts": {"agent": expert}}, "config.toml", None)
    assert config.validate({"experts": {"agent": {**expert, "args": {"x": {"y": "\0"}}}}}, "config.toml", None)
