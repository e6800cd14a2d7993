"""The rules: each finds what it is for, and lets pass what is sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomli

from tau2tui.chat_templates import builtin_names, template_text
from tau2tui.config import Config
from tau2tui.core.lint import RULES, Facts, Finding, Severity, lint, markdown
from tau2tui.core.lint.arguments import read_arguments, read_count, settings
from tau2tui.core.lint.facts import Disk, ModelFiles, Partition, Place, Quota, Submission
from tau2tui.core.lint.tools import dialect_of
from tau2tui.core.vllm_flags import parse_help, shipped_for
from tests.core.test_vllm_flags import help_text

ROOT = Path(__file__).parents[2]
OLD, NEW = Facts(vllm_version="0.12.0"), Facts(vllm_version="0.32.0")
GIB = 1 << 30


def fleet(agent: dict[str, Any] | None = None, expert: dict[str, Any] | None = None, **sections: Any) -> Config:
    """A sound agent and expert, with some of their settings, or whole sections, replaced."""
    served = {"tool_call_parser": "hermes", "gpu_memory_utilization": 0.9}
    return Config.model_validate(
        {
            "experts": {
                "agent": {"model": "org/Agent", "role": "agent", "node": 2, "gpus": [0], "port": 1900}
                | served
                | (agent or {}),
                "expert": {"model": "org/Expert", "node": 1, "gpus": [2, 3], "port": 1910, "replicas": 2}
                | served
                | (expert or {}),
            },
            **sections,
        }
    )


def found(config: Config, facts: Facts, rule: str) -> list[Finding]:
    return [finding for finding in lint(config, facts) if finding.rule == rule]


def model(**said: Any) -> Facts:
    """The files of the expert's model say this."""
    return Facts(host="login", models={"expert": ModelFiles(directory="/ckpt", **said)})


def disk(free_gib: float = 500, free_inodes: int | None = None, writable: bool = True) -> Facts:
    return Facts(host="login", disks=(Disk("run.directory", "/runs", round(free_gib * GIB), free_inodes, writable),))


def sbatch_said(accepted: bool, message: str) -> Facts:
    return Facts(submissions=(Submission(("job1", "job2"), accepted, message),))


@dataclass(frozen=True)
class Case:
    """A rule, something that breaks it, and something close to it that does not."""

    rule: str
    severity: str
    broken: Config
    sound: Config
    facts: Facts = field(default_factory=Facts)
    """What is known in the broken case, and in the sound one unless that has facts of its own."""
    sound_facts: Facts | None = None


MTP = {"speculative_config": {"method": "qwen3_next_mtp", "num_speculative_tokens": 4}}
TP4 = {"gpus": list(range(8)), "replicas": 2, "tensor_parallel": 4}
LLAMA_TEMPLATE = '{{- \'Respond in the format {"name": function name, "parameters": dictionary of arguments}.\' }}'
QWEN_TEMPLATE = '{{- \'<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>\' }}'
ON_SLURM = {"slurm": {"partition": "gpu", "time": "24:00:00", "gpus_per_node": 0}}

