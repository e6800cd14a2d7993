"""`scripts/vllm-flags PYTHON...`: ask each vLLM for its options and write them to the shipped list."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tau2tui.core.vllm_flags import parse_help, to_json

VERSIONS = Path(__file__).parents[2] / "tau2tui/core/vllm_versions"

FIELDS = """
import dataclasses, json, typing
from vllm.config import VllmConfig

def tables(kind):
    for name, hint in typing.get_type_hints(kind).items():
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                yield name, inner

def keys(kind):
    return [field.name for field in dataclasses.fields(kind) if field.init]

found = {}
whole = dict(tables(VllmConfig))  # parts of these are written by vLLM itself, not by people
for name, kind in whole.items():
    option = "--" + name.replace("_", "-")
    found[option] = keys(kind)
    for part, inner in tables(kind):
        if inner not in whole.values():
            found[option + "." + part] = keys(inner)
print("\\n" + json.dumps(found))
"""
"""Run by the vLLM's own Python: the keys of every option that is a dataclass there, as the last line it prints."""


def ask(python: str, *arguments: str) -> str:
    """What a Python prints. Raises CalledProcessError."""
    return subprocess.run([python, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def main(pythons: list[str]) -> None:
    for python in pythons:
        version = (
            ask(python, "-c", "import importlib.metadata as m; print(m.version('vllm'))").strip().partition("+")[0]
        )
        flags = parse_help(ask(python, "-m", "vllm.entrypoints.cli.main", "serve", "--help=all"), version)
        fields: dict[str, list[str]] = json.loads(ask(python, "-c", FIELDS).splitlines()[-1])
        known = {key: frozenset(names) for key, names in fields.items() if key.partition(".")[0] in flags.names}
        target = VERSIONS / f"{version}.json"
        target.write_text(json.dumps(to_json(replace(flags, fields=known)), indent=1) + "\n")
        print(
            f"{target.name}: {len(flags.names)} spellings, {len(flags.tool_call_parsers)} parsers, {len(known)} tables"
        )


main(sys.argv[1:])
