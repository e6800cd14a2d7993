"""What deserves to be told: conditions seen in snapshots → notices, each told once, late enough to be true, together.

A condition is told when it has held for its time, and again only after it was over. What rests on a source that does
not answer is neither told nor taken back: nothing is derived from what is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tau2tui.core.deadline import Deadline
from tau2tui.core.fleet import FleetRow
from tau2tui.core.model import DirtyNode, EvalProgress, EvalState
from tau2tui.core.verdict import Standing


class Weight(StrEnum):
    """How much a notice matters."""

    BAD = "bad"
    WARN = "warn"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so now."""

    group: str
    """What it is called together with others of its kind, such as "failed"."""
    name: str
    """Of what: a replica, a job, a unit; with the group it is the condition's identity."""
    words: str
    weight: Weight
    source: str
    """The source that it rests on: jobs, run, or none for what is about the sources themselves."""
    hold_s: float = 0.0
    """It has to hold for so long before it is told."""
    view: str = "fleet"
    """The screen that shows it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told: a condition, or several of one kind that came together."""

    at: float
    group: str
    names: tuple[str, ...]
    words: str
    weight: Weight
    view: str
    quiet: bool = False
    """It was so already when the watching began."""


@dataclass
class _Held:
    condition: Condition
    since: float
    told: bool = False


@dataclass
class Watch:
    """Remembers which conditions hold and what was told. One caller."""

    _held: dict[tuple[str, str], _Held] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    """Sources of which something was known once."""

    def look(self, conditions: Iterable[Condition], unknown: Collection[str], now: float) -> tuple[Notice, ...]:
        """What is to be told now; `unknown` are the sources whose last answer may no longer be true."""
        current = {(condition.group, condition.name): condition for condition in conditions}
        ended: list[_Held] = []
        for key, held in list(self._held.items()):
            if key not in current and held.condition.source not in unknown:
                del self._held[key]
                if held.told:
                    ended.append(held)
        fresh: list[_Held] = []
        quiet: list[_Held] = []
        for key, condition in current.items():
            if condition.source in unknown:
                continue
            known_before = condition.source in self._seen
            held = self._held.setdefault(key, _Held(condition, now))
            held.condition = condition
            if not held.told and now - held.since >= (condition.hold_s if known_before else 0.0):
                held.told = True
                (fresh if known_before else quiet).append(held)
        self._seen |= {condition.source for condition in current.values() if condition.source not in unknown}
        self._seen |= {source for source in ("jobs", "run", "") if source not in unknown}
        return (*_grouped(quiet, now, quiet=True), *_grouped(fresh, now), *_over(ended, now))


def _grouped(told: Sequence[_Held], now: float, *, quiet: bool = False) -> tuple[Notice, ...]:
    groups: dict[str, list[Condition]] = {}
    for held in told:
        groups.setdefault(held.condition.group, []).append(held.condition)
    notices = []
    for group, members in groups.items():
        names = tuple(member.name for member in members)
        words = members[0].words if len(members) == 1 else f"{len(members)} × {group}: {_listed(names)}"
        notices.append(Notice(now, group, names, words, members[0].weight, members[0].view, quiet))
    return tuple(notices)


def _listed(names: Sequence[str]) -> str:
    """Names for a line; of many only the first."""
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} more"


def _over(ended: Sequence[_Held], now: float) -> tuple[Notice, ...]:
    """That what was bad is so no more."""
    groups: dict[str, list[str]] = {}
    views = {held.condition.group: held.condition.view for held in ended}
    for held in ended:
        if held.condition.weight is not Weight.GOOD:
            groups.setdefault(held.condition.group, []).append(held.condition.name)
    return tuple(
        Notice(now, group, tuple(names), f"no longer {group}: {_listed(names)}", Weight.GOOD, views[group])
        for group, names in groups.items()
    )


_NAMED = 5
HOLD_S = 10.0
"""For so long a state that may pass has to hold before it is told."""


