"""The one filter language of all tables: words, `key:value`, `key>5m`, `/regex/`, each with `!` in front for "not"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_COMPARISON = re.compile(r"(?P<key>[^\s:<>=!/]+)(?P<sign><=|>=|<|>|=|:)(?P<value>.*)", re.DOTALL)
_PART = re.compile(
    r"""
    (?:\S*?:)?!*/(?:[^/\\]|\\.)*/(?=\s|$)        # /an expression/
    | [^\s"']*(?:"[^"]*"|'[^']*')                # key:"words in quotes"
    | \S+
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[a-zA-Z%]*)")
_FACTORS = {
    "": 1.0,
    "%": 0.01,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "k": 1e3,
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
}
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "=": lambda left, right: left == right,
}


class FilterError(ValueError):
    """A filter that says nothing: which part of it, and what would be right."""


class Field(Protocol):
    """A value of a row: as it is shown, and as a number if it is one (seconds, shares 0–1, bytes, counts)."""

    @property
    def text(self) -> str: ...

    @property
    def value(self) -> float | None: ...


Row = Sequence[Field]
_Term = Callable[[Row], bool | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """Says of a row whether it matches all of its terms. A value that is not known neither matches nor fails to."""

    words: str
    terms: tuple[_Term, ...] = ()
    literals: tuple[str, ...] | None = None
    """The words that some field has to hold, if there is nothing but such words, all in small letters: whoever looks
    through many rows at each letter can keep what they say in small letters."""

    def __call__(self, row: Row) -> bool:
        return all(term(row) is True for term in self.terms)


def parse_filter(words: str, keys: Sequence[str]) -> Filter:
    """Read a filter over rows whose fields have these keys, in this order. Raises FilterError.

    Words, values and expressions match anywhere in a field; capital letters count only where there is one. `=` means
    the whole field, or the number. Quotes keep words together: `why:"out of memory"`.
    """
    parts = _parts(words)
    terms = tuple(_term(part, tuple(key.lower() for key in keys)) for part in parts)
    plain = all(not part.startswith(("!", "/")) and not _COMPARISON.fullmatch(part) for part in parts)
    literals = tuple(part.strip("\"'") for part in parts)
    return Filter(words, terms, literals if plain and words == words.lower() else None)


def _parts(words: str) -> list[str]:
    """The terms; a quote that is not closed yet, while somebody types, is a mark like any other."""
    return [part[0] for part in _PART.finditer(words)]


def _term(part: str, keys: tuple[str, ...]) -> _Term:
    if part.startswith("!") and len(part) > 1:
        inner = _term(part[1:], keys)
        return lambda row: None if (found := inner(row)) is None else not found
    if part.startswith("/"):
        return _anywhere(_expression(part[1:].removesuffix("/")))
    comparison = _COMPARISON.fullmatch(part)
    if comparison is None:
        return _anywhere(_literal(part.strip("\"'")))
    key, sign, value = comparison["key"].lower(), comparison["sign"], comparison["value"].strip("\"'")
    if key not in keys:
        raise FilterError(f"no column {comparison['key']!r} here; there are {', '.join(keys)}")
    return _compared(keys.index(key), sign, value)


def _compared(index: int, sign: str, value: str) -> _Term:
    if sign == ":":
        if value.startswith("!") and len(value) > 1:
            inner = _compared(index, ":", value[1:])
            return lambda row: not inner(row)
        found = _expression(value[1:].removesuffix("/")) if value.startswith("/") else _literal(value)
        return lambda row: found(row[index].text)
    number = _number(value)
    if sign == "=":
        return lambda row: row[index].text.casefold() == value.casefold() or row[index].value == number is not None
    if number is None:
        raise FilterError(f"{value!r} is no number; write 12, 5m, 2h, 80% or 3k")
    return _number_term(index, _SIGNS[sign], number)


def _number_term(index: int, holds: Callable[[float, float], bool], number: float) -> _Term:
    def term(row: Row) -> bool | None:
        value = row[index].value
        return None if value is None else holds(value, number)

    return term


def _number(words: str) -> float | None:
    found = _NUMBER.fullmatch(words)
    if found is None or found["unit"].lower() not in _FACTORS:
        return None
    return float(found["number"]) * _FACTORS[found["unit"].lower()]


def _literal(words: str) -> Callable[[str], bool]:
    if words != words.lower():
        return lambda text: words in text
    return lambda text: words in text.lower()


def _expression(pattern: str) -> Callable[[str], bool]:
    try:
        expression = re.compile(pattern, re.NOFLAG if pattern != pattern.lower() else re.IGNORECASE)
    except re.error as error:
        raise FilterError(f"/{pattern}/ is no expression: {error}") from None
    return lambda text: expression.search(text) is not None


def _anywhere(found: Callable[[str], bool]) -> _Term:
    return lambda row: any(found(field.text) for field in row)
