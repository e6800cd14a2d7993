"""The command line of a server → the settings of an expert that starts the same one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tau2tui.core.migration.expansion import HOME, Unresolved, as_path, without_home

DEFAULT_PORT = 8000
DEFAULT_UTILIZATION = 0.9
"""vLLM's own; source: vllm/config/cache.py and vllm/entrypoints/openai/cli_args.py of 0.12."""
_MODULE = "vllm.entrypoints.openai.api_server"
_PREFIXES = ("nohup", "exec", "setsid", "env", "time")
_VALUES = {
    "--port": "port", "--host": "host", "--model": "model", "--tensor-parallel-size": "tensor_parallel",
    "-tp": "tensor_parallel", "--gpu-memory-utilization": "gpu_memory_utilization",
    "--tool-call-parser": "tool_call_parser", "--chat-template": "chat_template",
    "--served-model-name": "served", "--speculative-config": "speculative_config", "-sc": "speculative_config",
    "--chat-template-kwargs": "kwargs", "--api-key": "secret", "--hf-token": "secret",
}  # fmt: skip
"""Options that become a setting of their own; all others go into `args` as they are."""
_NUMBER = re.compile(r"-\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Server:
    """One `vllm serve`, as a script starts it."""

    file: str
    line: int
    model: str
    """The name that requests carry."""
    checkpoint: str
    gpus: tuple[int, ...]
    port: int
    host: str
    settings: dict[str, Any]
    """Of its expert, besides the place: tensor_parallel, gpu_memory_utilization, args, …"""
    served: str
    """The name under which it was served."""
    environment: dict[str, str] = field(default_factory=dict)
    container: tuple[str, ...] = ()
    log: str = ""
    """The file that its output went to."""
    notes: tuple[str, ...] = ()
    """What was not taken over as it stood."""
    secrets: tuple[str, ...] = ()


@dataclass(slots=True)
class _Options:
    values: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    model: str = ""
    choice: bool = False
    """--enable-auto-tool-choice"""
    secrets: list[str] = field(default_factory=list)


def is_server(words: Sequence[str]) -> bool:
    """Whether these words start vLLM's server, possibly behind others."""
    return _serve_at(words) is not None


def _serve_at(words: Sequence[str]) -> tuple[int, int] | None:
    """Where the program stands, and where its arguments begin."""
    for number, word in enumerate(words):
        if PurePosixPath(word).name == "vllm" and words[number + 1 : number + 2] == ["serve"]:
            return number, number + 2
        if word == _MODULE and number >= 2 and words[number - 1] == "-m":
            return number - 2, number + 1
    return None


def read_server(
    file: str, line: int, words: Sequence[str], environment: dict[str, str], devices: str | None, log: str
) -> Server:
    """The server that these words start. Raises Unresolved for what cannot be told or served in the same way."""
    found = _serve_at(words)
    assert found is not None
    begin, end = found
    options = _read(words[end:])
    if not options.model:
        raise Unresolved("no model is named")
    values = options.values
    size = _number(values.get("tensor_parallel", "1"), "--tensor-parallel-size")
    gpus = _gpus(devices, size)
    if len(gpus) != size:
        raise Unresolved(f"CUDA_VISIBLE_DEVICES={devices} and tensor parallel size {size} do not fit")
    settings: dict[str, Any] = {"tensor_parallel": size}
    try:
        settings["gpu_memory_utilization"] = float(values.get("gpu_memory_utilization", DEFAULT_UTILIZATION))
    except ValueError:
        raise Unresolved(f"--gpu-memory-utilization {values['gpu_memory_utilization']} is no number") from None
    if "tool_call_parser" in values:
        settings["tool_call_parser"] = without_home(values["tool_call_parser"])
    elif options.choice:
        options.args.append("--enable-auto-tool-choice")
    if "chat_template" in values:
        settings["chat_template"] = as_path(values["chat_template"])
    notes = _further(options, settings)
    settings["args"] = tuple(without_home(word) for word in options.args)
    path = options.model.startswith(("/", HOME, "./", "../"))
    served = values.get("served", options.model)
    return Server(
        file,
        line,
        model=hub_name(served) if served == options.model and path else without_home(served),
        checkpoint=as_path(options.model) if path or served != options.model else "",
        gpus=gpus,
        port=_number(values.get("port", str(DEFAULT_PORT)), "--port"),
        host=without_home(values.get("host", "")),
        settings=settings,
        served=as_path(served) if served.startswith(HOME) else served,
        environment=environment,
        container=_container(words[:begin]),
        log=log,
        notes=notes,
        secrets=tuple(options.secrets),
    )


def hub_name(path: str) -> str:
    """The last two parts of a checkpoint's path, which is how checkpoints of the hub are kept: organisation/model."""
    parts = [part for part in path.replace(HOME, "").split("/") if part not in ("", ".", "..")]
    return "/".join(parts[-2:])


def _container(words: Sequence[str]) -> tuple[str, ...]:
    """What stands before the program. Raises Unresolved if it is neither a usual prefix nor a container."""
    rest = list(words)
    while rest and rest[0] in _PREFIXES:
        rest.pop(0)
    if not rest or (PurePosixPath(rest[0]).name in ("apptainer", "singularity") and "exec" in rest):
        return tuple(as_path(word) for word in rest)
    raise Unresolved(f"`{' '.join(rest)}` stands before the server")


def _read(words: Sequence[str]) -> _Options:
    options = _Options()
    rest = list(words)
    takes_values = False
    """Whether a word without dash belongs to an option that was not understood, and is passed on with it."""
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
            if takes_values or options.model:
                options.args.append(word)
            else:
                options.model = word
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        takes_values = False
        if name == "--enable-auto-tool-choice":
            options.choice = True
        elif name in _VALUES:
            if not equals:
                if not rest:
                    raise Unresolved(f"{name} has no value")
                value = rest.pop(0)
            key = _VALUES[name]
            if key == "secret":
                options.secrets.append(value)
            elif key == "model":
                options.model = value
            options.values[key] = value
        else:
            options.args.append(word)
            takes_values = not equals
    return options


def _further(options: _Options, settings: dict[str, Any]) -> tuple[str, ...]:
    """The options that are JSON, and what is said of those that are not copied."""
    notes = []
    speculative = options.values.get("speculative_config")
    if speculative is not None:
        table = _table(speculative)
        if table and all(isinstance(value, (str, int, float)) for value in table.values()):
            settings["speculative_config"] = table
        else:
            options.args += ["--speculative-config", speculative]
    kwargs = options.values.get("kwargs")
    if kwargs is not None:
        table = _table(kwargs)
        if table == {"enable_thinking": False}:
            settings["thinking"] = False
            notes.append(
                "--chat-template-kwargs is no option of vLLM's server: thinking = false asks with every request"
            )
        else:
            options.args += ["--chat-template-kwargs", kwargs]
    if options.secrets:
        notes.append(
            "keys are not copied: set VLLM_API_KEY (or HF_TOKEN) in the environment of the jobs and the evaluation"
        )
    return tuple(notes)


def _table(text: str) -> dict[str, Any] | None:
    try:
        table = json.loads(text)
    except ValueError:
        return None
    return table if isinstance(table, dict) else None


def _gpus(devices: str | None, size: int) -> tuple[int, ...]:
    if devices is None:  # vLLM takes the first ones
        return tuple(range(size))
    parts = [part.strip() for part in devices.split(",")]
    if not all(part.isdecimal() and part.isascii() for part in parts):
        raise Unresolved(f"CUDA_VISIBLE_DEVICES={devices} does not name GPUs by number")
    return tuple(int(part) for part in parts)


def _number(text: str, option: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 9):
        raise Unresolved(f"{option} {text} is no number")
    return int(text)
