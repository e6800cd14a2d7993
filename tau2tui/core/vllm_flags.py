"""What `vllm serve` accepts: read from its own `--help=all`, or from the list of versions that is shipped.

The shipped list, `vllm_versions/*.json`, was written by `scripts/vllm-flags` from the programs themselves.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from tau2tui.core.printable import without_escapes

_INVOCATION = re.compile(r"^  (-{1,2}[A-Za-z].*)$", re.MULTILINE)
_NAME = re.compile(r"(?:^|, )(-{1,2}[A-Za-z][\w-]*)")
_CHOICES = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class ServeFlags:
    """The options of one version of vLLM."""

    version: str
    names: Mapping[str, str]
    """Every spelling, with its dashes → the first spelling of the same option."""
    tool_call_parsers: frozenset[str] = frozenset()
    """Empty: not known."""
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Option that takes JSON, such as "--compilation-config", or a part of it ("--compilation-config.pass_config") →
    the keys it takes. An option that is not in here is not known in depth."""

    def canonical(self, name: str) -> str | None:
        """The first spelling of an option, or None if there is none of that name.

        argparse takes a long name by any prefix that only one option has, and so does vLLM.
        """
        if name in self.names:
            return self.names[name]
        if not name.startswith("--"):
            return None
        longer = {first for spelling, first in self.names.items() if spelling.startswith(name)}
        return longer.pop() if len(longer) == 1 else None

    def nearest(self, name: str) -> str:
        """The option that looks most like an unknown one; empty if none does."""
        if SUCCESSORS.get(name) in self.names:
            return SUCCESSORS[name]
        return next(iter(difflib.get_close_matches(name, self.names, n=1, cutoff=0.7)), "")


SUCCESSORS = {"--chat-template-kwargs": "--default-chat-template-kwargs"}
"""Options that people look for under a name which a request has, or an older version had."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A key inside a JSON option that has another name in newer versions."""

    option: str
    old: str
    new: str
    gone_in: tuple[int, ...]
    """The first version that refuses the old name."""


_PASS_CONFIG = {
    "enable_fusion": "fuse_norm_quant",
    "enable_attn_fusion": "fuse_attn_quant",
    "enable_noop": "eliminate_noops",
    "enable_sequence_parallelism": "enable_sp",
    "enable_async_tp": "fuse_gemm_comms",
    "enable_fi_allreduce_fusion": "fuse_allreduce_rms",
}
# vllm/config/compilation.py: 0.12.0 takes both and warns, 0.13.0 refuses the old ones.
RENAMES = tuple(
    Rename("--compilation-config", f"pass_config.{old}", f"pass_config.{new}", (0, 13))
    for old, new in _PASS_CONFIG.items()
)


def parse_help(text: str, version: str) -> ServeFlags:
    """Read the output of `vllm serve --help=all`. Raises ValueError if there are no options in it."""
    names: dict[str, str] = {}
    parsers: frozenset[str] = frozenset()
    for match in _INVOCATION.finditer(without_escapes(text)):
        invocation = match[1].partition("  ")[0]  # what follows two blanks is the beginning of the explanation
        spellings = _NAME.findall(invocation)
        names.update(dict.fromkeys(spellings, spellings[0]))
        if "--tool-call-parser" in spellings and (choices := _CHOICES.search(invocation)):
            parsers = frozenset(choices[1].split(","))
    if "--port" not in names:
        raise ValueError("this is not the help of `vllm serve`: it has no option --port")
    return ServeFlags(version, names, parsers)


def version_of(text: str) -> tuple[int, ...]:
    """`0.32.0+cpu` → (0, 32, 0); empty if it is no version."""
    match = re.match(r"\d+(\.\d+)*", text.strip())
    return tuple(int(part) for part in match[0].split(".")) if match else ()


@functools.cache
def shipped() -> tuple[ServeFlags, ...]:
    """The versions that are known without asking anybody, the oldest first."""
    files = resources.files("tau2tui.core").joinpath("vllm_versions").iterdir()
    known = [from_json(json.loads(file.read_text(encoding="utf-8"))) for file in files if file.name.endswith(".json")]
    return tuple(sorted(known, key=lambda flags: version_of(flags.version)))


def shipped_for(version: str) -> ServeFlags | None:
    """The shipped options of exactly this version, whatever it was built for."""
    wanted = version_of(version)
    return next((flags for flags in shipped() if wanted and version_of(flags.version) == wanted), None)


def to_json(flags: ServeFlags) -> dict[str, Any]:
    """One string for each option, its spellings separated by blanks."""
    spellings: dict[str, list[str]] = {}
    for name, first in flags.names.items():
        spellings.setdefault(first, []).append(name)
    return {
        "version": flags.version,
        "options": sorted(" ".join(names) for names in spellings.values()),
        "tool_call_parsers": sorted(flags.tool_call_parsers),
        "fields": {key: sorted(names) for key, names in sorted(flags.fields.items())},
    }


def from_json(data: Mapping[str, Any]) -> ServeFlags:
    """The reverse of `to_json`. Raises KeyError, TypeError or AttributeError for anything else."""
    groups = [line.split() for line in data["options"]]
    return ServeFlags(
        version=data["version"],
        names={name: group[0] for group in groups for name in group},
        tool_call_parsers=frozenset(data["tool_call_parsers"]),
        fields={key: frozenset(names) for key, names in data["fields"].items()},
    )
