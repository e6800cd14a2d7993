"""The arguments of a server as vLLM's own parser reads them.

In names `_` and `-` are equal up to the first dot; `--option.key value` is the same as `--option '{"key": value}'`;
`-O3` is an optimization level. Source: vllm/utils/argparse_utils.py, FlexibleArgumentParser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tau2tui.config import ExpertConfig
from tau2tui.core.placement import arguments

_NUMBER = re.compile(r"-\d+(\.\d+)?")
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)")
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Argument:
    """One option of a command line."""

    name: str
    """With its dashes, `_` read as `-`, without the keys behind a dot."""
    keys: str
    """What stood behind the first dot: `pass_config.enable_noop`."""
    value: str | None
    written: str
    """The option as it stands in the configuration."""


def server_arguments(expert: ExpertConfig) -> tuple[Argument, ...]:
    """What the configuration adds to the command line of an expert's servers."""
    return tuple(read_arguments(arguments(expert.args)))


def read_arguments(argv: Sequence[str]) -> Iterator[Argument]:
    """The options in an argv, each with the value behind it if there is one."""
    for position, word in enumerate(argv):
        if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
            continue
        written, equals, value = word.partition("=")
        following = argv[position + 1] if position + 1 < len(argv) else None
        if not equals:
            value = "" if following is None else following
        has_value = bool(equals) or (following is not None and _is_value(following))
        if re.fullmatch(r"-O\d?", written):
            yield Argument("--optimization-level", "", written[2:] or (value if has_value else None), written)
            continue
        name, _, keys = written.partition(".")
        if name.startswith("--"):
            name = name.replace("_", "-")
        yield Argument(name, keys.removesuffix("+"), value if has_value else None, written)


def _is_value(word: str) -> bool:
    return not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word) is not None


def last_value(arguments: Sequence[Argument], *names: str) -> str | None:
    """The value of an option, under any of its names: the last one counts, as for argparse."""
    values = [argument.value for argument in arguments if argument.name in names and not argument.keys]
    return values[-1] if values else None


def has(arguments: Sequence[Argument], *names: str) -> bool:
    """Whether an option stands there under any of its names."""
    return any(argument.name in names for argument in arguments)


def read_json(text: str | None) -> Mapping[str, Any] | None:
    """The object in the value of a JSON option; None if it is none."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def settings(argument: Argument) -> Iterator[str]:
    """The keys that an argument sets inside a JSON option, dotted, outer ones included."""
    prefix = argument.keys
    if prefix:
        parts = prefix.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    yield from _nested(read_json(argument.value) or {}, prefix)


def _nested(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        dotted = f"{prefix}.{key}" if prefix else str(key)
        yield dotted
        if isinstance(value, dict):
            yield from _nested(value, dotted)


def read_count(text: str | None) -> int | None:
    """vLLM's human-readable numbers: 32768, 32k (32000), 32K (32768); None for anything else, `auto` too."""
    match = _HUMAN.fullmatch((text or "").strip())
    if match is None:
        return None
    return int(float(match[1]) * (_BINARY.get(match[2]) or _DECIMAL[match[2]]))
