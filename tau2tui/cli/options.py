"""Options that several words have, so that each means and says the same everywhere; and the types of times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import click

from tau2tui.core.times import Moment, parse_length, parse_moment
from tau2tui.core.window import Window, parse_window
from tau2tui.defaults import DOMAINS

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

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout, for programs.")
dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Print the steps and do nothing.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
cache_option = click.option(
    "--no-cache",
    "use_cache",
    flag_value=False,
    default=True,
    help="Parse all logs afresh, whatever earlier readings kept.",
)
now_option = click.option(
    "--now",
    type=Typed("time", lambda words: parse_moment(words).at(datetime.now())),
    metavar="TIME",
    help="As it was then, in the logs' local time: 2026-01-02 03:10, 03:10, or 30m ago.",
)
domains_option = click.option(
    "-d", "--domain", "domains", multiple=True, type=click.Choice(DOMAINS), help="Of this domain; may be repeated."
)
mode_option = click.option("--mode", metavar="MODE", help="experts, solo, or always:EXPERT.")
exclude_option = click.option("--exclude", multiple=True, metavar="NODE", help="A node on which no new job must start.")
exclude_dirty_option = click.option(
    "--exclude-dirty", is_flag=True, help="The nodes whose GPUs were found dirty, see `tau2tui gpus`, as well."
)
via_option = click.option(
    "--via",
    type=click.Choice(("auto", "agent", "ssh", "srun")),
    default="auto",
    show_default=True,
    help="How the nodes are reached: the job's agent, SSH from the login node, or a step in the job.",
)
