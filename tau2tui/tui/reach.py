"""Which acts can be reached from where the operator is: for the menu, the palette and the `:` line alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.actions import parse as parse_action
from textual.dom import DOMNode
from textual.screen import Screen

from tau2tui.tui.actions import ACTIONS, Action, key_names


@dataclass(frozen=True, slots=True)
class Reached:
    """An act, and the part of the screen that does it."""

    action: Action
    group: str
    node: DOMNode
    enabled: bool
    """False: it is there, but not now; keys show it greyed."""
    keys: str = ""
    """Those that do it here, as people read them: of a configuration, if it names others, and none that is hidden."""


def reachable(screen: Screen[Any]) -> tuple[Reached, ...]:
    """The acts of the screen, then those of the part that has the focus, then those that apply everywhere."""
    keys: dict[str | None, list[str]] = {}
    for key, bound in screen.active_bindings.items():
        keys.setdefault(bound.binding.id, []).append(key)
    return tuple(found for node in _nodes(screen) for found in _acts(node, keys))


def named(acts: Sequence[Reached], name: str, *, argument: bool) -> Reached | None:
    """The act of this id, or with this last part of its id; with an argument rather one that takes it."""
    fitting = [act for act in acts if name in (act.action.id, act.action.id.rpartition(".")[2])]
    return next((act for act in fitting if bool(act.action.takes) == argument), fitting[0] if fitting else None)


def _nodes(screen: Screen[Any]) -> Iterator[DOMNode]:
    yield screen
    if screen.focused is not None:
        yield from (node for node in screen.focused.ancestors_with_self if node not in (screen, screen.app))
    yield screen.app


def _acts(node: DOMNode, keys: Mapping[str | None, Sequence[str]]) -> Iterator[Reached]:
    group = getattr(node, "BINDING_GROUP_TITLE", None) or ""
    for action in ACTIONS.get(group, ()):
        _, name, parameters = parse_action(action.does)
        allowed = node.check_action(name, parameters or ("",) if action.takes else parameters)
        if allowed is not False:
            app = node.app
            refused = action.changes and getattr(app, "acts_are_off", False)
            named = key_names(",".join(keys.get(action.id, ())))
            yield Reached(action, group, node, allowed is True and not refused, named)
