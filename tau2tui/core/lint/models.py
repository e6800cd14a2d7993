"""Rules about the models: their files, their shape, how long they may talk and whether they think."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tau2tui.config import Config, ExpertConfig
from tau2tui.core.lint.arguments import has, last_value, read_count, read_json, server_arguments
from tau2tui.core.lint.facts import Facts, Place
from tau2tui.core.lint.rule import Rule, Severity, Trouble

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_ALWAYS_ON_OR_OFF = re.compile(r"instruct|thinking|coder|embed|rerank", re.IGNORECASE)
"""Names of Qwen3 models that cannot be switched: they never think, or always do."""
_USUAL_TENSOR_PARALLEL = (1, 2, 4, 8, 16, 32)


def path_of(expert: ExpertConfig) -> str:
    """The directory on the cluster that an expert is loaded from; empty for a model of the hub."""
    source = expert.checkpoint or expert.model
    return source if source.startswith(("/", "~", "./", "../")) else ""


def _offline(config: Config) -> bool:
    return any(config.environment.variables.get(name, "") in ("1", "true", "TRUE", "yes", "on") for name in _OFFLINE)


def checkpoint_missing(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        where = f"experts.{name}.{'checkpoint' if expert.checkpoint else 'model'}"
        path = path_of(expert)
        place = facts.paths.get(path)
        if path and place in (Place.MISSING, Place.UNREADABLE):
            yield Trouble(where, f"{path} is {place} on {facts.host}")
        elif shards := facts.model(name).missing_shards:
            some = ", ".join(shards[:3]) + (", …" if len(shards) > 3 else "")
            yield Trouble(where, f"{facts.model(name).directory} lacks {len(shards)} of its weight files: {some}")


def model_not_cached(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        if name in facts.models and not path_of(expert) and not facts.model(name).directory:
            yield Trouble(
                f"experts.{name}.model",
                f"{expert.model} is not in the hub's cache on {facts.host}"
                + (", and [environment.variables] forbids to fetch it" if _offline(config) else ": it will be fetched"),
                severity=Severity.ERROR if _offline(config) else Severity.INFO,
            )


def heads_not_divisible(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        model, size = facts.model(name), expert.tensor_parallel
        where = f"experts.{name}.tensor_parallel"
        heads, kv_heads = model.attention_heads, model.kv_heads
        if heads is None:
            if size not in _USUAL_TENSOR_PARALLEL:
                unsure = "few models have a number of heads that this divides; its config.json was not read"
                yield Trouble(where, f"{size}: {unsure}", severity=Severity.WARNING)
        elif heads % size:
            yield Trouble(where, f"{expert.model} has {heads} attention heads, which {size} does not divide")
        elif kv_heads and kv_heads % size and size % kv_heads:
            yield Trouble(
                where, f"{expert.model} has {kv_heads} KV heads, which {size} neither divides nor is a multiple of"
            )


def _window(config: Config, expert: ExpertConfig, facts: Facts, name: str) -> tuple[int | None, str]:
    """The context of an expert's servers in tokens, and where that is from."""
    asked = read_count(last_value(server_arguments(expert), "--max-model-len"))
    if asked is not None:
        return asked, f"experts.{name}.args"
    model = facts.model(name)
    return (None if model.rope_scaling else model.max_position_embeddings), f"experts.{name}.model"


def context_window(config: Config, facts: Facts) -> Iterator[Trouble]:
    evaluation = config.evaluation
    needed = evaluation.context_tokens + evaluation.max_tokens
    for name, expert in config.experts.items():
        window, where = _window(config, expert, facts, name)
        if window is not None and window < needed:
            yield Trouble(
                where,
                f"{expert.model} is served with {window} tokens of context; a conversation may take "
                f"{evaluation.context_tokens} + {evaluation.max_tokens} for the answer",
            )


