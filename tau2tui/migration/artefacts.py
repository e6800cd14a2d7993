"""Find what the seed's scripts use and leave: node scripts, the table of endpoints, directories of logs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tau2tui.core.layout import RESULTS
from tau2tui.core.log_names import EVALUATION_LOG, JOB_OUTPUT
from tau2tui.errors import ConfigError, NothingToRead, Refused

_SCRIPTS = (".sh", ".bash", ".sbatch", ".slurm", ".job")
_SERVES = re.compile(rb"vllm[\s\\]+serve|vllm\.entrypoints\.openai\.api_server")
_TABLE = re.compile(r"model_config.*\.json")
_MOST_SCRIPT = 1 << 20
_HEAD = 1 << 16


@dataclass(slots=True)
class Artefacts:
    """What was found, each in the order of its name."""

    scripts: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    """Directories."""
    outputs: list[Path] = field(default_factory=list)
    """Directories."""
    job_outputs: list[Path] = field(default_factory=list)


def find_artefacts(paths: Sequence[Path]) -> Artefacts:
    """Look at files, and into directories, their own entries only.

    Raises NothingToRead if there is nothing of the kind, Refused if there are two where one is meant.
    """
    found = Artefacts()
    for path in paths:
        if not path.exists():
            raise NothingToRead(f"{path}: no such file or directory")
        if path.is_dir():
            _directory(path, found, named=True)
        else:
            _file(path, found, named=True)
    for name in ("scripts", "tables", "logs", "outputs", "job_outputs"):
        setattr(found, name, list({path.resolve(): path for path in getattr(found, name)}.values()))
    if not (found.scripts or found.tables):
        looked = ", ".join(map(str, paths))
        raise NothingToRead(
            f"{looked}: no script that starts `vllm serve`, and no model_config*.json",
            "name them; logs alone are opened by tau2tui --logs DIR",
        )
    for name, several in (("log directories", found.logs), ("output directories", found.outputs)):
        if len(several) > 1:
            shown = ", ".join(path.name for path in several)
            raise Refused(f"several {name}: {shown}", "name the files and directories that belong to one run")
    if len(found.tables) > 1:
        shown = ", ".join(path.name for path in found.tables)
        raise Refused(f"several tables of endpoints: {shown}", "name the one that belongs to the run")
    return found


def read_text(path: Path) -> str:
    """The text of a script. Raises ConfigError."""
    try:
        raw = path.read_bytes()
        if len(raw) > _MOST_SCRIPT:
            raise ConfigError(f"{path}: {len(raw) >> 20} MiB are no script")
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def files_below(directory: Path) -> list[Path]:
    """All plain files in a directory and below it; links to directories are not followed."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _directory(path: Path, found: Artefacts, *, named: bool) -> None:
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.is_file()]
    if any(EVALUATION_LOG.fullmatch(file.name) for file in files):
        found.logs.append(path)
        return
    if _holds_results(path, files):
        found.outputs.append(path)
        return
    if not named:
        return
    for entry in entries:
        if entry.is_dir():
            _directory(entry, found, named=False)
        else:
            _file(entry, found, named=False)


def _file(path: Path, found: Artefacts, *, named: bool) -> None:
    if _TABLE.fullmatch(path.name):
        found.tables.append(path)
    elif JOB_OUTPUT.fullmatch(path.name):
        found.job_outputs.append(path)
    elif path.suffix in _SCRIPTS or named:
        if _SERVES.search(_head(path, _MOST_SCRIPT)):
            found.scripts.append(path)
        elif named:
            raise NothingToRead(f"{path}: neither a script that starts `vllm serve` nor a model_config*.json")


def _holds_results(path: Path, files: Iterable[Path]) -> bool:
    """Whether tau2's results lie in it, or the name says so."""
    jsons = [file for file in files if file.suffix == ".json" and not _TABLE.fullmatch(file.name)]
    jsons += path.glob(f"*/{RESULTS}")
    return bool(jsons) and ("output" in path.name.lower() or any(is_results(file) for file in jsons))


def is_results(path: Path) -> bool:
    """Whether a file begins like results of tau2: an object with its info, tasks or simulations."""
    head = _head(path, _HEAD).lstrip()
    return head.startswith(b"{") and any(f'"{key}"'.encode() in head for key in ("simulations", "tasks"))


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
