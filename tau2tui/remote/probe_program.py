"""What only the cluster can say about a fleet before it is launched: one program, run once, that changes nothing.

    python3 probe_program.py SPEC        SPEC is JSON, see `remote.probe`; prints MARK and one JSON object behind it

Standard library only, Python 3.8 and newer: it is handed to the login node's Python as an argument. Whatever cannot be
found out is named under "not_checked" and left out; values of environment variables and of keys are never read.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MARK = "@@tau2tui-probe@@"
VLLM_TIMEOUT_S = 180
"""vLLM imports torch before it says anything: ten seconds from a local disk, minutes from a cold shared one."""
SLURM_TIMEOUT_S = 30
TEXT_LIMIT = 1 << 16
TOKENIZER_LIMIT = 64 << 20
CONFIG_KEYS = ("model_type", "num_attention_heads", "num_key_value_heads", "max_position_embeddings")
TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "tokenizer.json")
PYTHON_TAG = b"<|python_tag|>"


def run(argv: list[str], timeout_s: int, stdin: str = "") -> dict[str, Any]:
    """How a command ended; status None and an error if it could not be run or did not end."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        return {"status": None, "error": f"{argv[0]}: not found"}
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        return {"status": None, "error": f"{argv[0]}: {error}"}
    return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr, "error": ""}


def place_of(path: str) -> str:
    """file, directory, missing or unreadable."""
    here = Path(path)
    try:
        if not here.exists():
            return "missing"
    except OSError:
        return "unreadable"
    if not os.access(path, os.R_OK):
        return "unreadable"
    return "directory" if here.is_dir() else "file"


def read_text(path: Path) -> str:
    """The beginning of a file; empty if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(TEXT_LIMIT)
    except OSError:
        return ""


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object in a file; empty if there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def model_directory(path: str, hub_name: str, environment: dict[str, str]) -> Path | None:
    """Where the files of a model are: the checkpoint, or the snapshot in the hub's cache. None if there are none."""
    if path:
        return Path(path) if Path(path).is_dir() else None

    def setting(name: str, default: str) -> str:
        return os.path.expandvars(environment.get(name) or os.environ.get(name) or default)

    home = setting("HF_HOME", setting("XDG_CACHE_HOME", "~/.cache") + "/huggingface")
    model = Path(setting("HF_HUB_CACHE", home + "/hub")).expanduser() / ("models--" + hub_name.replace("/", "--"))
    revision = read_text(model / "refs" / "main").strip()
    snapshots = [model / "snapshots" / revision] if revision else sorted(model.glob("snapshots/*"))
    return next((snapshot for snapshot in reversed(snapshots) if (snapshot / "config.json").exists()), None)


def look_at_model(path: str, hub_name: str, environment: dict[str, str]) -> dict[str, Any]:
    """Its shape, its weight files and its tokenizer, as far as its directory says."""
    directory = model_directory(path, hub_name, environment)
    if directory is None:
        return {"directory": ""}
    config = read_object(directory / "config.json")
    text = config.get("text_config")
    config = {**(text if isinstance(text, dict) else {}), **config}
    index = read_object(directory / "model.safetensors.index.json").get("weight_map")
    shards = sorted(set(index.values())) if isinstance(index, dict) else []
    tokenizer = read_object(directory / "tokenizer_config.json")
    return {
        "directory": str(directory),
        "config": {key: config.get(key) for key in CONFIG_KEYS},
        "rope_scaling": stretches(config),
        "missing_shards": [name for name in shards if not (directory / name).exists()],
        "has_python_tag": has_python_tag(directory),
        "chat_template": read_text(directory / "chat_template.jinja") or own_template(tokenizer.get("chat_template")),
    }


def stretches(config: dict[str, Any]) -> bool:
    """Whether its context may be longer than max_position_embeddings; transformers 5 writes rope_parameters."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return bool(rope.get("rope_type", rope.get("type", "default")) != "default")


def own_template(value: Any) -> str:
    """A tokenizer's chat template: a text, or a list of named ones."""
    if isinstance(value, list):
        named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
        value = named.get("tool_use") or named.get("default")
    return value[:TEXT_LIMIT] if isinstance(value, str) else ""


