"""docs/run-directory.md names every file of a run and every key of the files that others may read."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from tau2tui.core import layout
from tau2tui.core.model import DomainProgress, EvalProgress, Load, Replica, RunningUnit
from tests.docs.commands import ROOT

PAGE = (ROOT / "docs" / "run-directory.md").read_text(encoding="utf-8")
KEYS = set(re.findall(r"`([a-z_0-9]+)`", PAGE))


@pytest.mark.parametrize("kind", [Replica, Load, EvalProgress, DomainProgress, RunningUnit])
def test_every_key_of_a_state_is_explained(kind: Any) -> None:
    assert {field.name for field in dataclasses.fields(kind)} - KEYS == set()


def test_every_file_of_the_layout_stands_on_the_page() -> None:
    names = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    assert len(names) > 15
    assert [name for name in names if name not in PAGE] == []
    assert [name for name in layout.RunLayout().directories if name not in PAGE] == []


def test_the_standings_of_a_server_are_those_of_the_node_agent() -> None:
    agent = (ROOT / "tau2tui" / "node" / "agent.py").read_text(encoding="utf-8")
    assert set(re.findall(r'\.enter\("([a-z]+)"', agent)) - KEYS == set()
