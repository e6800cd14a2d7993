"""The pictures of the documentation are the recorded looks, all are shown, and none fetches anything."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import PAGES
from tests.docs.pictures import PICTURES, SHOWN, picture


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_is_the_recorded_look(name: str) -> None:
    drawn = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == picture(name), "draw them anew: scripts/screenshots"


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_shows_text_and_loads_nothing(name: str) -> None:
    drawn = picture(name)
    assert drawn.count("<text") > 100
    assert "@font-face" not in drawn and "url(http" not in drawn
    assert set(re.findall(r'(?:href|src)="([^"]*)"', drawn)) == set()


def test_the_pictures_that_are_drawn_are_those_that_are_shown() -> None:
    used = {name for page in PAGES for name in re.findall(r"pictures/([\w-]+)\.svg", page.read_text(encoding="utf-8"))}
    assert used == set(SHOWN) == {path.stem for path in PICTURES.iterdir()}
