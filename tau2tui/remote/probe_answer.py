"""What `probe_program.py` printed → `core.lint.Facts`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tau2tui.core.lint.facts import Disk, Facts, ModelFiles, Partition, Place, Quota, Submission
from tau2tui.core.slurm_time import slurm_seconds
from tau2tui.core.vllm_flags import ServeFlags, parse_help, shipped_for, version_of

_NO_CONTROLLER = (
    "Unable to contact slurm controller",
    "Could not establish a configuration source",
    "Socket timed out",
    "Zero Bytes were transmitted",
)

Answer = Mapping[str, Any]


def facts_from(answer: Answer, jobs: Sequence[tuple[str, ...]], known: ServeFlags | None) -> Facts:
    """Read the answer. `jobs`: those that each tested header stood for; `known`: vLLM's options, if not asked anew.

    Raises ValueError, KeyError, TypeError or AttributeError if it is not of its form.
    """
    limits = answer["limits"]
    submissions, silent = _submissions(answer["sbatch"], jobs)
    partitions, no_partitions = _partitions(answer["sinfo"])
    flags, vllm_error = _vllm(answer["vllm"], known)
    return Facts(
        host=answer["host"],
        vllm_version=flags.version if flags else "",
        vllm_flags=flags,
        vllm_error=vllm_error,
        paths={path: Place(place) for path, place in answer["paths"].items()},
        templates={path: text for path, text in answer["templates"].items() if text},
        models={name: _model_files(model) for name, model in answer["models"].items()},
        submissions=submissions,
        partitions=partitions,
        disks=tuple(Disk(what=what, **disk) for what, disk in answer["disks"].items()),
        quotas=parse_quotas(answer["quota"].get("stdout", "")),
        open_files=limits.get("open_files"),
        shared_memory_bytes=limits.get("shared_memory_bytes"),
        ephemeral_ports=tuple(limits["ephemeral_ports"]) if "ephemeral_ports" in limits else None,
        first_unprivileged_port=limits.get("first_unprivileged_port"),
        variables=answer["variables"],
        not_checked=(*answer["not_checked"], *silent, *no_partitions),
    )


def _submissions(
    results: Sequence[Answer], jobs: Sequence[tuple[str, ...]]
) -> tuple[tuple[Submission, ...], tuple[str, ...]]:
    """What SLURM said of the headers, and what it did not say: a silent controller refuses nothing."""
    said, silent = [], []
    for names, result in zip(jobs, results, strict=True):
        message = _complaint(result)
        if result["status"] is None or any(words in message for words in _NO_CONTROLLER):
            silent.append(f"sbatch --test-only: {message}")
        else:
            said.append(Submission(names, result["status"] == 0, message))
    return tuple(said), tuple(dict.fromkeys(silent))


def _partitions(sinfo: Answer | None) -> tuple[tuple[Partition, ...] | None, tuple[str, ...]]:
    if sinfo is None:
        return None, ()
    if sinfo["status"] != 0:
        return None, (f"partitions: {_complaint(sinfo)}",)
    return parse_partitions(sinfo["stdout"]), ()


def parse_partitions(text: str) -> tuple[Partition, ...]:
    """`sinfo --format=%R|%l`: one line for each group of nodes, so a partition may come several times."""
    limits = dict(line.rsplit("|", 1) for line in text.splitlines() if "|" in line)
    return tuple(Partition(name.strip(), slurm_seconds(limit.strip())) for name, limit in limits.items())


def _model_files(model: Answer) -> ModelFiles:
    if not model["directory"]:
        return ModelFiles()
    config = model["config"]
    return ModelFiles(
        directory=model["directory"],
        model_type=config["model_type"] or "",
        attention_heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        max_position_embeddings=config["max_position_embeddings"],
        rope_scaling=model["rope_scaling"],
        missing_shards=tuple(model["missing_shards"]),
        has_python_tag=model["has_python_tag"],
        chat_template=model["chat_template"],
    )


def _vllm(answer: Answer, known: ServeFlags | None) -> tuple[ServeFlags | None, str]:
    """The options of the installed vLLM, or why it did not tell them; without an answer what was known before."""
    if not answer:
        return known, ""
    text, version = answer["help"], answer["version"]
    if text["status"] != 0:
        return None, _complaint(text)
    versions = [line.strip() for line in version.get("stdout", "").splitlines() if version_of(line)]
    try:
        flags = parse_help(text["stdout"], versions[-1] if versions else "of unknown version")
    except ValueError as error:
        return None, str(error)
    # No help tells the keys of JSON options: they are from the shipped list of the same version.
    shipped = shipped_for(flags.version)
    return (replace(flags, fields=shipped.fields) if shipped else flags), ""


def _complaint(result: Answer) -> str:
    """The last line that a program said, or why it could not be run."""
    lines = (result.get("stderr") or result.get("stdout") or "").strip().splitlines()
    error: str = result["error"]
    return error or (lines[-1].strip()[:300] if lines else f"status {result['status']}, and no word")


_USED_SOFT_HARD_GRACE = r"\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+\S+"
_QUOTA = re.compile(rf"\s*(\S+){_USED_SOFT_HARD_GRACE}{_USED_SOFT_HARD_GRACE}\s*")


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """`quota -w -p`: a file system, then used, soft limit, hard limit and grace, of KiB blocks and of files.

    `*` marks what is above the soft limit; a limit of 0 is none.
    """
    quotas = []
    for match in filter(None, map(_QUOTA.fullmatch, text.splitlines())):
        name, *numbers = match.groups()
        for what, (used, soft, hard) in zip(("blocks", "files"), (numbers[:3], numbers[3:]), strict=True):
            limit = int(soft) or int(hard)
            if limit:
                quotas.append(Quota(name, int(used) / limit, what))
    return tuple(quotas)
