"""Options of vLLM, read from real help texts and from the shipped list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from tau2tui.core.placement import plan_jobs, server_argv
from tau2tui.core.vllm_flags import RENAMES, from_json, parse_help, shipped, shipped_for, to_json, version_of
from tests.sample import small_config

HELP = Path(__file__).parents[1] / "vllm_flags"
VERSIONS = ("0.12.0", "0.32.0")


def help_text(version: str) -> str:
    """What `vllm serve --help=all` of that version printed, shortened to some of its options."""
    return (HELP / f"help-{version}.txt").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_in_the_help_is_in_the_shipped_list_of_that_version(version: str) -> None:
    flags, known = parse_help(help_text(version), version), shipped_for(version)
    assert known is not None
    assert flags.names.items() <= known.names.items()
    assert flags.tool_call_parsers == known.tool_call_parsers


def test_spellings_of_one_option_are_known_as_one() -> None:
    flags = parse_help(help_text("0.32.0"), "0.32.0")
    assert flags.names["-tp"] == flags.names["--tensor-parallel-size"] == "--tensor-parallel-size"
    assert flags.names["--no-enable-prefix-caching"] == "--enable-prefix-caching"
    assert flags.names["--device-memory-utilization"] == "--gpu-memory-utilization"


def test_what_only_looks_like_an_option_in_an_explanation_is_none() -> None:
    flags = parse_help(help_text("0.32.0"), "0.32.0")
    assert "--json-arg" not in flags.names and "--log-level" not in flags.names
    assert not any(" " in name or "," in name for name in flags.names)


def test_a_long_name_may_be_shortened_while_it_is_clear() -> None:
    flags = parse_help(help_text("0.32.0"), "0.32.0")
    assert flags.canonical("--max-model") == "--max-model-len"
    assert flags.canonical("--enable") is None, "many begin like this"
    assert flags.canonical("-t") is None


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("--chat-template-kwargs", "--default-chat-template-kwargs"),
        ("--max-model-length", "--max-model-len"),
        ("--enable-auto-tool-choise", "--enable-auto-tool-choice"),
        ("--bananas", ""),
    ],
)
def test_the_nearest_option_is_named(wrong: str, nearest: str) -> None:
    assert shipped()[-1].nearest(wrong) == nearest


def test_help_in_colour_is_read_too_and_other_text_is_none() -> None:
    coloured = help_text("0.32.0").replace("  --port PORT", "  \x1b[1;36m--port\x1b[0m \x1b[33mPORT\x1b[0m")
    assert parse_help(coloured, "0.32.0") == parse_help(help_text("0.32.0"), "0.32.0")
    with pytest.raises(ValueError, match="no option --port"):
        parse_help("usage: vllm [-h] [-v]\nvllm: error: unrecognized arguments", "")


def test_two_versions_are_shipped_with_the_keys_of_their_json_options() -> None:
    assert tuple(flags.version for flags in shipped()) == VERSIONS
    old, new = (flags.fields["--compilation-config.pass_config"] for flags in shipped())
    for rename in RENAMES:
        assert rename.old.rpartition(".")[2] in old
        assert rename.old.rpartition(".")[2] not in new
    assert {"eliminate_noops", "fuse_allreduce_rms"} <= old & new


def test_a_version_is_the_same_whatever_it_was_built_for() -> None:
    assert version_of("0.32.0+cpu") == (0, 32, 0) and version_of("v?") == ()
    assert shipped_for("0.32.0+cu129") is shipped()[-1]
    assert shipped_for("0.32.1") is None and shipped_for("") is None


def test_options_survive_the_cache() -> None:
    flags = replace(parse_help(help_text("0.32.0"), "0.32.0"), fields={"--x": frozenset({"a", "b"})})
    assert from_json(to_json(flags)) == flags


def test_every_shipped_version_has_the_options_that_we_add_ourselves() -> None:
    config = small_config()
    expert = config.experts["expert-1"].model_copy(
        update={"tool_call_parser": "hermes", "chat_template": "/t", "speculative_config": {"method": "mtp"}}
    )
    config = config.model_copy(update={"experts": {**config.experts, "expert-1": expert}})
    (replica,) = [replica for job in plan_jobs(config) for replica in job.replicas if replica.name == "expert-1-0"]
    added = [word for word in server_argv(config, replica, PurePosixPath("/run")) if word.startswith("--")]
    assert len(added) == 9
    for flags in shipped():
        assert [word for word in added if word not in flags.names] == []