CASES = (
    Case("vllm-not-found", "warning", fleet(), fleet(), Facts(vllm_error="vllm: not found"), NEW),
    Case("unknown-flag", "error", fleet(expert={"args": ["--max-modle-len", "1k"]}),
         fleet(expert={"args": ["--max_model_len=64k", "-tp", "1", "-O3", "--no-enable-chunked-prefill"]}), NEW),
    Case("renamed-setting", "error",
         fleet(expert={"args": ["--compilation_config.pass_config.enable_noop", "true"]}),
         fleet(expert={"args": ["--compilation_config.pass_config.eliminate_noops", "true"]}), NEW),
    Case("unknown-setting", "error",
         fleet(expert={"args": ['-cc={"pass_config": {"fuse_everything": true}}']}),
         fleet(expert={"args": ['-cc={"pass_config": {"fuse_act_quant": true}, "inductor_compile_config": {"x": 1}}']}),
         NEW),
    Case("invalid-json", "error", fleet(expert={"args": ["--override-generation-config", "{'temperature': 1}"]}),
         fleet(expert={"args": ["--override-generation-config", '{"temperature": 1}']})),
    Case("argument-set-twice", "error", fleet(expert={"args": ["--port", "8000"]}),
         fleet(expert={"args": {"max-num-seqs": 64}})),
    Case("unexpanded-variable", "warning", fleet(expert={"args": ["--download-dir", "$SCRATCH/models"]}),
         fleet(expert={"checkpoint": "/ckpt", "args": ["--override-generation-config", '{"bad_words": ["$5"]}']})),
    Case("tool-parser-missing", "error", fleet(agent={"tool_call_parser": ""}),
         fleet(agent={"tool_call_parser": "", "args": ["--enable-auto-tool-choice", "--tool-call-parser=hermes"]})),
    Case("unknown-tool-parser", "error", fleet(agent={"tool_call_parser": "hermess"}),
         fleet(agent={"tool_call_parser": "mine", "args": ["--tool-parser-plugin", "/mine.py"]}), NEW),
    Case("gpt-oss-parser", "error", fleet(expert={"model": "openai/gpt-oss-20b"}),
         fleet(expert={"model": "openai/gpt-oss-20b", "tool_call_parser": "openai"}), OLD),
    Case("python-tag", "warning", fleet(expert={"tool_call_parser": "llama3_json"}),
         fleet(expert={"tool_call_parser": "llama3_json"}), model(has_python_tag=False), model(has_python_tag=True)),
    Case("template-missing", "error", fleet(agent={"chat_template": "/t.jinja"}), fleet(),
         Facts(host="login", paths={"/t.jinja": Place.MISSING})),
    Case("template-parser", "warning", fleet(agent={"chat_template": "/t.jinja"}),
         fleet(agent={"chat_template": "/t.jinja"}),
         Facts(templates={"/t.jinja": LLAMA_TEMPLATE}), Facts(templates={"/t.jinja": QWEN_TEMPLATE})),
    Case("checkpoint-missing", "error", fleet(expert={"checkpoint": "/ckpt"}), fleet(expert={"checkpoint": "/ckpt"}),
         Facts(host="login", paths={"/ckpt": Place.MISSING}), Facts(paths={"/ckpt": Place.DIRECTORY})),
    Case("model-not-cached", "info", fleet(), fleet(expert={"checkpoint": "/ckpt"}),
         Facts(host="login", models={"expert": ModelFiles()})),
    Case("heads-not-divisible", "error", fleet(expert=TP4), fleet(expert=TP4),
         model(attention_heads=30, kv_heads=10), model(attention_heads=64, kv_heads=8)),
    Case("context-window", "warning", fleet(expert={"args": ["--max-model-len", "16k"]}),
         fleet(expert={"args": ["--max-model-len", "32k"]})),
    Case("max-model-len", "error", fleet(expert={"args": {"max-model-len": 65536}}),
         fleet(expert={"args": {"max-model-len": 65536, "hf-overrides": {"rope_scaling": {}}}}),
         model(max_position_embeddings=40960)),
    Case("qwen3-thinking", "warning", fleet(expert={"model": "Qwen/Qwen3-32B"}),
         fleet(expert={"model": "Qwen/Qwen3-32B", "thinking": False})),
    Case("same-model-id", "warning", fleet(expert={"model": "org/Agent"}), fleet()),
    Case("speculative-memory", "warning", fleet(expert={**MTP, "gpu_memory_utilization": 0.95}),
         fleet(expert={**MTP, "gpu_memory_utilization": 0.88})),
    Case("compile-cache-shared", "warning", fleet(environment={"variables": {"VLLM_CACHE_ROOT": "/cache"}}),
         fleet(environment={"variables": {"HF_HOME": "/cache"}})),
    Case("prefix-caching-off", "info", fleet(expert={"args": ["--no-enable-prefix-caching"]}),
         fleet(expert={"args": ["--enable-prefix-caching"]})),
    Case("gpus-not-placed", "error", fleet(expert={"args": ["-dp", "2"]}), fleet(expert={"args": ["-dp", "1"]})),
    Case("stagger-short", "info", fleet(expert={**TP4, "stagger_s": 30}),
         fleet(expert={**TP4, "stagger_s": 60})),
    Case("privileged-port", "error", fleet(agent={"port": 443}), fleet(agent={"port": 443}),
         Facts(), Facts(first_unprivileged_port=0)),
    Case("ephemeral-port", "warning", fleet(agent={"port": 40000}), fleet(agent={"port": 40000}),
         Facts(), Facts(ephemeral_ports=(50000, 60999))),
    Case("open-endpoint", "info", fleet(), fleet(serve={"host": "127.0.0.1"})),
    Case("sbatch-refused", "error", fleet(), fleet(),
         sbatch_said(False, "allocation failure: Invalid feature specification"),
         sbatch_said(True, "sbatch: Job 1 to start at 2026-11-23T09:14:47")),
    Case("unknown-partition", "error", fleet(**ON_SLURM), fleet(**ON_SLURM),
         Facts(partitions=(Partition("gpus", None),)), Facts(partitions=(Partition("gpu", None),))),
    Case("time-limit", "error", fleet(**ON_SLURM), fleet(**ON_SLURM),
         Facts(partitions=(Partition("gpu", 1800.0),)), Facts(partitions=(Partition("gpu", 86400.0),))),
    Case("disk-full", "error", fleet(), fleet(), disk(writable=False), disk()),
    Case("quota-full", "warning", fleet(), fleet(),
         Facts(quotas=(Quota("/home", 0.99, "blocks"),)), Facts(quotas=(Quota("/home", 0.5, "blocks"),))),
    Case("open-files", "warning", fleet(), fleet(), Facts(open_files=1024), Facts(open_files=65536)),
    Case("shared-memory", "warning", fleet(expert={"replicas": 1, "tensor_parallel": 2}), fleet(),
         Facts(shared_memory_bytes=64 << 20)),
    Case("not-checked", "info", fleet(), fleet(), Facts(not_checked=("quota: timed out",)), Facts()),
    Case("secret-in-config", "error", fleet(environment={"variables": {"VLLM_API_KEY": "sk-1234"}}),
         fleet(environment={"variables": {"TOKENIZERS_PARALLELISM": "false"}})),
    Case("user-key-unset", "warning", fleet(), fleet(),
         Facts(host="login", variables={"OPENAI_API_KEY": False}), Facts(variables={"OPENAI_API_KEY": True})),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_what_it_is_for(case: Case) -> None:
    findings = found(case.broken, case.facts, case.rule)
    assert [finding.severity for finding in findings] == [case.severity]
    assert findings[0].where and findings[0].message and findings[0].remedy


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_lets_pass_what_is_sound(case: Case) -> None:
    facts = case.facts if case.sound_facts is None else case.sound_facts
    assert found(case.sound, facts, case.rule) == []


def test_every_rule_has_a_case() -> None:
    assert [rule.id for rule in RULES] == [case.rule for case in CASES]


def test_a_sound_fleet_gives_no_finding_but_that_its_servers_are_open() -> None:
    for facts in (Facts(), OLD, NEW):
        assert [finding.rule for finding in lint(fleet(), facts)] == ["open-endpoint"]


# --- the seed's own fleet


def shipped_config() -> Config:
    return Config.model_validate(tomli.loads((ROOT / "config.toml").read_text()))


SEED = [
    ("gpt-oss-parser", "experts.expert-1.tool_call_parser"),
    ("renamed-setting", "experts.expert-3.args"),
    ("renamed-setting", "experts.expert-3.args"),
    ("template-parser", "experts.orchestrator.chat_template"),
]
"""What the seed's fleet got wrong, and is left as it was in config.toml."""


@pytest.mark.parametrize("facts", [Facts(), NEW], ids=["not asked", "vLLM 0.32"])
def test_the_shipped_configuration_has_exactly_the_mistakes_of_the_seed(facts: Facts) -> None:
    grave = [finding for finding in lint(shipped_config(), facts) if finding.severity is not Severity.INFO]
    assert sorted((finding.rule, finding.where) for finding in grave) == SEED
    mild = {finding.rule for finding in lint(shipped_config(), facts)} - {rule for rule, _ in SEED}
    assert mild == {"prefix-caching-off", "open-endpoint"}


@pytest.mark.parametrize(
    ("facts", "gpt_oss", "renamed"),
    [(Facts(), "warning", "warning"), (OLD, "error", "info"), (NEW, "warning", "error")],
    ids=["not known", "0.12.0", "0.32.0"],
)
def test_how_grave_the_seeds_mistakes_are_depends_on_the_version(facts: Facts, gpt_oss: str, renamed: str) -> None:
    config = shipped_config()
    assert [finding.severity for finding in found(config, facts, "gpt-oss-parser")] == [gpt_oss]
    assert [finding.severity for finding in found(config, facts, "renamed-setting")] == [renamed, renamed]


def test_the_new_names_are_told() -> None:
    remedies = [finding.remedy for finding in found(shipped_config(), NEW, "renamed-setting")]
    assert remedies == ["write pass_config.fuse_allreduce_rms", "write pass_config.eliminate_noops"]


# --- options


def test_the_option_of_requests_is_none_of_the_server() -> None:
    config = fleet(expert={"args": ["--chat-template-kwargs", '{"enable_thinking": false}']})
    (finding,) = found(config, NEW, "unknown-flag")
    assert finding.severity == "error" and "--default-chat-template-kwargs" in finding.remedy
    (finding,) = found(config, OLD, "unknown-flag")
    assert "--default-chat-template-kwargs" not in finding.remedy, "0.12 does not have that one either"
    (finding,) = found(config, Facts(), "unknown-flag")
    assert finding.severity == "warning" and "0.12.0, 0.32.0" in finding.message


def test_an_option_that_only_some_versions_have_is_worth_knowing_if_the_version_is_not_known() -> None:
    (finding,) = found(fleet(expert={"args": ["--swap-space", "4"]}), Facts(), "unknown-flag")
    assert finding.severity == "info" and "0.32.0" in finding.message and "0.12.0" not in finding.message


def test_the_installed_vllms_own_help_counts_more_than_the_shipped_list() -> None:
    flags = parse_help(help_text("0.32.0") + "  --brand-new NEW  made up\n", "0.99.0")
    config = fleet(expert={"args": ["--brand-new", "1", "--swap-space", "1"]})
    (finding,) = found(config, Facts(vllm_version="0.99.0", vllm_flags=flags), "unknown-flag")
    assert "--swap-space" in finding.message and "0.99.0" in finding.message


@pytest.mark.parametrize(
    "args",
    [
        ["--compilation_config.pass_config.enable_noop", "true"],
        ["--compilation-config.pass_config.enable_noop=true"],
        ["-cc.pass_config.enable_noop", "true"],
        ["--compilation-config", '{"pass_config": {"enable_noop": true}}'],
        ["--compilation-config.pass_config", '{"enable_noop": true}'],
        {"compilation-config": {"pass_config": {"enable_noop": True}}},
    ],
)
def test_a_setting_is_seen_however_it_is_written(args: Any) -> None:
    assert len(found(fleet(expert={"args": args}), NEW, "renamed-setting")) == 1


def test_a_misspelt_key_of_speculative_config_is_named_with_the_nearest() -> None:
    config = fleet(expert={"speculative_config": {"method": "mtp", "num_speculativ_tokens": 2}})
    (finding,) = found(config, NEW, "unknown-setting")
    assert finding.where == "experts.expert.speculative_config" and "num_speculative_tokens" in finding.remedy


def test_what_the_placement_goes_by_may_not_be_said_again_but_an_empty_setting_may_be_made_in_args() -> None:
    assert found(fleet(expert={"args": ["-tp", "2"]}), Facts(), "argument-set-twice")[0].severity == "error"
    twice = fleet(expert={"args": ["--tool-call-parser", "hermes"]})
    assert found(twice, Facts(), "argument-set-twice")[0].severity == "warning"
    once = fleet(expert={"args": ["--chat-template", "/t"]})
    assert not found(once, Facts(), "argument-set-twice")


def test_arguments_are_read_as_vllm_reads_them() -> None:
    argv = ["--max_model_len", "-1", "--a_b.c_d=x=y", "--flag", "-O2", "--list.key+", "v", "--last"]
    read = [(argument.name, argument.keys, argument.value) for argument in read_arguments(argv)]
    assert read == [
        ("--max-model-len", "", "-1"),
        ("--a-b", "c_d", "x=y"),
        ("--flag", "", None),
        ("--optimization-level", "", "2"),
        ("--list", "key", "v"),
        ("--last", "", None),
    ]
    (argument,) = read_arguments(["--o.a", '{"b": {"c": 1}}'])
    assert list(settings(argument)) == ["a", "a.b", "a.b.c"]


@pytest.mark.parametrize(
    ("text", "count"),
    [("32768", 32768), ("32k", 32000), ("32K", 32768), ("25.6k", 25600), ("auto", None), ("-1", None), ("", None)],
)
def test_numbers_are_read_as_vllm_reads_them(text: str, count: int | None) -> None:
    assert read_count(text) == count


# --- tool calls


def test_a_parser_without_the_switch_does_nothing() -> None:
    config = fleet(agent={"tool_call_parser": "", "args": ["--tool-call-parser", "hermes"]})
    assert "--enable-auto-tool-choice" in found(config, Facts(), "tool-parser-missing")[0].message
    config = fleet(agent={"args": ["--no-enable-auto-tool-choice"]})
    assert len(found(config, Facts(), "tool-parser-missing")) == 1
    assert not found(fleet(expert={"tool_call_parser": "", "probe": "text"}), Facts(), "tool-parser-missing")


def test_a_gpt_oss_checkpoint_of_another_name_is_known_by_its_files() -> None:
    config = fleet(expert={"model": "my-finetune", "checkpoint": "/ckpt"})
    assert found(config, model(model_type="gpt_oss"), "gpt-oss-parser")
    assert not found(config, model(model_type="qwen3"), "gpt-oss-parser")


def test_a_template_that_cannot_be_read_is_judged_by_its_name() -> None:
    def judged(name: str, parser: str) -> bool:
        config = fleet(agent={"chat_template": f"~/x/{name}", "tool_call_parser": parser})
        return bool(found(config, Facts(), "template-parser"))

    assert judged("tool_chat_template_llama3.1_json.jinja", "hermes")
    assert judged("tool_chat_template_hermes.jinja", "llama3_json")
    assert not judged("tool_chat_template_llama3.1_json.jinja", "llama3_json")
    assert not judged("tool_chat_template_hermes.jinja", "hermes")
    assert not judged("mine.jinja", "hermes") and not judged("tool_chat_template_hermes.jinja", "granite")


def test_the_text_of_a_template_counts_more_than_its_name() -> None:
    path = "/tool_chat_template_llama3.1_json.jinja"
    assert not found(fleet(agent={"chat_template": path}), Facts(templates={path: QWEN_TEMPLATE}), "template-parser")


def test_a_models_own_template_is_looked_at_where_no_other_is_named() -> None:
    assert found(fleet(), model(chat_template=LLAMA_TEMPLATE), "template-parser")
    assert not found(fleet(), model(chat_template=QWEN_TEMPLATE), "template-parser")


def test_our_own_templates_fit_their_parsers_and_no_other() -> None:
    for name in builtin_names():
        dialect = dialect_of(template_text(name))
        assert dialect is not None
        for parser in ("hermes", "llama3_json", "qwen3_coder", "mistral"):
            config = fleet(agent={"chat_template": f"builtin:{name}", "tool_call_parser": parser})
            assert bool(found(config, Facts(), "template-parser")) == (parser not in dialect.parsers)


def test_one_of_our_templates_is_offered_and_a_parser_that_the_tokenizer_cannot_serve_is_not() -> None:
    config = fleet(expert={"chat_template": "builtin:llama3.1-json"})
    (finding,) = found(config, model(), "template-parser")
    assert "builtin:hermes" in finding.remedy and "llama3_json" in finding.remedy
    (finding,) = found(config, model(has_python_tag=False), "template-parser")
    assert "builtin:hermes" in finding.remedy and "llama3_json" not in finding.remedy


def test_a_builtin_template_that_we_do_not_have_is_told_without_asking_anybody() -> None:
    (finding,) = found(fleet(agent={"chat_template": "builtin:llama"}), Facts(), "template-missing")
    assert "builtin:llama3.1-json" in finding.remedy


# --- models


def test_a_checkpoint_with_missing_weights_is_told_with_their_names() -> None:
    facts = model(missing_shards=tuple(f"model-{number}.safetensors" for number in range(5)))
    (finding,) = found(fleet(expert={"checkpoint": "/ckpt"}), facts, "checkpoint-missing")
    assert "5 of its weight files" in finding.message and "model-0" in finding.message


def test_a_model_that_may_not_be_fetched_must_be_there() -> None:
    config = fleet(environment={"variables": {"HF_HUB_OFFLINE": "1"}})
    (finding,) = found(config, Facts(host="login", models={"expert": ModelFiles()}), "model-not-cached")
    assert finding.severity == "error"


def test_kv_heads_may_be_fewer_than_gpus_if_they_can_be_copied_evenly() -> None:
    config = fleet(expert=TP4)
    assert not found(config, model(attention_heads=32, kv_heads=2), "heads-not-divisible")
    assert found(config, model(attention_heads=24, kv_heads=3), "heads-not-divisible")
    odd = fleet(expert={"gpus": [1, 2, 3], "replicas": 1, "tensor_parallel": 3})
    assert found(odd, Facts(), "heads-not-divisible")[0].severity == "warning"


def test_the_window_is_that_of_the_model_unless_it_may_be_stretched() -> None:
    assert found(fleet(), model(max_position_embeddings=8192), "context-window")
    assert not found(fleet(), model(max_position_embeddings=8192, rope_scaling=True), "context-window")
    assert not found(fleet(), model(max_position_embeddings=40960), "context-window")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Qwen/Qwen3-32B-FP8", True),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", False),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", False),
        ("Qwen/Qwen2.5-32B", False),
    ],
)
def test_only_qwen3_models_that_can_be_switched_are_asked_for_the_switch(name: str, asked: bool) -> None:
    assert bool(found(fleet(expert={"model": name}), Facts(), "qwen3-thinking")) == asked


