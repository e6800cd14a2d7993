"""Words of shell: read as bash reads them, and nothing is run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tau2tui.core.migration.expansion import HOME, Unresolved, as_path, expand, without_home
from tau2tui.core.migration.shell_words import Word, tokens
from tau2tui.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def words(text: str, variables: Mapping[str, str | None] | None = None) -> list[str]:
    found = [token for token in tokens(text, "x.sh") if isinstance(token, Word)]
    return [value for word in found for value in expand(word, variables or {})]


@given(st.lists(TEXT, min_size=1))
def test_whatever_shlex_quotes_comes_back(argv: list[str]) -> None:
    assert words(shlex.join(argv)) == argv


PIECES = st.sampled_from(
    ("a", "${A}", '"$A"', "'$A'", "${B:-x}", '"${B:-x y}"', "${C:-d}", "${C-d}", r"\$A", r"\"", '"\\$A \\\\ \\n"',
     " ", " \\\n", "--x=", "'a b'", '""', "''", "x#", "é", "${S}", '"$S"', "$S/")
)  # fmt: skip


@given(st.lists(PIECES, min_size=1, max_size=10).map("".join))
@settings(max_examples=60, deadline=None)
def test_words_are_those_that_bash_makes(text: str) -> None:
    variables = {"A": "one", "C": "", "S": " two  three "}
    setup = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    script = f"{setup}count() {{ printf '%s\\0' \"$@\"; }}\ncount w {text}\n"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.decode()
    assert words(f"w {text}\n", variables) == printed.split("\0")[:-1]


def test_the_home_directory_is_kept_as_such_and_never_guessed() -> None:
    assert words('~/x "$HOME/y" ${HOME}') == [f"{HOME}/x", f"{HOME}/y", HOME]
    assert [as_path(value) for value in words('~/x "$HOME/y"')] == ["~/x", "~/y"]
    with pytest.raises(Unresolved, match="--define HOME"):
        without_home(words("a:$HOME")[0])
    assert words("$HOME/x", {"HOME": "/home/me"}) == ["/home/me/x"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$(touch pwned)", "only known when it runs"),
        ("`id`", "only known when it runs"),
        ("$((1900 + 1))", "only known when it runs"),
        ("${A%x}", "only known when it runs"),
        ("$UNSET", "not set"),
        ("{0..3}", "braces"),
        ('{"a":1,"b":2}', "braces"),
        ("*.log", "pattern"),
        ("$1", "only known when it runs"),
    ],
)
def test_what_only_a_shell_can_say_is_not_guessed(text: str, why: str) -> None:
    with pytest.raises(Unresolved, match=why):
        words(text, {"A": "x"})


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(b", "a ${b", "a `b"])
def test_what_is_never_closed_is_named_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^x\.sh:2: .*never closed"):
        list(tokens(f"true\n{text}\n", "x.sh"))


@given(st.text(alphabet="a$(){}'\"\\`<>|&;#\n =~", max_size=40))
def test_garbage_is_read_or_refused_and_never_loops(text: str) -> None:
    try:
        list(tokens(text, "x.sh"))
    except ConfigError:
        return
