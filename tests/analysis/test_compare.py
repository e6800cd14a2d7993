from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tau2tui.analysis.aligned import columns
from tau2tui.analysis.compare import compare
from tau2tui.analysis.compare_text import figure, p_value, to_markdown, to_text
from tau2tui.analysis.provenance import provenance
from tau2tui.analysis.run_files import Side, read_run
from tau2tui.analysis.scan import read_logs


def run(directory: Path, rewards: dict[str, float], latency_ms: float, toml: str = "", model: str = "m") -> Side:
    """A run of one domain in which every call takes about so long."""
    logs = directory / "logs"
    logs.mkdir(parents=True)
    if toml:
        (directory / "run.toml").write_text(toml)
    calls = [
        f"[PROFILE] 2026-01-02 10:{number:02d}:00.000 task={task} thread=1 type=llm_call step=1 model={model} "
        f"duration_ms={latency_ms + number:.2f} input_tokens=1000 output_tokens=10"
        for number, task in enumerate(list(rewards) * 5)
    ]
    (logs / "tau2_retail.log").write_text("\n".join(calls) + "\n")
    ended = [
        f"FINISHED SIMULATION: Domain: retail, Task: {task}, Agent: A, User: U. Reward: {reward}\n"
        f"[TAU2_TASK_COMPLETE] domain=retail trial=0 task_id={task} status=ok completed_domain=1 total_domain=9"
        for task, reward in rewards.items()
    ]
    (logs / "fullrun.log").write_text("\n".join(ended) + "\n")
    return side_at(directory)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Side, Side]:
    """B passes 2, 3 and 4, which A did not, and not 1; 5 and 6 are in one run each."""
    a = {"1": 1.0, "2": 0.0, "3": 0.0, "4": 0.0, "5": 1.0, "7": 1.0}
    b = {"1": 0.0, "2": 1.0, "3": 1.0, "4": 1.0, "6": 1.0, "7": 1.0}
    return run(tmp_path / "A", a, 1000.0), run(tmp_path / "B", b, 1500.0)


def test_units_that_both_evaluated_are_paired(sides: tuple[Side, Side]) -> None:
    found = compare(*sides)
    (score,) = found.scores
    assert (score.domain, score.pairs, score.passed_a, score.passed_b) == ("retail", 5, 2, 4)
    assert (score.gained, score.lost, found.only_a, found.only_b) == (3, 1, 1, 1)
    assert score.p_value == 2 * (1 + 4) / 16
    assert score.difference == score.reward_difference == 0.4
    assert score.interval is not None
    assert -1 <= score.interval[0] <= 0.4 <= score.interval[1] <= 1
    assert [(flip.task_id, flip.reward_a, flip.reward_b) for flip in found.flips] == [
        ("1", 1.0, 0.0), ("2", 0.0, 1.0), ("3", 0.0, 1.0), ("4", 0.0, 1.0),
    ]  # fmt: skip


def test_a_shift_of_the_latency_is_found_with_its_interval(sides: tuple[Side, Side]) -> None:
    shifts = {shift.name: shift for shift in compare(*sides).latencies["orchestrator"]}
    for name in ("mean", "p50", "p90", "p99"):
        assert shifts[name].difference == pytest.approx(500.0)
        assert shifts[name].certain
    same = compare(sides[0], sides[0]).latencies["orchestrator"]
    assert not any(shift.certain for shift in same)


def test_a_comparison_is_json_and_text_and_markdown(sides: tuple[Side, Side]) -> None:
    found = compare(*sides)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["scores"][0]["difference"] == 0.4
    assert data["latencies"]["orchestrator"][1]["certain"] is True
    text = to_text(found, flips=2)
    assert max(map(len, text.splitlines())) <= 80
    assert "  − retail/1#0\n  + retail/2#0\n  and 2 more" in text
    assert "unknown: at least one side has no run.toml" in text
    assert "| retail | 5 | 2 | 4 | +40.0 |" in to_markdown(found)


