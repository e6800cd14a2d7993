"""What an import did not take over, each with its place, its text and why: nothing is dropped without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tau2tui.core.printable import line_cut

Kind = Literal["replaced", "left"]
MASK = "***"
_SECRET_NAME = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(?:(?:sk|nvapi|xox[abp])-[A-Za-z0-9_-]{12,}|(?:hf|gh[pousr])_[A-Za-z0-9]{16,})")
_MOST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Leftover:
    """A line of an artefact that is not in the result."""

    file: str
    line: int
    """From 1; 0: the file as a whole."""
    text: str
    why: str
    kind: Kind = "left"
    """`replaced`: tau2tui does the same in another way; `left`: look at it, it may be missing."""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def looks_secret(value: str) -> bool:
    """Whether a value has the shape of a key that is in use somewhere, whatever its name."""
    return _SECRET_VALUE.search(value) is not None


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets and without what looks like one, on one line that a terminal can show."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _SECRET_VALUE.sub(MASK, text)
    text = " ".join(text.replace("\\\n", " ").split())
    return line_cut(text, _MOST_TEXT)


def all_masked(leftovers: Iterable[Leftover], secrets: Iterable[str]) -> tuple[Leftover, ...]:
    """The same without secrets."""
    known = tuple(secrets)
    return tuple(replace(one, text=masked(one.text, known), why=masked(one.why, known)) for one in leftovers)
