"""Every piece of configuration in the documentation is accepted as it stands."""

from __future__ import annotations

import re

import pytest
import tomli

from tau2tui.config import validate
from tests.docs.commands import PAGES, ROOT

_BLOCK = re.compile(r"^( *)```toml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FLEET = {"orchestrator": {"model": "org/agent", "role": "agent"}, "expert-1": {"model": "org/expert"}}
PIECES = [
    (f"{page.relative_to(ROOT)}:{number}", re.sub(f"^{found[1]}", "", found[2], flags=re.MULTILINE))
    for page in PAGES
    for number, found in enumerate(_BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize("where, text", PIECES, ids=[where for where, _ in PIECES])
def test_a_piece_of_configuration_is_accepted(where: str, text: str) -> None:
    settings = tomli.loads(text)
    config = validate({"experts": FLEET, **settings}, where, {"PWD": "/home/ada/practice"})
    assert config.model_fields_set >= set(settings)


def test_there_are_pieces_with_whole_fleets_among_them() -> None:
    assert sum("[experts." in text for _, text in PIECES) >= 2
