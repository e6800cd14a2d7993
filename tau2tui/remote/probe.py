"""Ask the cluster, by one command, what a configuration is to be judged against: `core.lint.Facts`.

The command runs `probe_program.py` on the login node, in the environment that the jobs will have. Only the help of vLLM
takes long; it is remembered for each environment until the program itself changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from tau2tui.config import Config
from tau2tui.core.layout import BUILTIN_TEMPLATE
from tau2tui.core.lint.facts import Facts
from tau2tui.core.lint.models import path_of
from tau2tui.core.lint.tools import template_of
from tau2tui.core.placement import plan_jobs
from tau2tui.core.vllm_flags import ServeFlags, from_json, to_json
from tau2tui.errors import CommandFailed
from tau2tui.files import write_atomically
from tau2tui.remote.probe_answer import facts_from
from tau2tui.remote.probe_program import MARK, SLURM_TIMEOUT_S, VLLM_TIMEOUT_S
from tau2tui.remote.render import environment_text, sbatch_options
from tau2tui.remote.shell import Shell

_PASSED_ON = ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")
"""Variables of [environment] that say where the hub's cache is; others may be secrets, which must not be in argv."""
_OWN_TO_A_JOB = ("--job-name=", "--output=", "--error=")


@dataclass(frozen=True, slots=True)
class FlagCache:
    """What vLLM said of itself, for each environment, in files that may be deleted at any time."""

    directory: Path

    def read(self, key: str) -> tuple[str, ServeFlags] | None:
        """The fingerprint of the program that was asked, and its options."""
        try:
            data = json.loads((self.directory / f"{key}.json").read_text(encoding="utf-8"))
            return data["fingerprint"], from_json(data["flags"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # never asked, or written by another version of us: ask again

    def write(self, key: str, fingerprint: str, flags: ServeFlags) -> None:
        """Remember; raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = json.dumps({"fingerprint": fingerprint, "flags": to_json(flags)})
        write_atomically(self.directory / f"{key}.json", known, mode=0o600)


def default_cache() -> FlagCache:
    """In the user's cache directory."""
    return FlagCache(user_cache_path("tau2tui") / "vllm")


def remembered(config: Config, cache: FlagCache) -> Facts:
    """What is known without asking anybody: the options of vLLM as they were the last time."""
    known = cache.read(_environment_key(config))
    return Facts() if known is None else Facts(vllm_version=known[1].version, vllm_flags=known[1])


async def probe(config: Config, shell: Shell, cache: FlagCache) -> Facts:
    """Look at the cluster; `config` has its paths expanded there (`Config.at_home`).

    Raises Unreachable; CommandFailed if the environment of the jobs ends the shell that sets it up.
    """
    key = _environment_key(config, await shell.home())
    known = cache.read(key)
    headers = _headers(config)
    spec = json.dumps(_spec(config, tuple(headers), known[0] if known else ""))
    program = resources.files("tau2tui.remote").joinpath("probe_program.py").read_text(encoding="utf-8")
    script = f'{environment_text(config)}exec "$@"\n'
    argv = ("bash", "-c", script, "tau2tui-probe", config.cluster.python, "-c", program, spec)
    completed = await shell.run(argv, timeout_s=VLLM_TIMEOUT_S + SLURM_TIMEOUT_S + 30)
    _, mark, text = completed.stdout.rpartition(MARK)
    if not mark:
        hint = "run its lines by hand on the login node: [environment] in config.toml"
        raise CommandFailed(f"{shell.name}: the environment of the jobs did not come up: {completed.complaint}", hint)
    try:
        answer = json.loads(text)
        facts = facts_from(answer, tuple(headers.values()), known[1] if known else None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandFailed(f"{shell.name}: what the probe said is not readable: {error!r}") from None
    if answer["vllm"] and facts.vllm_flags is not None:
        with contextlib.suppress(OSError):  # it is only asked again the next time
            cache.write(key, answer["fingerprint"], facts.vllm_flags)
    return facts


def _environment_key(config: Config, home: str = "") -> str:
    """One name for each environment on each cluster; the same whether `~` was expanded to `home` or not."""
    cluster, environment = config.cluster, config.environment.model_dump(mode="json")
    parts = json.dumps([cluster.login, cluster.port, environment, _command(config)])
    return hashlib.sha256((parts.replace(home, "~") if home else parts).encode()).hexdigest()[:24]


def _command(config: Config) -> list[str]:
    """How vLLM is started, without its arguments; empty if it is not, or in a way that has no `--help=all`."""
    command = config.serve.command
    if config.serve.engine != "vllm" or command[-1] != "serve":
        return []
    return [*config.environment.container, *command]


def _headers(config: Config) -> dict[str, tuple[str, ...]]:
    """What the jobs ask SLURM for, as scripts that only ask → the jobs that ask for the same."""
    headers: dict[str, tuple[str, ...]] = {}
    for job in plan_jobs(config) if config.cluster.scheduler == "slurm" else ():
        options = [option for option in sbatch_options(config, job) if not option.startswith(_OWN_TO_A_JOB)]
        text = "\n".join(("#!/bin/bash", *(f"#SBATCH {option}" for option in options), "true", ""))
        headers[text] = (*headers.get(text, ()), job.name)
    return headers


def _spec(config: Config, headers: tuple[str, ...], fingerprint: str) -> dict[str, Any]:
    """What the program is to look at."""
    vllm = config.serve.engine == "vllm"
    experts = config.experts if vllm else {}
    templates = {template_of(expert) for expert in experts.values()}
    files = sorted(path for path in templates if path and not path.startswith(BUILTIN_TEMPLATE) and "{" not in path)
    checkpoints = [path_of(expert) for expert in experts.values() if path_of(expert)]
    variables = config.environment.variables
    user = config.evaluation.user
    return {
        "command": _command(config),
        "fingerprint": fingerprint,
        "headers": headers,
        "paths": [*checkpoints, *files],
        "templates": files,
        "models": {name: {"path": path_of(expert), "hub": expert.model} for name, expert in experts.items()},
        "environment": {name: variables[name] for name in _PASSED_ON if name in variables},
        "disks": {"run.directory": config.run.directory, "serve.cache": config.serve.cache},
        "variables": ["VLLM_API_KEY", *(() if config.user else (user.api_key_env,))],
    }
