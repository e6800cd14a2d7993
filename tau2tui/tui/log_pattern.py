"""What is looked for in logs: words taken literally, or `/an expression/`, neither of which can hang the screen.

The standard library's expressions cannot be interrupted, and one such as `(a+)+$` takes hours over a single line;
those of `regex` stop after a time, and let other threads run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import regex

LINE_TIMEOUT_S = 0.05
"""For one line, which is cut to `DRAWN_CHARACTERS` before."""
STRETCH_TIMEOUT_S = 5.0
"""For the many lines that are gone over at once when a file is searched."""


class BadPattern(ValueError):
    """An expression that cannot be read, or that takes too long."""


@dataclass(frozen=True, slots=True)
class LogPattern:
    """Something to look for; capital letters only count if there is one among them."""

    words: str
    """As it was typed."""
    _compiled: Any
    """One of `regex`, which has no types."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a line. Raises BadPattern if that takes too long."""
        try:
            found = self._compiled.finditer(text, timeout=LINE_TIMEOUT_S)
            return [match.span() for match in found if match.end() > match.start()]
        except TimeoutError:
            raise self._slow() from None

    def matches(self, text: str) -> bool:
        """Whether it stands in a line. Raises BadPattern if that takes too long."""
        try:
            return self._compiled.search(text, timeout=LINE_TIMEOUT_S) is not None
        except TimeoutError:
            raise self._slow() from None

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where it may stand in a text of many lines, other threads running meanwhile. Raises BadPattern."""
        try:
            found = self._compiled.finditer(text, timeout=STRETCH_TIMEOUT_S, concurrent=True)
            return [match.span() for match in found]
        except TimeoutError:
            raise self._slow() from None

    def _slow(self) -> BadPattern:
        return BadPattern(f"{self.words} takes too long on these lines; a simpler expression, or words, will do")


def parse_pattern(words: str) -> LogPattern | None:
    """Read what was typed; None for nothing. Raises BadPattern."""
    if not words:
        return None
    expression = len(words) > 1 and words.startswith("/")
    inner = words[1:].removesuffix("/") if expression else words
    if not inner:
        return None
    flags = regex.MULTILINE | (0 if inner != inner.lower() else regex.IGNORECASE)
    try:
        return LogPattern(words, regex.compile(inner if expression else regex.escape(inner), flags))
    except regex.error as error:
        raise BadPattern(f"{words} is no expression: {error}") from None


def expression_pattern(expression: str) -> LogPattern:
    """An expression of our own or of the configuration, which was checked there."""
    return LogPattern(f"/{expression}/", regex.compile(expression, regex.MULTILINE))
