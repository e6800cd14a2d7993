"""What was found out about a cluster before a launch. Whatever is missing is unknown, and is never judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tau2tui.core.vllm_flags import ServeFlags, shipped_for


class Place(StrEnum):
    """What is at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What the files of one model say; None: they do not say."""

    directory: str = ""
    """Where they were read: the checkpoint, or the hub's cache; empty if there are none."""
    model_type: str = ""
    """`model_type` of its config.json, such as gpt_oss."""
    attention_heads: int | None = None
    kv_heads: int | None = None
    max_position_embeddings: int | None = None
    rope_scaling: bool = False
    """Its context may be stretched beyond max_position_embeddings."""
    missing_shards: tuple[str, ...] = ()
    """Files that its index of weights names and that are not there."""
    has_python_tag: bool | None = None
    """Whether its tokenizer knows <|python_tag|>."""
    chat_template: str = ""
    """Its own chat template."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What `sbatch --test-only` said of some jobs that ask for the same."""

    jobs: tuple[str, ...]
    accepted: bool
    message: str


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, as sinfo shows it."""

    name: str
    time_limit_s: float | None
    """None: none, or not known."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system below a path."""

    what: str
    """The key in config.toml that names the path."""
    path: str
    free_bytes: int
    free_inodes: int | None
    """None: the file system does not count them."""
    writable: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a quota is used on one file system, as `quota` shows it."""

    file_system: str
    used: float
    """Share of the limit; may be more than 1."""
    what: str
    """blocks or files."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. What was asked of one machine is named by `host`: compute nodes may differ."""

    host: str = ""
    """Where the facts are from; empty: nobody was asked."""
    vllm_version: str = ""
    vllm_flags: ServeFlags | None = None
    """The options of the installed vLLM, by its own help."""
    vllm_error: str = ""
    """Why vLLM could not be asked there, in its own words."""
    paths: Mapping[str, Place] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    """Path on the cluster → text of the chat template."""
    models: Mapping[str, ModelFiles] = field(default_factory=dict)
    """Expert → its model's files."""
    submissions: tuple[Submission, ...] = ()
    partitions: tuple[Partition, ...] | None = None
    disks: tuple[Disk, ...] = ()
    quotas: tuple[Quota, ...] = ()
    open_files: int | None = None
    """The hard limit: the node agent raises the soft one to it."""
    shared_memory_bytes: int | None = None
    """Size of /dev/shm."""
    ephemeral_ports: tuple[int, int] | None = None
    """First and last port that the kernel gives to outgoing connections."""
    first_unprivileged_port: int | None = None
    variables: Mapping[str, bool] = field(default_factory=dict)
    """Name of an environment variable → whether it is set. Values are never read."""
    not_checked: tuple[str, ...] = ()
    """What could not be found out, and why."""

    @property
    def flags(self) -> ServeFlags | None:
        """The options of the vLLM that will serve: its own, or those shipped for exactly its version."""
        return self.vllm_flags or shipped_for(self.vllm_version)

    def model(self, expert: str) -> ModelFiles:
        """What is known of an expert's model."""
        return self.models.get(expert, ModelFiles())


NOTHING_KNOWN = Facts()
