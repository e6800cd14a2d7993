"""The registry of acts, and what is made of it."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from textual.actions import parse as parse_action
from textual.dom import DOMNode

import tau2tui.tui
from tau2tui.cli import WORDS
from tau2tui.errors import ConfigError
from tau2tui.tui.actions import ACTIONS, BY_ID, call, key_names, keymap
from tau2tui.tui.keys_page import page


def classes() -> dict[str, list[type[DOMNode]]]:
    """The screens and widgets that have keys, by their group."""
    found: dict[str, list[type[DOMNode]]] = {}
    for module in pkgutil.walk_packages(tau2tui.tui.__path__, "tau2tui.tui."):
        for kind in vars(import_module(module.name)).values():
            if not inspect.isclass(kind) or not kind.__module__.startswith("tau2tui.") or not issubclass(kind, DOMNode):
                continue
            group = vars(kind).get("BINDING_GROUP_TITLE")
            if isinstance(group, str) and kind not in found.setdefault(group, []):
                found[group].append(kind)
    return found


def test_every_act_has_one_id() -> None:
    counts = Counter(action.id for group in ACTIONS.values() for action in group)
    assert [name for name, count in counts.items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z-]+\.[a-z-]+", name) for name in counts)


@pytest.mark.parametrize("group", ACTIONS)
def test_every_act_has_a_method_where_its_group_is(group: str) -> None:
    owners = classes()[group]
    for action in ACTIONS[group]:
        namespace, name, _ = parse_action(action.does)
        assert namespace or all(hasattr(owner, f"action_{name}") for owner in owners), action.id
        assert action.about and action.name, action.id


@pytest.mark.parametrize("group", ACTIONS)
def test_no_key_means_two_things_in_one_place(group: str) -> None:
    keys = Counter(key for action in ACTIONS[group] for key in action.keys.split(",") if key)
    assert [key for key, count in keys.items() if count > 1] == []


def test_the_keys_that_are_bound_are_those_of_the_registry() -> None:
    for group, owners in classes().items():
        for owner in owners:
            ids = {getattr(binding, "id", None) or "" for binding in owner.BINDINGS}
            ours = {name for name in ids if not name.startswith("view.")}
            assert ours == {action.id for action in ACTIONS[group] if action.keys}, (group, owner)


def test_contested_keys_never_do_harm() -> None:
    harmful = {"relaunch", "stop"}
    for group in ACTIONS.values():
        for action in group:
            if action.does.partition("(")[0] in harmful or "stop" in action.does:
                assert action.keys in ("R", "K", ""), action.id


def test_words_of_the_command_line_exist() -> None:
    for action in BY_ID.values():
        if action.word:
            assert action.word.split()[0] in WORDS, action.id


def test_keys_are_changed_by_id_and_an_unknown_one_is_refused() -> None:
    assert keymap({"replica.relaunch": "f5"}) == {"replica.relaunch": "f5"}
    with pytest.raises(ConfigError, match=r"there is no act 'replica\.launch'"):
        keymap({"replica.launch": "f5"})


def test_keys_are_called_by_what_is_typed_and_those_without_a_sign_by_their_names() -> None:
    assert key_names("question_mark") == "?"
    assert key_names("plus,equals_sign,underscore,apostrophe,minus,slash") == "+ = _ ' - /"
    assert key_names("j,down,ctrl+d,enter,space,escape") == "j down ctrl+d enter space escape"
    assert key_names("") == ""


def test_what_is_typed_behind_an_act_stays_a_string() -> None:
    assert call(BY_ID["table.filter-by"], "a') or exit('") == """filter_by("a') or exit('")"""
    _, name, parameters = parse_action(call(BY_ID["table.filter-by"], "a') or exit('"))
    assert (name, parameters) == ("filter_by", ("a') or exit('",))


def test_the_page_of_keys_is_current() -> None:
    written = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    assert written == page(), "make it again: python -m tau2tui.tui.keys_page > docs/keys.md"