def test_nothing_from_a_log_is_markup_in_a_comparison(tmp_path: Path) -> None:
    a = run(tmp_path / "A", {"<b>|x|": 1.0}, 1.0)
    b = run(tmp_path / "B", {"<b>|x|": 0.0}, 1.0)
    assert r"| retail | &lt;b&gt;\|x\| | 0 | 1.0 | 0.0 |" in to_markdown(compare(a, b))


def test_runs_without_a_common_task_are_compared_by_latency_alone(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "A", {"1": 1.0}, 1.0), run(tmp_path / "B", {"2": 1.0}, 1.0))
    assert (found.scores, found.flips, found.only_a, found.only_b) == ((), (), 1, 1)
    assert "no unit was evaluated by both" in to_text(found)
    assert "No unit was evaluated by both runs." in to_markdown(found)


BASE: dict[str, Any] = {
    "submitted": {"at": "2026"},
    "run": {"directory": "/a"},
    "experts": {"e": {"model": "m", "port": 1, "args": []}},
    "evaluation": {"temperature": 1.0},
}


@pytest.mark.parametrize(
    ("change", "keys", "verdict"),
    [
        ({}, [], "nothing that reaches a model was changed"),
        ({"run": {"directory": "/b"}, "submitted": {}}, [], "nothing that reaches a model"),
        ({"evaluation": {"temperature": 0.5}}, ["evaluation.temperature"], "one thing was changed"),
        (
            {"experts": {"e": {"model": "n", "port": 2, "args": ["x"]}}},
            ["experts.e.model", "experts.e.args"],
            "2 settings of one expert were changed: experts.e",
        ),
        (
            {"experts": {"e": {"model": "n", "port": 1, "args": []}}, "evaluation": {"temperature": 0.5}},
            ["experts.e.model", "evaluation.temperature"],
            "2 settings were changed: the difference has no single cause",
        ),
    ],
)
def test_the_provenance_says_whether_one_thing_was_changed(
    change: dict[str, Any], keys: list[str], verdict: str
) -> None:
    found = provenance(BASE, {**BASE, **change})
    assert [one.key for one in found.changes] == keys
    assert found.verdict.startswith(verdict)


def test_versions_are_part_of_the_provenance() -> None:
    found = provenance(BASE, BASE, ({"tau2": "1", "x": "1"}, {"tau2": "2"}))
    assert [(one.key, one.a, one.b) for one in found.changes] == [("version of tau2", "1", "2")]
    assert not provenance({}, BASE).known


def test_figures_have_the_decimals_they_need() -> None:
    assert [figure(value) for value in (None, 7, 0.012345, 12.3456, 123.456, 12345.6)] == [
        *("–", "7", "0.01235", "12.35", "123.5", "12346"),
    ]
    assert (p_value(0.0004), p_value(0.25)) == ("< 0.001", "0.250")
    assert columns([("a", "10"), ("bcd", "2")]) == ["a    10", "bcd   2"]


def test_errors_are_compared_by_class_for_each_call(tmp_path: Path) -> None:
    a, b = tmp_path / "A", tmp_path / "B"
    rewards = {"1": 1.0, "2": 1.0}
    run(a, rewards, 1000.0)
    run(b, rewards, 1000.0)
    harmony = "[2026-01-02 10:00:00] retail/1#0 expert-1 at expert-1-0: harmony: x. Retry 1/4 in 2s...\n"
    with (b / "logs" / "fullrun.log").open("a") as log:
        log.write(harmony + harmony.replace("harmony", "timeout").replace("#0", "#1") + harmony)
    found = compare(side_at(a), side_at(b))
    assert [(shift.name, shift.a, shift.b) for shift in found.errors] == [
        ("harmony", 0.0, 0.2),
        ("timeout", 0.0, 0.1),
        ("all", 0.0, pytest.approx(0.3)),
    ]
    assert compare(side_at(a), side_at(a)).errors == ()


def side_at(directory: Path) -> Side:
    files = read_run(directory)
    return Side(files, read_logs(files.logs))