def test_a_default_for_all_requests_is_a_switch_too() -> None:
    args = {"default-chat-template-kwargs": {"enable_thinking": False}}
    assert not found(fleet(expert={"model": "Qwen/Qwen3-32B", "args": args}), NEW, "qwen3-thinking")


# --- serving and cluster


def test_drafts_that_are_looked_up_need_no_memory() -> None:
    full = {"gpu_memory_utilization": 0.95}
    for args in (["--speculative-config", '{"model": "org/draft"}'], ["--spec-model", "org/draft"]):
        assert found(fleet(expert={**full, "args": args}), Facts(), "speculative-memory")
    ngram = ["-sc", '{"method": "ngram", "num_speculative_tokens": 4}']
    assert not found(fleet(expert={**full, "args": ngram}), Facts(), "speculative-memory")


def test_one_compile_cache_for_several_replicas_is_seen_in_the_arguments_too() -> None:
    args = {"compilation-config": {"cache_dir": "/cache"}}
    assert found(fleet(expert={"args": args}), Facts(), "compile-cache-shared")
    assert not found(fleet(agent={"args": args}), Facts(), "compile-cache-shared"), "it has one replica"


def test_ports_of_packed_experts_are_judged_where_they_are_placed() -> None:
    packed: dict[str, Any] = {"node": None, "gpus": [], "port": None}
    placed = fleet(agent=packed, expert=packed, placement={"first_port": 1000})
    assert {finding.where for finding in found(placed, Facts(), "privileged-port")} == {
        "experts.agent.port",
        "experts.expert.port",
    }


