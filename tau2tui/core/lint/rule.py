"""What a rule is: data that says why and what to do, and a check that looks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tau2tui.config import Config
from tau2tui.core.lint.facts import Facts


class Severity(StrEnum):
    """How grave a finding is, the gravest first."""

    ERROR = "error"
    """vLLM or SLURM will refuse it, or it can never do what it is for."""
    WARNING = "warning"
    """It may start, and will probably go wrong or mislead."""
    INFO = "info"
    """Worth knowing; nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One place where a rule is broken; what is left out is as the rule says."""

    where: str
    """The key in config.toml, such as experts.expert-1.args."""
    message: str
    remedy: str = ""
    severity: Severity | None = None


Check = Callable[[Config, Facts], Iterator[Trouble]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that goes wrong on clusters, and how to see it before it does."""

    id: str
    severity: Severity
    """The gravest that it gives; a check lowers it where it is not certain."""
    reason: str
    """Why it matters: what would happen."""
    remedy: str
    source: str
    """Where this is known from: a file of vLLM or SLURM, an issue, a manual."""
    check: Check
    vllm_only: bool = False
    """It says nothing about the practice servers of a rehearsal."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and what to do about it."""

    rule: str
    severity: Severity
    where: str
    message: str
    remedy: str
