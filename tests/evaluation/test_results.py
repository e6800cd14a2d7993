"""What is kept of a unit, and what counts as finished when a driver starts again."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.evaluation.results import Outcome, ResultsFile, finished_before, save
from tau2tui.evaluation.units import Unit
from tau2tui.files import write_atomically

A = Unit("retail", "0", 0, 626729)
B = Unit("retail", "1", 0, 626729)


def simulated(unit: Unit, reward: float = 1.0, finished_at: float = 20.0) -> Outcome:
    simulation = {"task_id": unit.task_id, "reward_info": {"reward": reward}, "messages": []}
    return Outcome(unit, 10.0, finished_at, simulation)


def failed(unit: Unit) -> Outcome:
    return Outcome(unit, 10.0, 20.0, error_class="timeout", error="too late")


def saved(run_dir: Path, unit: Unit) -> dict[str, Any]:
    return dict(json.loads((run_dir / unit.file).read_text()))


def test_a_unit_file_says_how_the_unit_ended(tmp_path: Path) -> None:
    save(tmp_path, simulated(A, 0.0))
    data = saved(tmp_path, A)
    assert (data["domain"], data["task_id"], data["trial"], data["seed"]) == ("retail", "0", 0, 626729)
    assert (data["status"], data["reward"], data["error"]) == ("ok", 0.0, None)
    assert data["simulation"]["task_id"] == "0"
    assert data["duration_s"] == 10.0


def test_an_infrastructure_error_has_no_reward(tmp_path: Path) -> None:
    save(tmp_path, failed(A))
    data = saved(tmp_path, A)
    assert (data["status"], data["reward"]) == ("infra_error", None)
    assert data["error"] == {"class": "timeout", "message": "too late"}
    assert data["simulation"] is None


def test_what_has_a_reward_is_finished_and_errors_are_run_again(tmp_path: Path) -> None:
    save(tmp_path, simulated(A, 0.0))
    save(tmp_path, failed(B))
    (outcome,) = finished_before(tmp_path, [A, B])
    assert outcome == simulated(A, 0.0)


def test_finished_units_come_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    save(tmp_path, simulated(A, finished_at=30.0))
    save(tmp_path, simulated(B, finished_at=25.0))
    assert [outcome.unit for outcome in finished_before(tmp_path, [A, B])] == [B, A]


def test_another_seed_is_another_unit(tmp_path: Path) -> None:
    save(tmp_path, simulated(A))
    assert finished_before(tmp_path, [Unit("retail", "0", 0, 1)]) == []


@pytest.mark.parametrize("text", ["", '{"reward": 1', "[]", "{}", '{"started_at": 1, "finished_at": "x"}'])
def test_a_file_that_cannot_be_read_is_no_result(tmp_path: Path, text: str) -> None:
    write_atomically(tmp_path / A.file, text, parents=True)
    assert finished_before(tmp_path, [A]) == []


def test_the_results_file_is_in_order_and_holds_rewards_only(tmp_path: Path) -> None:
    path = tmp_path / "outputs" / "retail" / "results.json"
    results = ResultsFile(path, {"seed": 300}, [{"id": "0"}, {"id": "1"}], {A: 0, B: 1})
    results.add(failed(A))
    results.add(simulated(B))
    results.write(now=True)
    results.add(simulated(A))
    results.write()
    assert [simulation["task_id"] for simulation in json.loads(path.read_text())["simulations"]] == ["1"]
    results.write(now=True)
    data = json.loads(path.read_text())
    assert [simulation["task_id"] for simulation in data["simulations"]] == ["0", "1"]
    assert (data["info"], data["tasks"]) == ({"seed": 300}, [{"id": "0"}, {"id": "1"}])


def test_a_results_file_exists_even_without_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    ResultsFile(path, {}, [], {}).write(now=True)
    assert json.loads(path.read_text())["simulations"] == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


UNITS = tuple(
    Unit(domain, str(task), trial, 300 + trial) for domain in ("retail", "mock") for task in "01" for trial in (0, 1)
)
ENDS = st.sampled_from(("rewarded", "failed", "torn", "none"))


@given(st.tuples(*[ENDS] * len(UNITS)), st.permutations(UNITS), st.data())
@settings(deadline=None)
def test_a_start_runs_each_unit_that_has_no_whole_result_and_no_other(
    ends: tuple[str, ...], order: list[Unit], data: st.DataObject
) -> None:
    """Whatever the drivers before it have left, in whatever order, also files that are cut off at any byte."""
    by_unit = dict(zip(UNITS, ends, strict=True))
    with TemporaryDirectory() as name:
        run_dir = Path(name)
        for number, unit in enumerate(order):
            if by_unit[unit] == "none":
                continue
            save(run_dir, failed(unit) if by_unit[unit] == "failed" else simulated(unit, 0.5, 20.0 + number))
            if by_unit[unit] == "torn":
                file = run_dir / unit.file
                whole = file.read_bytes()
                file.write_bytes(whole[: data.draw(st.integers(0, len(whole.rstrip()) - 1))])
        finished = finished_before(run_dir, list(UNITS))
    rewarded = [unit for unit in order if by_unit[unit] == "rewarded"]
    assert [outcome.unit for outcome in finished] == rewarded
    assert all(outcome.simulation and outcome.simulation["reward_info"] == {"reward": 0.5} for outcome in finished)
