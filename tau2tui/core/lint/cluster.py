"""Rules about the cluster: what SLURM will say to the jobs, and what the machines have left."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from tau2tui.config import Config
from tau2tui.core.lint.facts import Facts
from tau2tui.core.lint.rule import Rule, Severity, Trouble
from tau2tui.core.slurm_time import slurm_seconds

_GIB = 1 << 30
_FREE_BYTES = 10 * _GIB
_FREE_INODES = 10_000
_QUOTA_USED = 0.95
_OPEN_FILES = 8192
_SHARED_MEMORY_BYTES = 1 * _GIB
_PASSING = ("Requested node configuration is not available", "Requested nodes are busy")
"""sbatch --test-only says these also while the nodes are down or drained."""


def sbatch_refused(config: Config, facts: Facts) -> Iterator[Trouble]:
    for submission in facts.submissions:
        if not submission.accepted:
            passing = any(words in submission.message for words in _PASSING)
            jobs = submission.jobs[0] + (f" and {len(submission.jobs) - 1} more" if len(submission.jobs) > 1 else "")
            yield Trouble(
                "slurm",
                f"sbatch --test-only refuses {jobs}: {submission.message}",
                "ask for less, or see `sinfo`: it says so also while the nodes are down" if passing else "",
                Severity.WARNING if passing else None,
            )


def _partitions(config: Config) -> list[str]:
    return [name for name in config.slurm.partition.split(",") if name]


def unknown_partition(config: Config, facts: Facts) -> Iterator[Trouble]:
    if facts.partitions is None:
        return
    known = [partition.name for partition in facts.partitions]
    for name in _partitions(config):
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            yield Trouble("slurm.partition", f"there is no partition {name!r}", hint)


def time_limit(config: Config, facts: Facts) -> Iterator[Trouble]:
    wanted = [partition for partition in facts.partitions or () if partition.name in _partitions(config)]
    asked_s = slurm_seconds(config.slurm.time)
    limits = [partition.time_limit_s for partition in wanted if partition.time_limit_s is not None]
    if asked_s is not None and wanted and len(limits) == len(wanted) and asked_s > max(limits):
        names = ", ".join(partition.name for partition in wanted)
        yield Trouble("slurm.time", f"{config.slurm.time} is more than {names} allows: {max(limits) / 3600:g} hours")


def disk_full(config: Config, facts: Facts) -> Iterator[Trouble]:
    for disk in facts.disks:
        if not disk.writable:
            yield Trouble(disk.what, f"{disk.path} cannot be written by you on {facts.host}")
        elif disk.free_bytes < _FREE_BYTES:
            left = f"{disk.free_bytes / _GIB:.1f} GiB"
            yield Trouble(
                disk.what, f"only {left} are left below {disk.path} on {facts.host}", severity=Severity.WARNING
            )
        elif disk.free_inodes is not None and disk.free_inodes < _FREE_INODES:
            left = f"only {disk.free_inodes} files more fit below {disk.path} on {facts.host}"
            yield Trouble(disk.what, left, severity=Severity.WARNING)


def quota_full(config: Config, facts: Facts) -> Iterator[Trouble]:
    for quota in facts.quotas:
        if quota.used >= _QUOTA_USED:
            yield Trouble(
                "run.directory", f"{100 * quota.used:.0f} % of your {quota.what} on {quota.file_system} are used"
            )


def open_files(config: Config, facts: Facts) -> Iterator[Trouble]:
    if facts.open_files is not None and facts.open_files < _OPEN_FILES:
        yield Trouble("environment", f"the hard limit of open files is {facts.open_files} on {facts.host}")


def shared_memory(config: Config, facts: Facts) -> Iterator[Trouble]:
    sharing = [name for name, expert in config.experts.items() if expert.tensor_parallel > 1]
    size = facts.shared_memory_bytes
    if sharing and size is not None and size < _SHARED_MEMORY_BYTES:
        yield Trouble(
            f"experts.{sharing[0]}.tensor_parallel",
            f"shared memory (/dev/shm) is {size / (1 << 20):.0f} MiB on {facts.host}",
        )


def not_checked(config: Config, facts: Facts) -> Iterator[Trouble]:
    for what in facts.not_checked:
        yield Trouble("cluster", f"not checked: {what}")


RULES = (
    Rule(
        "sbatch-refused",
        Severity.ERROR,
        "The job would be refused when it is submitted, or would never start.",
        "mend [slurm] as SLURM says",
        "sbatch(1), --test-only",
        sbatch_refused,
    ),
    Rule(
        "unknown-partition",
        Severity.ERROR,
        "sbatch refuses the job: `Invalid partition name specified`.",
        "use one that sinfo lists",
        "sbatch(1), sinfo(1)",
        unknown_partition,
    ),
    Rule(
        "time-limit",
        Severity.ERROR,
        "The job is refused, or waits for ever with the reason PartitionTimeLimit: without EnforcePartLimits sbatch "
        "and its --test-only both let it pass.",
        "ask for less time, or another partition",
        "SLURM 22.05, tried; slurm.conf(5), EnforcePartLimits",
        time_limit,
    ),
    Rule(
        "disk-full",
        Severity.ERROR,
        "Logs, compile caches and results are written there: `No space left on device` ends servers and loses results.",
        "make room, or name another directory",
        "vllm#3568; statvfs(3) on the machine that was asked",
        disk_full,
    ),
    Rule(
        "quota-full",
        Severity.WARNING,
        "`Disk quota exceeded`: compile caches and the hub's downloads fill home directories.",
        "make room, or move serve.cache, run.directory and HF_HOME to scratch",
        "quota(1)",
        quota_full,
    ),
    Rule(
        "open-files",
        Severity.WARNING,
        "A server holds a file for each connection: `Too many open files` under load. SLURM gives jobs the limits of "
        "the shell that submits them.",
        "ask the administrators for a higher hard limit, or lower max_concurrency",
        "vllm/utils/system_utils.py, set_ulimit; vllm#7920; slurm.conf(5), PropagateResourceLimits",
        open_files,
    ),
    Rule(
        "shared-memory",
        Severity.WARNING,
        "The workers of one replica talk through /dev/shm; if it is too small NCCL ends in `unhandled system error`.",
        "look on a compute node: df /dev/shm; containers need --shm-size or --ipc=host",
        "vLLM's troubleshooting guide, multi-GPU; NCCL's guide, shared memory",
        shared_memory,
        vllm_only=True,
    ),
    Rule(
        "not-checked",
        Severity.INFO,
        "What nobody could answer was not judged: it may be right or wrong.",
        "ask again when the machine answers",
        "–",
        not_checked,
    ),
)
