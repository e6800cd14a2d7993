"""Rules about the command line of vLLM: options and settings that it does not have, or has twice."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from tau2tui.config import Config
from tau2tui.core.lint.arguments import Argument, has, read_json, server_arguments, settings
from tau2tui.core.lint.facts import Facts
from tau2tui.core.lint.rule import Rule, Severity, Trouble
from tau2tui.core.placement import arguments
from tau2tui.core.vllm_flags import RENAMES, ServeFlags, shipped, version_of

# Key of an expert → the option that it becomes.
_MANAGED = {
    "port": ("--port",),
    "tensor_parallel": ("--tensor-parallel-size", "-tp"),
    "model": ("--served-model-name", "--model"),
    "gpu_memory_utilization": ("--gpu-memory-utilization", "--device-memory-utilization"),
    "tool_call_parser": ("--tool-call-parser",),
    "chat_template": ("--chat-template",),
    "speculative_config": ("--speculative-config", "-sc"),
}
_PLACE = ("port", "tensor_parallel", "model")
"""Keys that the placement, the probes and the routing go by: another value in `args` would fool them."""

_UNEXPANDED = re.compile(r"\$(?:\{[A-Za-z_]\w*\}|[A-Z_][A-Z0-9_]*)")


def _arguments(config: Config) -> Iterator[tuple[str, Argument]]:
    """Every argument that the configuration adds, with the key it stands under."""
    for name, expert in config.experts.items():
        for argument in server_arguments(expert):
            yield f"experts.{name}.args", argument


def unknown_flag(config: Config, facts: Facts) -> Iterator[Trouble]:
    for where, argument in _arguments(config):
        if facts.flags is not None:
            if facts.flags.canonical(argument.name) is None:
                yield _unknown(where, argument, (facts.flags,), Severity.ERROR)
            continue
        without = [flags for flags in shipped() if flags.canonical(argument.name) is None]
        if without:
            none_has_it = len(without) == len(shipped())
            yield _unknown(where, argument, without, Severity.WARNING if none_has_it else Severity.INFO)


def _unknown(where: str, argument: Argument, without: Sequence[ServeFlags], how: Severity) -> Trouble:
    versions = ", ".join(flags.version for flags in without)
    nearest = without[-1].nearest(argument.name)
    remedy = f"the nearest that {without[-1].version} has is {nearest}" if nearest else ""
    return Trouble(where, f"vLLM {versions} has no option {argument.name}", remedy, how)


def _deep_settings(config: Config) -> Iterator[tuple[str, Argument, str]]:
    """Every key that is set inside a JSON option: where, by which argument, the dotted key."""
    for where, argument in _arguments(config):
        for key in settings(argument):
            yield where, argument, key
    for name, expert in config.experts.items():
        for key in expert.speculative_config:
            option = Argument("--speculative-config", "", None, "speculative_config")
            yield f"experts.{name}.speculative_config", option, key


def renamed_setting(config: Config, facts: Facts) -> Iterator[Trouble]:
    version = version_of(facts.vllm_version)
    for where, argument, key in _deep_settings(config):
        for rename in RENAMES:
            if key != rename.old or _option(argument, facts) != rename.option:
                continue
            gone_in = ".".join(map(str, rename.gone_in))
            message = f"{rename.option} {rename.old} is {rename.new} now; vLLM {gone_in} and newer refuse the old name"
            severity = Severity.WARNING
            if version:
                severity = Severity.ERROR if version >= rename.gone_in else Severity.INFO
            yield Trouble(where, message, f"write {rename.new}", severity)


def unknown_setting(config: Config, facts: Facts) -> Iterator[Trouble]:
    known = (facts.flags,) if facts.flags else shipped()
    renamed = {(rename.option, rename.old) for rename in RENAMES}
    for where, argument, key in _deep_settings(config):
        option = _option(argument, facts)
        if (option, key) in renamed:
            continue
        outer, _, last = f"{option}.{key}".rpartition(".")
        tables = [flags.fields[outer] for flags in known if outer in flags.fields]
        if tables and not any(last in table for table in tables):
            nearest = difflib.get_close_matches(last, sorted(frozenset[str]().union(*tables)), n=1)
            versions = ", ".join(flags.version for flags in known if outer in flags.fields)
            yield Trouble(
                where,
                f"{outer.replace('.', ' ')} has no {last} in vLLM {versions}",
                f"did you mean {nearest[0]}?" if nearest else "",
                Severity.ERROR if facts.flags else Severity.WARNING,
            )


def _option(argument: Argument, facts: Facts) -> str:
    """The first spelling of an argument's option, in any version that has it."""
    for flags in (facts.flags, *reversed(shipped())):
        if flags is not None and (name := flags.canonical(argument.name)) is not None:
            return name
    return argument.name


