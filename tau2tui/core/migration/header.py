"""The `#SBATCH` lines of a script → the section [slurm]."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from tau2tui.core.migration.leftover import Leftover, looks_secret
from tau2tui.errors import Refused

_SHORT = {
    "-J": "--job-name", "-p": "--partition", "-t": "--time", "-A": "--account", "-q": "--qos", "-N": "--nodes",
    "-w": "--nodelist", "-x": "--exclude", "-C": "--constraint", "-o": "--output", "-e": "--error", "-n": "--ntasks",
    "-G": "--gpus", "-s": "--oversubscribe", "-O": "--overcommit", "-d": "--dependency", "-D": "--chdir",
    "-a": "--array", "-c": "--cpus-per-task",
}  # fmt: skip
_TEXT = ("partition", "time", "account", "qos", "mem", "constraint", "reservation")
_LISTS = ("nodelist", "exclude")
_OURS = {
    "output": "each job writes jobs/<job>.out in its run",
    "error": "each job writes jobs/<job>.err in its run",
    "open-mode": "always append",
    "signal": "slurm.grace_s says when the job is told",
    "chdir": "jobs start in their run directory",
    "nodes": "always 1: one job for each node",
    "comment": "the comment names the run",
}
_REFUSED = ("array", "wrap", "het-group")


@dataclass(slots=True)
class Header:
    """What the lines ask for."""

    job_name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the section [slurm]; what a script does not ask for is switched off."""
    extra: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Setting → its line."""


def read_header(file: str, text: str) -> tuple[Header, list[Leftover]]:
    """The header of a script, and what of it is not taken over. Raises Refused for jobs of another kind."""
    header, left = Header(), []
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.startswith("#SBATCH")]
    if lines:
        header.settings = dict.fromkeys(("overcommit", "exclusive", "singleton"), False)
        header.settings |= {"mem": "", "ntasks_per_node": 0, "gpus_per_node": 0}
    for number, line in lines:
        for name, value in _options(line.removeprefix("#SBATCH")):
            why = _take(header, name, value, f"{file}:{number}")
            if why:
                kind = "replaced" if name in _OURS else "left"
                left.append(Leftover(file, number, line, why, kind))  # type: ignore[arg-type]
            else:
                header.lines[name] = number
    return header, left


def _options(text: str) -> list[tuple[str, str | None]]:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return [(text.strip(), None)]
    found: list[tuple[str, str | None]] = []
    while words:
        word = words.pop(0)
        if re.match(r"-[A-Za-z]", word):
            name, value = _SHORT.get(word[:2], word[:2]), word[2:].removeprefix("=") or None
        else:
            name, equals, rest = word.partition("=")
            value = rest if equals else None
        if value is None and words and not words[0].startswith("-"):
            value = words.pop(0)
        found.append((name.removeprefix("--"), value))
    return found


def _take(header: Header, name: str, value: str | None, where: str) -> str:
    """Put one option into the settings; else why it is not taken over."""
    settings = header.settings
    if name in _REFUSED:
        raise Refused(f"{where}: --{name} is not one job for each node", "take it out, and import again")
    if name == "nodes" and value not in (None, "1", "1-1"):
        raise Refused(f"{where}: --nodes={value} is not one job for each node", "write one script for each node")
    if name in _OURS:
        return _OURS[name]
    match name, value:
        case "job-name", str():
            header.job_name = value
        case (("overcommit" | "exclusive"), None):
            settings[name] = True
        case "requeue", None:
            settings["requeue"] = True
        case "no-requeue", None:
            settings["requeue"] = False
        case "dependency", "singleton":
            settings["singleton"] = True
        case "ntasks-per-node", str() if value.isdecimal():
            settings["ntasks_per_node"] = int(value)
        case (("gpus-per-node" | "gres"), str()) if found := re.fullmatch(
            r"(?:(gpu):)?(?:([A-Za-z]\w*):)?(\d+)", value
        ):
            if (name == "gres") != (found[1] == "gpu"):
                return "not understood"
            settings |= {"gpu_option": name, "gpu_type": found[2] or "", "gpus_per_node": int(found[3])}
        case _ if name in _TEXT and value is not None:
            settings[name] = value
        case _ if name in _LISTS and value is not None:
            settings[name] = tuple(re.findall(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)*", value))
        case _ if not re.fullmatch(r"[A-Za-z][A-Za-z-]*", name):
            return "not understood"
        case _:
            option = f"--{name}" if value is None else f"--{name}={value}"
            if name == "export" and value is not None and ("=" in value or looks_secret(value)):
                return "variables belong into [environment.variables], and keys into the environment"
            header.extra.append(option)
    return ""
