"""What can be asked: the name of a class is the word, its fields are the arguments, its docstring is the help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tau2tui.config import EvaluationConfig, ExpertConfig
from tau2tui.core.gpus import NodeGpus

RequestValue = int | float | str | None
"""What a request may carry: a number, or the name of a unit."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Submit the fleet, one job for each node, wait until every replica is proved ready, and write the endpoints."""

    wait: bool = True
    exclude: tuple[str, ...] = ()
    """Nodes on which no job must start."""


@dataclass(frozen=True, slots=True)
class Relaunch:
    """Start replicas again in their jobs: what is left of them is ended first, the others and the evaluation go on."""

    replicas: tuple[str, ...]
    experts: Mapping[str, ExpertConfig] = field(default_factory=dict)
    """Experts whose settings have changed: they hold for each replica from its next start on."""


@dataclass(frozen=True, slots=True)
class RelaunchJob:
    """Stop the job of one node, submit it again, and wait until its replicas are ready; the other nodes go on."""

    job: str
    exclude: tuple[str, ...] = ()
    """Nodes on which it must not start again."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Submit successors of jobs: each starts on another node, takes over when it is ready, and the old one drains."""

    job: str = ""
    """The one that is meant; empty: all of the run."""
    now: bool = False
    """At once, instead of `slurm.hand_over_s` before the time limit of the old one."""
    exclude: tuple[str, ...] = ()
    """More nodes than the old one's on which it must not start."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop replicas, or the jobs of nodes, or everything of the run, and prove that it is gone."""

    replicas: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    """By name; without either: everything."""


@dataclass(frozen=True, slots=True)
class StartEval:
    """Start the evaluation as a process of its own; units that finished before are not run again."""

    evaluation: EvaluationConfig


@dataclass(frozen=True, slots=True)
class StartSmoke:
    """Run a few tasks of each domain and of each expert alone, and check what comes back; results stay as they are."""

    evaluation: EvaluationConfig
    request: str
    """A mark by which its report is known among others."""


@dataclass(frozen=True, slots=True)
class SteerEval:
    """Change the evaluation while it runs: one of EVAL_VERBS, with the value that it needs, if any."""

    verb: str
    value: RequestValue = None


@dataclass(frozen=True, slots=True)
class CleanGpus:
    """End stale processes on the GPUs of these nodes, exactly those that were seen, and verify that memory is free."""

    nodes: tuple[NodeGpus, ...]


Command = Launch | Relaunch | RelaunchJob | HandOver | Stop | StartEval | StartSmoke | SteerEval | CleanGpus
EVAL_VERBS = ("pause", "resume", "stop", "finish", "concurrency", "skip", "budget_usd", "budget_tokens")
"""`stop` ends it now, `finish` when what runs has ended; `skip` takes the name of a unit, the last two a number."""
