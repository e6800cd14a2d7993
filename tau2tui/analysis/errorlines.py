"""Lines that match the error patterns of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from tau2tui.analysis.any_lines import ANSI
from tau2tui.analysis.candidates import RareTexts, text_lines
from tau2tui.analysis.frames import NO_ERRORS
from tau2tui.analysis.literals import required_literals
from tau2tui.analysis.markers import DRESS, MARKS, parse_errors
from tau2tui.analysis.places import Places

_BOUND = r"\^|\$|\\[AbBZz<>]"
"""What stands for a place in a pattern."""


class ErrorPatterns:
    """Compiled error patterns, by name: all lines are filtered in bulk, the few that are left go through `re`."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self.expressions = tuple(patterns.items())
        self._compiled = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._any = "|".join(f"(?:{pattern})" for pattern in patterns.values())
        self._in_bulk = bulk_engine_knows(self._any)
        self._bound = re.search(_BOUND, self._any) is not None
        texts = [required_literals(pattern) for pattern in patterns.values()]
        try:
            self._rare = RareTexts([text for each in texts for text in each or ()])
            self._texts_known = all(each is not None for each in texts)
        except ValueError:
            self._rare, self._texts_known = RareTexts(), False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._compiled)

    def rare_lines(self, places: Places) -> tuple[list[str], list[str]]:
        """The lines of a stretch with markers, and those that may match."""
        others = places.texts(self._rare.lines(places))
        markers = [line for line in others if any(mark in line for mark in MARKS)]
        if self._texts_known:
            return markers, others
        return markers, self.candidates(text_lines(bytes(places.data))).to_list()

    def parse(self, lines: pl.Series, file_domain: str) -> pl.DataFrame:
        """The rows of ERRORS in these lines, with IDENTITY."""
        if lines.is_empty():
            return NO_ERRORS
        return parse_errors(self.candidates(lines), self._compiled, file_domain)

    def candidates(self, lines: pl.Series) -> pl.Series:
        """Those lines that may match."""
        if not self._compiled:
            return lines.clear()
        return lines.filter(self._undressed(lines).str.contains(self._any)) if self._in_bulk else lines.drop_nulls()

    def _undressed(self, lines: pl.Series) -> pl.Series:
        """The lines as `parse_errors` matches them: without colours, a child's prefix and blanks at the end.

        What is not coloured is left as it is, unless a pattern looks at where a line begins or ends: a pattern that
        does not finds nothing in a part of a line that it does not find in the whole.
        """
        if lines.str.contains("\x1b", literal=True).any():
            lines = lines.str.replace_all(ANSI, "")
        return lines.str.strip_chars_end().str.replace(DRESS, "") if self._bound else lines


def bulk_engine_knows(pattern: str) -> bool:
    """Python's regular expressions can do more than those of Polars: look-around, back-references."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True
