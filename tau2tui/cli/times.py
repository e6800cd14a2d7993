"""Times on the command line: option types for the grammar of `core.times`, and an option that several words have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import click

from tau2tui.core.times import Moment, parse_length, parse_moment
from tau2tui.core.window import Window, parse_window

T = TypeVar("T")


class Typed(click.ParamType[T], Generic[T]):
    """What a parser that raises ValueError makes of a word; its message is the usage error."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: str | T, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Read it, unless it is read already, as a default may be."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _window_length(words: str) -> timedelta:
    length = timedelta(seconds=parse_length(words))
    if length < timedelta(milliseconds=1):
        raise ValueError("a window needs some length: 30s, 10m, 1h")
    return length


MOMENT: Typed[Moment] = Typed("time", parse_moment)
LENGTH: Typed[timedelta] = Typed("length", _window_length)
WINDOW: Typed[Window] = Typed("window", parse_window)

now_option = click.option(
    "--now",
    type=Typed("time", lambda words: parse_moment(words).at(datetime.now())),
    metavar="TIME",
    help="As it was then, in the logs' local time: 2026-01-02 03:10, 03:10, or 30m ago.",
)
