"""Paths that are typed mean what they mean in a shell, and what is none is an OSError like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.tui.typed_path import typed_path


def test_a_tilde_is_the_home_and_all_else_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert typed_path("~/out.png") == Path("/home/ada/out.png")
    assert typed_path("~root").is_absolute()
    assert (typed_path("out.png"), typed_path("a/~b"), typed_path("")) == (Path("out.png"), Path("a/~b"), Path())


@pytest.mark.parametrize(
    ("words", "why"), [("~nobody-of-that-name/x", "no such home directory"), ("a\0b", "no path has a NUL")]
)
def test_what_is_no_path_is_said_in_a_few_words(words: str, why: str) -> None:
    with pytest.raises(OSError) as caught:
        typed_path(words)
    assert caught.value.strerror == why
