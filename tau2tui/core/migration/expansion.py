"""The values of words: variables in place, quotes gone, split at blanks, and never more than the script says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tau2tui.core.migration.shell_words import Literal, Opaque, Variable, Word

HOME = "\ue000"
"""Stands in a value for the home directory on the cluster, which is not known here; a private-use character."""

_BRACES = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}")


class Unresolved(Exception):
    """A word whose value is only known when the script runs; says which part of it."""


def expand(word: Word, variables: Mapping[str, str | None]) -> list[str]:
    """The words that a shell would make of one: its variables in place, what is not quoted split at blanks.

    A variable that is None has a value which is not known. HOME marks the home directory. Raises Unresolved.
    """
    plain = "".join(part.text if isinstance(part, Literal) and not part.quoted else "" for part in word.parts)
    if _BRACES.search(plain):
        raise Unresolved(f"{word.text}: braces that a shell takes apart")
    if re.search(r"[*?]", plain):
        raise Unresolved(f"{word.text}: a pattern for the names of files")
    fields: list[str] = []
    open_ = False
    for number, part in enumerate(word.parts):
        value, split = _value(part, variables)
        if number == 0 and isinstance(part, Literal) and not part.quoted and re.match(r"~(/|$)", value):
            value = HOME + value[1:]
        pieces = value.split() if split else [value]
        open_ = open_ and not (split and value[:1].isspace())
        for number_of_piece, piece in enumerate(pieces):
            if open_ and number_of_piece == 0:
                fields[-1] += piece
            else:
                fields.append(piece)
            open_ = True
        open_ = open_ and not (split and value[-1:].isspace())
    return fields


def _value(part: Literal | Variable | Opaque, variables: Mapping[str, str | None]) -> tuple[str, bool]:
    """The value of a part, and whether it is split at blanks."""
    match part:
        case Literal(text):
            return text, False
        case Opaque(text):
            raise Unresolved(f"{text} is only known when it runs")
        case Variable(name, quoted, default, empty_counts):
            value = variables.get(name, HOME if name == "HOME" else "")
            if default is not None and (name not in variables or (empty_counts and value == "")) and name != "HOME":
                return "".join(expand(Word(default.parts, default.text, default.line), variables)), not quoted
            if value is None:
                raise Unresolved(f"${name} is only known when it runs")
            if name not in variables and name != "HOME":
                raise Unresolved(f"${name} is not set in it")
            return value, not quoted


def one(word: Word, variables: Mapping[str, str | None]) -> str:
    """The value of an assignment: what is not quoted is not split there. Raises Unresolved."""
    kept = [Variable(p.name, True, p.default, p.empty_counts) if isinstance(p, Variable) else p for p in word.parts]
    return "".join(expand(Word(tuple(kept), word.text, word.line), variables))


def as_path(value: str) -> str:
    """A value as a path of the configuration, which may begin with `~`. Raises Unresolved."""
    if value == HOME or value.startswith(f"{HOME}/"):
        value = f"~{value[1:]}"
    return without_home(value)


def without_home(value: str) -> str:
    """A value in which the home directory, which is not known here, does not stand. Raises Unresolved."""
    if HOME in value:
        raise Unresolved(f"{value.replace(HOME, '$HOME')}: the home directory is not known here: --define HOME=DIR")
    return value