def has_python_tag(directory: Path) -> bool | None:
    """Whether the tokenizer knows the token; None if it has no files that would say so."""
    known = None
    for name in TOKENIZER_FILES:
        try:
            with (directory / name).open("rb") as file:
                if PYTHON_TAG in file.read(TOKENIZER_LIMIT):
                    return True
        except OSError:
            continue
        known = False if name == "tokenizer.json" else known
    return known


def look_at_disk(path: str) -> dict[str, Any]:
    """Room below a path that may not be there yet: its nearest parent's file system."""
    here = Path(path)
    while not here.exists() and here != here.parent:
        here = here.parent
    status = os.statvfs(str(here))
    return {
        "path": path,
        "free_bytes": status.f_bavail * status.f_frsize,
        "free_inodes": status.f_favail if status.f_files else None,
        "writable": os.access(str(here), os.W_OK | os.X_OK),
    }


def fingerprint(command: list[str]) -> str:
    """Changes when one of the files that a command names does: a new vLLM replaces its program, an image its file."""
    parts = []
    for word in command:
        real = Path(shutil.which(word) or word).expanduser().resolve()
        if real.is_file():
            status = real.stat()
            parts.append([word, str(real), status.st_mtime_ns, status.st_size])
    return json.dumps(parts)


def limits() -> dict[str, Any]:
    """What the kernel allows here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found: dict[str, Any] = {"open_files": None if hard == resource.RLIM_INFINITY else hard}
    memory = os.statvfs("/dev/shm")  # noqa: S108 - looked at, not written
    found["shared_memory_bytes"] = memory.f_blocks * memory.f_frsize
    ipv4 = Path("/proc/sys/net/ipv4")
    found["ephemeral_ports"] = [int(port) for port in (ipv4 / "ip_local_port_range").read_text().split()]
    found["first_unprivileged_port"] = int((ipv4 / "ip_unprivileged_port_start").read_text())
    return found


def look(spec: dict[str, Any]) -> dict[str, Any]:
    """All of it; programs run beside each other."""
    answer: dict[str, Any] = {"host": socket.gethostname(), "not_checked": []}

    def note(what: str, check: Callable[[], Any]) -> Any:
        try:
            return check()
        except (OSError, ValueError, RuntimeError) as error:
            answer["not_checked"].append(f"{what}: {error}")
            return None

    with ThreadPoolExecutor(4) as pool:
        vllm = {}
        command = spec["command"]
        answer["fingerprint"] = note("the program of vLLM", lambda: fingerprint(command)) if command else ""
        if command and answer["fingerprint"] != spec["fingerprint"]:
            vllm["help"] = pool.submit(run, [*command, "--help=all"], VLLM_TIMEOUT_S)
            vllm["version"] = pool.submit(run, [*command[:-1], "--version"], VLLM_TIMEOUT_S)
        sbatch = [pool.submit(run, ["sbatch", "--test-only"], SLURM_TIMEOUT_S, text) for text in spec["headers"]]
        slurm = (
            {"sinfo": pool.submit(run, ["sinfo", "--noheader", "--format=%R|%l"], SLURM_TIMEOUT_S)} if sbatch else {}
        )
        quota = pool.submit(run, ["quota", "-w", "-p"], SLURM_TIMEOUT_S)

        environment = spec["environment"]
        answer["paths"] = {path: place_of(path) for path in spec["paths"]}
        answer["templates"] = {path: read_text(Path(path)) for path in spec["templates"]}
        answer["models"] = {
            name: look_at_model(model["path"], model["hub"], environment) for name, model in spec["models"].items()
        }
        disks = {what: note(what, partial(look_at_disk, path)) for what, path in spec["disks"].items()}
        answer["disks"] = {what: disk for what, disk in disks.items() if disk}
        answer["limits"] = note("limits", limits) or {}
        answer["variables"] = {name: bool(os.environ.get(name)) for name in spec["variables"]}

        answer["vllm"] = {name: future.result() for name, future in vllm.items()}
        answer["sbatch"] = [future.result() for future in sbatch]
        answer["sinfo"] = slurm["sinfo"].result() if slurm else None
        answer["quota"] = quota.result()
    return answer


if __name__ == "__main__":
    sys.stdout.write(f"\n{MARK}{json.dumps(look(json.loads(sys.argv[1])))}\n")