def fleet_conditions(rows: Iterable[FleetRow], dirty: Iterable[DirtyNode]) -> list[Condition]:
    """Replicas that failed or are slow, a fleet that is ready as a whole, and nodes whose GPUs are dirty."""
    rows = tuple(rows)
    found = []
    for row in rows:
        why = row.why or row.last_error
        if row.standing is Standing.FAILED:
            found.append(Condition("failed", row.replica, f"{row.replica} failed: {why}", Weight.BAD, "run"))
        elif row.standing is Standing.DEGRADED:
            words = f"{row.replica} is degraded: {why}"
            found.append(Condition("degraded", row.replica, words, Weight.WARN, "run", HOLD_S))
        for verdict in row.verdicts:
            named = verdict.evidence.casefold().startswith(verdict.trouble)
            words = f"{row.replica} is {'' if named else f'{verdict.trouble}: '}{verdict.evidence}"
            found.append(Condition(verdict.trouble.value, row.replica, words, Weight.WARN, "run", 3 * HOLD_S))
    if rows and all(row.standing is Standing.READY for row in rows):
        found.append(Condition("ready", "fleet", f"all {len(rows)} replicas are ready", Weight.GOOD, "run"))
    for node in dirty:
        words = f"{node.node} is dirty: {node.reason}"
        found.append(Condition("dirty", node.node, words, Weight.WARN, "run", view="gpus"))
    return found


def deadline_conditions(deadlines: Iterable[Deadline]) -> list[Condition]:
    """Jobs that end before the evaluation: those that may, and those that more likely than not do."""
    return [
        Condition(
            "ends too early",
            deadline.job,
            f"{deadline.job} (job {deadline.job_id}) ends {deadline.short_s / 60:.0f} min before the evaluation may",
            Weight.BAD if deadline.certain else Weight.WARN,
            "jobs",
            6 * HOLD_S,
            "jobs",
        )
        for deadline in deadlines
    ]


_JUMP = 3.0
_LEAST_PER_MIN = 5.0


def eval_conditions(
    progress: EvalProgress | None, errors_per_min: float | None, silent_s: float | None
) -> list[Condition]:
    """An evaluation that is over, silent, stalled, or whose error rate jumps.

    `errors_per_min` is the rate of the last minutes; it is held against that of the whole run.
    """
    if progress is None:
        return []
    found = []
    if progress.state.over:
        weight = Weight.BAD if progress.state is EvalState.FAILED else Weight.GOOD
        why = f": {progress.why}" if progress.why else ""
        words = f"the evaluation is {progress.state}, {progress.finished}/{progress.total} units{why}"
        found.append(
            Condition(f"evaluation {progress.state}", f"{progress.started_at:.0f}", words, weight, "run", view="eval")
        )
    elif silent_s is not None:
        words = f"no sign of life of the evaluation for {silent_s:.0f} s"
        found.append(Condition("silent", "evaluation", words, Weight.BAD, "run", view="eval"))
    for unit in progress.running:
        if unit.stalled:
            words = f"{unit.name} is stalled: it waits for {unit.waits_for}"
            found.append(Condition("stalled", unit.name, words, Weight.WARN, "run", view="eval"))
    elapsed_min = (progress.updated_at - progress.started_at) / 60
    usual = sum(progress.errors.values()) / elapsed_min if elapsed_min > 0 else 0.0
    if errors_per_min is not None and errors_per_min >= max(_LEAST_PER_MIN, _JUMP * usual):
        words = f"{errors_per_min:.0f} failed calls a minute, {usual:.1f} over the whole run"
        found.append(Condition("errors rising", "evaluation", words, Weight.WARN, "run", 3 * HOLD_S, "eval"))
    return found


def source_conditions(troubles: Mapping[str, str]) -> list[Condition]:
    """Sources that do not answer, by name, with why."""
    return [
        Condition("not answering", name, why, Weight.WARN, "", 2 * HOLD_S, "sources") for name, why in troubles.items()
    ]
