"""Rules about keys: none in a file, and the one that is needed is set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tau2tui.config import Config
from tau2tui.core.lint.arguments import server_arguments
from tau2tui.core.lint.facts import Facts
from tau2tui.core.lint.rule import Rule, Severity, Trouble

_SECRET = re.compile(r"(^|_)(API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD)$")
_SECRET_OPTIONS = ("--api-key", "--hf-token")


def secret_in_config(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name in config.environment.variables:
        if _SECRET.search(name.upper()):
            yield Trouble(
                f"environment.variables.{name}", f"{name} looks like a secret, and this file is copied into the run"
            )
    for name, expert in config.experts.items():
        for argument in server_arguments(expert):
            if argument.name in _SECRET_OPTIONS and argument.value is not None:
                where = f"experts.{name}.args"
                yield Trouble(where, f"{argument.written}: everybody on the node sees it in the list of processes")


def user_key_unset(config: Config, facts: Facts) -> Iterator[Trouble]:
    key = config.evaluation.user.api_key_env
    if not config.user and facts.variables.get(key) is False:
        yield Trouble(
            "evaluation.user.api_key_env", f"${key} is not set on {facts.host}, where the evaluation will run"
        )


RULES = (
    Rule(
        "secret-in-config",
        Severity.ERROR,
        "config.toml is copied into the run directory, is shown by `plan`, and may be shared.",
        "take it out; set it in the shell that submits the jobs (export VLLM_API_KEY=…), which SLURM hands on to them",
        "sbatch(1), --export; vLLM reads VLLM_API_KEY, huggingface_hub HF_TOKEN",
        secret_in_config,
    ),
    Rule(
        "user-key-unset",
        Severity.WARNING,
        "Every call of the user simulator ends in HTTP 401, so no task gets beyond its first turn.",
        "export it there, where a shell that is not interactive sees it too",
        "openai.AuthenticationError",
        user_key_unset,
    ),
)