def max_model_len(config: Config, facts: Facts) -> Iterator[Trouble]:
    if config.environment.variables.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1":
        return
    for name, expert in config.experts.items():
        model, arguments = facts.model(name), server_arguments(expert)
        asked, most = read_count(last_value(arguments, "--max-model-len")), model.max_position_embeddings
        stretched = model.rope_scaling or has(arguments, "--hf-overrides", "--rope-scaling")
        if asked is not None and most is not None and asked > most and not stretched:
            yield Trouble(f"experts.{name}.args", f"--max-model-len {asked} is more than the {most} of {expert.model}")


def thinks_unless_told(model: str) -> bool:
    """Whether it is a Qwen3 model whose thinking can be switched, by its name."""
    return "qwen3" in model.lower() and not _ALWAYS_ON_OR_OFF.search(model)


def qwen3_thinking(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        if expert.role != "expert" or not thinks_unless_told(expert.model):
            continue
        default = read_json(last_value(server_arguments(expert), "--default-chat-template-kwargs")) or {}
        if expert.thinking and "enable_thinking" not in default:
            yield Trouble(
                f"experts.{name}.thinking", f"{expert.model} thinks before every answer unless it is told not to"
            )


def same_model_id(config: Config, facts: Facts) -> Iterator[Trouble]:
    experts: dict[str, list[str]] = defaultdict(list)
    for name, expert in config.experts.items():
        experts[expert.model].append(name)
    for model, names in experts.items():
        if len(names) > 1:
            yield Trouble(f"experts.{names[1]}.model", f"{model} is also the model of {names[0]}")


RULES = (
    Rule(
        "checkpoint-missing",
        Severity.ERROR,
        "vLLM takes a path that is not there for the name of a model of the hub, and ends with `HFValidationError`. "
        "With missing weight files it ends while it loads.",
        "check the path on the cluster; copy what is missing",
        "vLLM 0.32.0, tried; huggingface_hub, validate_repo_id",
        checkpoint_missing,
        vllm_only=True,
    ),
    Rule(
        "model-not-cached",
        Severity.ERROR,
        "Every replica that starts will wait for the download, or fail where nodes have no way out: "
        "`LocalEntryNotFoundError`.",
        "fetch it on the login node first: hf download MODEL",
        "vllm#3719, vllm#8458; huggingface_hub, HF_HUB_OFFLINE",
        model_not_cached,
        vllm_only=True,
    ),
    Rule(
        "heads-not-divisible",
        Severity.ERROR,
        "vLLM ends with `Total number of attention heads must be divisible by tensor parallel size`.",
        "choose a tensor_parallel that divides the number of heads",
        "vllm/config/model.py, verify_with_parallel_config",
        heads_not_divisible,
        vllm_only=True,
    ),
    Rule(
        "context-window",
        Severity.WARNING,
        "Long conversations end in HTTP 400, `maximum context length is … tokens`, and count as errors.",
        "raise --max-model-len, or lower evaluation.context_tokens or evaluation.max_tokens",
        "vllm/entrypoints/openai/serving_engine.py of 0.12.0",
        context_window,
    ),
    Rule(
        "max-model-len",
        Severity.ERROR,
        "vLLM ends with `User-specified max_model_len is greater than the derived max_model_len`.",
        "lower it, or stretch the context knowingly with --hf-overrides",
        "vllm/config/model.py, _get_and_verify_max_len",
        max_model_len,
        vllm_only=True,
    ),
    Rule(
        "qwen3-thinking",
        Severity.WARNING,
        "Hybrid Qwen3 models think by default: many times the tokens and the latency, and thoughts in the conversation "
        "where no reasoning parser takes them out.",
        'thinking = false, or args with --default-chat-template-kwargs {"enable_thinking": …} (vLLM 0.14 and newer)',
        "the model cards of Qwen3; the seed's notes, 2.2 and 4.2",
        qwen3_thinking,
        vllm_only=True,
    ),
    Rule(
        "same-model-id",
        Severity.WARNING,
        "Tools that choose endpoints by the model's name, as the seed's do, mix the replicas of both.",
        "give one of them another name: checkpoint for what is loaded, model for the name it is served under",
        "model_config_oss.json maps model names to endpoints",
        same_model_id,
    ),
)