def test_nodes_that_are_down_make_a_refusal_doubtful() -> None:
    facts = sbatch_said(False, "allocation failure: Requested node configuration is not available")
    (finding,) = found(fleet(), facts, "sbatch-refused")
    assert finding.severity == "warning" and "job1 and 1 more" in finding.message and "sinfo" in finding.remedy


def test_the_nearest_partition_is_named_and_of_several_the_most_generous_counts() -> None:
    slurm = {"partition": "gpu,short", "time": "2:00:00"}
    partitions = (Partition("gpu", 86400.0), Partition("short", 1800.0))
    config = fleet(slurm=slurm)
    assert lint(config, Facts(partitions=partitions)) == lint(config)
    (finding,) = found(config, Facts(partitions=(partitions[0], Partition("shorts", None))), "unknown-partition")
    assert "'shorts'" in finding.remedy


@pytest.mark.parametrize("facts", [disk(free_gib=3), disk(free_inodes=12)], ids=["bytes", "files"])
def test_a_disk_that_is_nearly_full_is_a_warning(facts: Facts) -> None:
    assert [finding.severity for finding in found(fleet(), facts, "disk-full")] == ["warning"]


def test_a_secret_is_never_shown() -> None:
    config = fleet(
        agent={"args": ["--api-key", "sk-very-secret"]},
        environment={"variables": {"HF_TOKEN": "hf_very-secret", "DB_PASSWORD": "very-secret"}},
    )
    findings = found(config, Facts(), "secret-in-config")
    assert len(findings) == 3 and "very-secret" not in repr(lint(config))


