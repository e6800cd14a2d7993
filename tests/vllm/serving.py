"""The real vLLM of .venv-vllm and the model that is made for it: what its tests and its bench start from."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tau2tui.chat_templates import template_text
from tau2tui.node.agent import PROBE_TOOL

VENV = Path(__file__).parents[2] / ".venv-vllm"
PROGRAM = VENV / "bin/vllm"
MODEL = "org/Tiny"
ANSWER = '<tool_call>\n{"name": "report_ready", "arguments": {"ready": true}}\n</tool_call>'
"""All that the model ever says: a tool call as the `hermes` parser reads it."""

ARGUMENTS: dict[str, Any] = {
    "max-model-len": 4096,
    "enforce-eager": True,
    # The rest keeps a start on two cores short: no room to be made for a model that needs none, and no third process.
    "kv-cache-memory-bytes": 32 * 2**20,
    "distributed-executor-backend": "uni",
}
"""Of every server, by name, as in `args` of config.toml."""


def make_model(directory: Path) -> Path:
    """Have the model made; it is deterministic, so that greedy decoding gives ANSWER each time."""
    lesson = {"template": template_text("hermes"), "tools": [PROBE_TOOL], "answer": ANSWER}
    program = Path(__file__).with_name("make_model.py")
    made = subprocess.run(
        [VENV / "bin/python", program, directory],
        input=json.dumps(lesson),
        capture_output=True,
        text=True,
        env={**os.environ, **environment(directory.parent)},
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return directory


def environment(directory: Path) -> dict[str, str]:
    """Variables by which vLLM writes nothing outside a directory, and asks nobody outside this machine."""
    temporary = directory / "tmp"  # its sockets are here: the path must stay short
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "TMPDIR": str(temporary),
        "HF_HOME": str(directory / "hf"),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "XDG_CONFIG_HOME": str(directory / "config"),
        "VLLM_CACHE_ROOT": str(directory / "cache/vllm"),
        "VLLM_CONFIG_ROOT": str(directory / "config/vllm"),
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # with "uni": engine and worker are one process
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }


def fleet_config(directory: Path, experts: dict[str, dict[str, Any]], **serve: Any) -> dict[str, Any]:
    """A config.toml: replicas of real vLLM as processes of this machine, everything that they write in `directory`.

    `experts`: what differs from an expert of MODEL with the `hermes` parser; its checkpoint is `directory / "model"`.
    """
    common = {
        "model": MODEL,
        "checkpoint": str(directory / "model"),
        "tool_call_parser": "hermes",
        "chat_template": "builtin:hermes",
        "node": 1,
        "stagger_s": 0,
    }
    return {
        "run": {"directory": str(directory / "runs")},
        "cluster": {"scheduler": "local"},
        "environment": {"variables": environment(directory)},
        "serve": {
            "command": [str(PROGRAM), "serve"],
            "host": "127.0.0.1",
            "cache": str(directory / "cache"),
            "restart": {"attempts": 3, "backoff_s": 3600, "backoff_max_s": 3600},
            **serve,
        },
        "experts": {name: {**common, "args": ARGUMENTS, **expert} for name, expert in experts.items()},
    }
