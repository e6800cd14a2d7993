"""What was set differently in two runs, and whether that could have made the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ELSEWHERE = ("submitted", "run", "cluster", "slurm", "poll", "sla", "prices", "error_patterns")
"""Tables that say where a run lies, who started it and how it is looked at: none of it reaches a model."""
_IMPLIED = (".port", ".node", ".gpus")
"""Ends of keys that only say on which machine a server runs."""
_ABSENT = "(not set)"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs; `a` and `b` as they stand in TOML, or `(not set)`."""

    key: str
    a: str
    b: str

    @property
    def subject(self) -> str:
        """What was changed: `experts.NAME`, or the setting itself. Changes of one subject may be one decision."""
        return ".".join(self.key.split(".")[:2]) if self.key.startswith("experts.") else self.key


@dataclass(frozen=True, slots=True)
class Provenance:
    """The difference between two configurations."""

    known: bool
    """Whether both runs say how they were made."""
    changes: tuple[Change, ...] = ()
    """Those that may change results."""
    elsewhere: tuple[Change, ...] = ()
    """Those that only say where and by whom."""

    @property
    def verdict(self) -> str:
        """Whether a difference between the results has one possible cause, in words."""
        if not self.known:
            return "unknown: at least one side has no run.toml"
        subjects = {change.subject for change in self.changes}
        match len(self.changes):
            case 0:
                return "nothing that reaches a model was changed: the difference is noise, or the machines'"
            case 1:
                return f"one thing was changed: {self.changes[0].key}"
            case count if len(subjects) == 1:
                return f"{count} settings of one expert were changed: {subjects.pop()}"
            case count:
                return f"{count} settings were changed: the difference has no single cause"


def provenance(
    a: Mapping[str, Any], b: Mapping[str, Any], versions: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
) -> Provenance:
    """Compare two `run.toml`, and the versions of the programs as far as both sides name them."""
    if not a or not b:
        return Provenance(known=False)
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    keys = dict.fromkeys([*flat_a, *flat_b])
    found = [
        Change(key, flat_a.get(key, _ABSENT), flat_b.get(key, _ABSENT))
        for key in keys
        if flat_a.get(key, _ABSENT) != flat_b.get(key, _ABSENT)
    ]
    both = [name for name in versions[0] if name in versions[1]]
    of_programs = [Change(f"version of {name}", versions[0][name], versions[1][name]) for name in both]
    matters = [change for change in found if _matters(change.key)]
    return Provenance(
        known=True,
        changes=(*matters, *(change for change in of_programs if change.a != change.b)),
        elsewhere=tuple(change for change in found if not _matters(change.key)),
    )


def settings_that_matter(tables: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings of a `run.toml` that can change results, with their values; empty ones are left out."""
    return [(key, value) for key, value in _flat(tables) if _matters(key) and value not in ("", "[]")]


def _matters(key: str) -> bool:
    return key.split(".")[0] not in _ELSEWHERE and not key.endswith(_IMPLIED)


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and their values; a table without entries is not there."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