def invalid_json(config: Config, facts: Facts) -> Iterator[Trouble]:
    for where, argument in _arguments(config):
        if argument.value is not None and argument.value.lstrip().startswith("{") and read_json(argument.value) is None:
            yield Trouble(where, f"the value of {argument.written} begins like JSON and is none: {argument.value[:60]}")


def set_twice(config: Config, facts: Facts) -> Iterator[Trouble]:
    for name, expert in config.experts.items():
        given = server_arguments(expert)
        for key, options in _MANAGED.items():
            if has(given, *options) and (key in _PLACE or getattr(expert, key) not in ("", {}, 1)):
                yield Trouble(
                    f"experts.{name}.args",
                    f"{options[0]} is set here and by experts.{name}.{key}; vLLM takes the last, this one",
                    f"set {key} and take it out of args",
                    Severity.ERROR if key in _PLACE else Severity.WARNING,
                )


def unexpanded_variable(config: Config, facts: Facts) -> Iterator[Trouble]:
    values = [
        (f"experts.{name}.args", word) for name, expert in config.experts.items() for word in arguments(expert.args)
    ]
    values += [(f"environment.variables.{name}", value) for name, value in config.environment.variables.items()]
    for where, value in values:
        if match := _UNEXPANDED.search(value):
            yield Trouble(where, f"{match[0]} stays as it is here: no shell reads this value")


def vllm_not_found(config: Config, facts: Facts) -> Iterator[Trouble]:
    if facts.vllm_error:
        yield Trouble(
            "serve.command", f"{' '.join(config.serve.command)} did not answer on {facts.host}: {facts.vllm_error}"
        )


RULES = (
    Rule(
        "vllm-not-found",
        Severity.WARNING,
        "No replica starts if the environment of the jobs has no vLLM. A login node may lack what compute nodes have.",
        "check [environment], or run the command on a compute node",
        "seen on clusters whose modules load on compute nodes only",
        vllm_not_found,
        vllm_only=True,
    ),
    Rule(
        "unknown-flag",
        Severity.ERROR,
        "vLLM ends with status 2 and `unrecognized arguments`, after the job has waited in the queue.",
        "take it out, or use the option that this version has",
        "`vllm serve --help=all`; the shipped list was made from the programs by scripts/vllm-flags",
        unknown_flag,
        vllm_only=True,
    ),
    Rule(
        "renamed-setting",
        Severity.ERROR,
        "A setting inside a JSON option has another name in newer vLLM, which refuses the old one with status 2.",
        "use the new name",
        "vllm/config/compilation.py of 0.12.0 (both names, a warning) and of 0.13.0 (the new ones only)",
        renamed_setting,
        vllm_only=True,
    ),
    Rule(
        "unknown-setting",
        Severity.ERROR,
        "vLLM ends with status 2: `Unexpected keyword argument`.",
        "take it out, or use a name that this version has",
        "the dataclasses of vllm/config of the shipped versions",
        unknown_setting,
        vllm_only=True,
    ),
    Rule(
        "invalid-json",
        Severity.ERROR,
        "vLLM ends with status 2 when it reads the option.",
        "JSON wants double quotes and lower-case true and false",
        "vllm/engine/arg_utils.py",
        invalid_json,
        vllm_only=True,
    ),
    Rule(
        "argument-set-twice",
        Severity.ERROR,
        "The last one counts for vLLM, while placement, probes and routing go by the other.",
        "keep one of them",
        "Python's argparse: the last value of an option wins",
        set_twice,
        vllm_only=True,
    ),
    Rule(
        "unexpanded-variable",
        Severity.WARNING,
        "$VAR is expanded in paths only. Elsewhere the server gets the dollar sign itself; an unexpanded $REPO_PATH "
        "once cost a whole run.",
        "write the value out",
        "the seed's notes, 3.5",
        unexpanded_variable,
    ),
)
