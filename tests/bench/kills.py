"""A driver that is killed at random moments and started again, against one that is left alone: nothing may differ."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tau2tui.analysis.markers import parse_markers
from tests.evaluation.practice import PATIENCE_S, PracticeRun, practice_run

HEAD = """\
| kills | within 2 s of the start | units | the same results | once in results.json | counted twice | torn lines |
|--:|--:|--:|--:|--:|--:|--:|"""

_DOMAINS = ("mock", "retail")
_TASKS = 5
_AT_ONCE = 2
_LONGEST_LIFE_S = 4.0
"""From the first simulation on; before it the driver loads tau2 for seconds, and is killed there as well."""
_BEFORE_FIRST = 0.15
"""Share of the kills that come within two seconds of the start, while tau2 is loaded."""

_DRIVER_LINE = re.compile(
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \S.*"
    r"|\[TAU2_TASK_COMPLETE\] domain=\w+ trial=\d+ task_id=\S+ status=\w+ completed_domain=\d+ total_domain=\d+"
    r"|\x1b\[31m\[OVERALL_ETA\] done=\d+/\d+ elapsed=[\d:]+ eta=[\d:-]+\x1b\[0m"
)
_PROFILE_LINE = re.compile(
    r"\[(?:PROFILE|USER_JUDGE)\] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} task=\S+ thread=\d+ type="
    r"(?:(?:llm_call|expert_call|user_sim) (?:\w+=\S+ )+replica=[a-z]+(?:-\d+)+"
    r"|tool_call (?:\w+=\S+ )+duration_ms=\d+\.\d\d(?: error=True)?"
    r"|step_complete step=\d+ total_duration_ms=\d+\.\d\d from_role=\w+ to_role=(?:agent|user|env))"
)

Key = tuple[str, str, int]


@dataclass
class Findings:
    """What is wrong after a run that was killed again and again; nothing, if all is well."""

    kills: int = 0
    early: int = 0
    units: int = 0
    differing: list[Key] = field(default_factory=list)
    not_once: list[Key] = field(default_factory=list)
    counted_twice: list[Key] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.differing or self.not_once or self.counted_twice or self.torn)


def conversation(simulation: dict[str, object]) -> list[object]:
    """What was said and called, without ids and times."""
    messages = simulation["messages"]
    assert isinstance(messages, list)
    return [
        (
            message["role"],
            message.get("content"),
            [(call["name"], call["arguments"]) for call in message.get("tool_calls") or ()],
        )
        for message in messages
    ]


def compare(killed: PracticeRun, undisturbed: PracticeRun, findings: Findings) -> Findings:
    """Fill in what differs between two runs that should not."""
    units, wanted = killed.units(), undisturbed.units()
    findings.units = len(wanted)
    for key in units.keys() | wanted.keys():
        mine, other = units.get(key), wanted.get(key)
        same = mine and other and (mine["reward"], mine["seed"]) == (other["reward"], other["seed"])
        if not same or conversation(mine["simulation"]) != conversation(other["simulation"]):  # type: ignore[index]
            findings.differing.append(key)
    in_results: Counter[Key] = Counter()
    for domain in _DOMAINS:
        results = json.loads((killed.directory / f"outputs/{domain}/results.json").read_text())
        in_results.update((domain, entry["task_id"], entry["trial"]) for entry in results["simulations"])
    findings.not_once = [key for key in wanted.keys() | in_results.keys() if in_results[key] != 1]
    lines = killed.log().splitlines()
    tasks, _, unread = parse_markers(lines)
    marked = Counter(tasks.select("domain", "task_id", "trial").iter_rows())
    findings.counted_twice = [key for key, count in marked.items() if count > 1]
    findings.torn = [line for line in lines if not _DRIVER_LINE.fullmatch(line)] + unread["text"].to_list()
    for domain in _DOMAINS:
        profile = killed.log(f"tau2_{domain}.log")
        findings.torn += [line for line in profile.splitlines() if not _PROFILE_LINE.fullmatch(line)]
        findings.torn += [] if profile.endswith("\n") else [f"tau2_{domain}.log has no last line end"]
    return findings


def kill_and_compare(directory: Path, kills: int, trials: int, seed: int) -> Findings:
    """Run the same units twice, once with a driver that is killed `kills` times, and say what differs."""
    chance = random.Random(seed)
    findings = Findings()
    patience_s = PATIENCE_S + 10 * kills
    wanted = {"domains": _DOMAINS, "num_tasks": _TASKS, "trials": trials, "schedule": "global"}
    with practice_run(directory / "undisturbed", speed=1000) as undisturbed:
        undisturbed.ask_for(**wanted, max_concurrency=16)
        assert undisturbed.evaluate(patience_s=patience_s) == 0, undisturbed.output
    with practice_run(directory / "killed", speed=60) as killed:
        killed.ask_for(**wanted, max_concurrency=_AT_ONCE)
        while findings.kills < kills and len(killed.units()) < len(undisturbed.units()):
            findings.early += _live_and_die(killed, chance)
            findings.kills += 1
        # A driver that is killed while it tells of its last result may have left nothing to do.
        killed.ask_for(**wanted, max_concurrency=16)
        assert killed.evaluate(patience_s=patience_s) == 0, killed.output
        return compare(killed, undisturbed, findings)


def _live_and_die(run: PracticeRun, chance: random.Random) -> bool:
    """Start a driver and kill it at a random moment; whether that was one of the early ones."""
    driver = run.start_driver()
    if chance.random() < _BEFORE_FIRST:
        time.sleep(chance.uniform(0, 2))
        early = True
    else:
        pid = driver.pid
        run.wait_for(
            lambda progress: progress.pid == pid and (bool(progress.running) or progress.state.over),
            "a simulation runs",
        )
        time.sleep(chance.uniform(0, _LONGEST_LIFE_S))
        early = False
    driver.kill()
    driver.wait()
    return early


def measure(directory: Path, kills: int, seed: int) -> str:
    """A row of results. Raises AssertionError if anything was lost, changed, doubled or torn."""
    findings = kill_and_compare(directory, kills, trials=max(2, kills // 4), seed=seed)
    assert findings.good, findings
    return f"| {findings.kills} | {findings.early} | {findings.units} | all | all | 0 | 0 |"
