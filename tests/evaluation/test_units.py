"""What is to be run: seeds, tasks and the names of files."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tau2tui.config import EvaluationConfig
from tau2tui.errors import ConfigError
from tau2tui.evaluation.units import Unit, all_units, check_base_split, chosen_tasks, trial_seeds

IDS = ["0", "1", "2", "3"]


def evaluation(**settings: Any) -> EvaluationConfig:
    return EvaluationConfig.model_validate(settings)


def test_trials_have_the_seeds_that_tau2_gives_them() -> None:
    assert trial_seeds(300, 2) == [626729, 373753]
    state = random.getstate()
    trial_seeds(1, 3)
    assert random.getstate() == state


def test_a_domain_that_is_not_named_runs_all_its_tasks() -> None:
    assert chosen_tasks("retail", IDS, evaluation(tasks={"airline": ["7"]})) == IDS


def test_named_tasks_run_in_the_order_of_tau2() -> None:
    assert chosen_tasks("retail", IDS, evaluation(tasks={"retail": ["3", "1"]})) == ["1", "3"]
    assert chosen_tasks("retail", IDS, evaluation(tasks={"retail": []})) == []


def test_the_number_of_tasks_is_a_limit_for_each_domain() -> None:
    assert chosen_tasks("retail", IDS, evaluation(num_tasks=2)) == ["0", "1"]
    assert chosen_tasks("retail", IDS, evaluation(num_tasks=9)) == IDS


def test_a_task_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.tasks\.retail: the domain has no task '114'"):
        chosen_tasks("retail", IDS, evaluation(tasks={"retail": ["1", "114"]}))


def test_one_domain_after_the_other_with_all_its_trials() -> None:
    units = all_units({"retail": ["0"], "airline": ["0", "1"]}, evaluation(trials=2))
    assert [(unit.domain, unit.task_id, unit.trial) for unit in units] == [
        ("retail", "0", 0), ("retail", "0", 1),
        ("airline", "0", 0), ("airline", "1", 0), ("airline", "0", 1), ("airline", "1", 1),
    ]  # fmt: skip
    assert {unit.trial: unit.seed for unit in units} == {0: 626729, 1: 373753}


def test_a_global_schedule_mixes_the_domains_in_proportion_trial_by_trial() -> None:
    tasks = {"retail": IDS, "airline": ["0", "1"]}
    units = all_units(tasks, evaluation(trials=2, schedule="global"))
    assert [unit.domain[0] for unit in units] == ["r", "a", "r", "r", "a", "r"] * 2
    assert [unit.trial for unit in units] == [0] * 6 + [1] * 6
    assert set(units) == set(all_units(tasks, evaluation(trials=2)))


@pytest.mark.parametrize(
    ("task_ids", "said"),
    [
        ([str(number) for number in range(113)], "it has 113 tasks instead of 114; lacks 113"),
        ([*(str(number) for number in range(113)), "x"], "it has 114 tasks instead of 114; lacks 113; adds x"),
    ],
)
def test_a_base_split_that_is_not_the_published_one_is_refused_with_what_differs(
    task_ids: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match="the base split of retail in the installed tau2 is not") as caught:
        check_base_split("retail", task_ids)
    assert said in str(caught.value)
    with pytest.raises(ConfigError, match="it has 20 tasks instead of 114"):
        check_base_split("telecom", task_ids[:20])


@pytest.mark.slow
def test_the_installed_tau2_has_the_278_tasks_of_the_published_runs() -> None:
    from tau2tui.evaluation.simulation import load_domain

    sizes = {name: len(load_domain(name, "base").tasks) for name in ("retail", "telecom", "airline", "mock")}
    assert sizes == {"retail": 114, "telecom": 114, "airline": 50, "mock": 9}
    assert len(load_domain("telecom", "small").tasks) == 20
    with pytest.raises(ConfigError, match="mock has no split 'test'"):
        load_domain("mock", "test")


def test_file_names_are_safe_and_no_two_units_share_one() -> None:
    assert Unit("telecom", "[mms]a/b|../c[P:None]", 1, 7).file == (
        "eval/units/telecom/%5Bmms%5Da%2Fb%7C..%2Fc%5BP%3ANone%5D.1.json"
    )
    assert Unit("retail", "0", 0, 7).file != Unit("airline", "0", 0, 7).file
