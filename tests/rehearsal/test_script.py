from __future__ import annotations

import importlib.machinery
import importlib.util
import json

import pytest

from tau2tui.errors import NothingToRead
from tau2tui.rehearsal.script import build_script


def test_the_script_holds_the_base_split_of_every_domain() -> None:
    script = build_script(["mock", "retail", "telecom", "airline"])
    by_domain = {domain: sum(unit.startswith(domain + "/") for unit in script) for domain in ("mock", "retail")}
    assert by_domain == {"mock": 9, "retail": 114}
    assert sum(unit.startswith("telecom/") for unit in script) == 114
    assert sum(unit.startswith("airline/") for unit in script) == 50


def test_actions_keep_order_arguments_and_who_performs_them() -> None:
    script = build_script(["retail", "telecom"])
    first = script["retail/0"]["actions"][0]
    assert first == {
        "name": "find_user_id_by_name_zip",
        "arguments": {"first_name": "Yusuf", "last_name": "Rossi", "zip": "19122"},
        "requestor": "assistant",
    }
    requestors = {action["requestor"] for task in script.values() for action in task["actions"]}
    assert requestors == {"assistant", "user"}
    assert any(task["communicate"] for task in script.values())


def test_a_task_judged_by_its_end_state_gets_the_action_that_makes_it_true() -> None:
    task = build_script(["mock"])["mock/update_task_with_history_and_env_assertions"]
    assert task["actions"] == [
        {
            "name": "update_task_status",
            "arguments": {"task_id": "task_2", "status": "completed"},
            "requestor": "assistant",
        }
    ]


def test_a_task_whose_right_answer_is_to_do_nothing_has_no_actions() -> None:
    assert build_script(["airline"])["airline/0"]["actions"] == []


def test_the_script_holds_only_what_the_players_need() -> None:
    script = build_script(["mock", "retail", "telecom", "airline"])
    assert {key for task in script.values() for key in task} == {"actions", "communicate"}
    assert len(json.dumps(script)) < 300_000


def test_a_domain_that_tau2_does_not_have_is_named() -> None:
    with pytest.raises(NothingToRead, match="atlantis"):
        build_script(["atlantis"])


def test_without_tau2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    with pytest.raises(NothingToRead, match=r"tau2tui\[eval\]") as raised:
        build_script(["mock"])
    assert raised.value.exit_code == 7