def test_a_key_in_the_environment_closes_the_servers() -> None:
    assert not found(fleet(), Facts(variables={"VLLM_API_KEY": True}), "open-endpoint")


def test_an_own_user_simulator_needs_no_key() -> None:
    user = {"model": "org/User", "role": "user", "node": 1, "gpus": [7], "port": 1930, "probe": "text"}
    experts = {**fleet().model_dump()["experts"], "user": user}
    config = Config.model_validate({"experts": experts})
    assert not found(config, Facts(variables={"OPENAI_API_KEY": False}), "user-key-unset")


# --- all together


def test_the_gravest_come_first() -> None:
    config = fleet(expert={"args": ["--port", "1", "--no-enable-prefix-caching", "--download-dir", "$X"]})
    severities = [finding.severity for finding in lint(config)]
    assert severities == sorted(severities, key=list(Severity).index) and set(severities) == set(Severity)


def test_practice_servers_are_not_judged_as_vllm() -> None:
    config = shipped_config().model_copy(update={"serve": fleet(serve={"engine": "rehearsal"}).serve})
    assert lint(config, NEW) == ()


def test_rules_are_complete_and_their_page_is_current() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.reason and rule.remedy and rule.source
    page = ROOT / "docs/lint.md"
    assert page.read_text() == markdown() + "\n", "write it anew: tau2tui doctor --rules > docs/lint.md"


def test_an_exact_version_is_judged_by_the_shipped_list() -> None:
    assert NEW.flags is shipped_for("0.32.0") and Facts(vllm_version="0.31.7").flags is None
