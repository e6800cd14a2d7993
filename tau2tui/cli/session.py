"""What every word needs: the settings that were named, a run opened on demand, and how to speak."""

from __future__ import annotations

import gc
import getpass
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tau2tui.core.printable import controls_escaped, harmless
from tau2tui.defaults import CONFIG_FILE
from tau2tui.errors import ConfigError, Refused
from tau2tui.remote.login import Login

if TYPE_CHECKING:
    from textual.app import App

    from tau2tui.config import Config
    from tau2tui.core.plan import Plan
    from tau2tui.ops import Ops, Progress
    from tau2tui.remote.login import Question

T = TypeVar("T")

SETTLED_S = 2.0
"""So long after its start nothing more is loaded for a screen."""
GARBAGE_AFTER = 10_000, 20, 50
"""So many new objects, then so many looks at the young ones, at the older ones: Python's thresholds."""


@dataclass(frozen=True, slots=True)
class Session:
    """The options before the word."""

    config_file: Path
    run_id: str | None
    read_only: bool

    def config(self) -> Config:
        from tau2tui import config  # its models are a tenth of a second, for which who needs none does not wait

        return config.load(self.config_file)

    def known_config(self) -> Config | None:
        """The configuration if there is one; logs can be read without, so only one that was named must exist."""
        named = self.config_file != CONFIG_FILE
        return self.config() if named or self.config_file.exists() else None

    @asynccontextmanager
    async def ops(self, *, new: bool = False) -> AsyncIterator[Ops]:
        """The run that is meant, or with `new` one that is yet to be made."""
        from tau2tui.ops import open_ops

        opened = open_ops(self.config(), self.run_id, new=new, read_only=self.read_only, login=terminal_login())
        async with opened as ops:
            yield ops


def run_async(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a word's coroutine to its end. Raises KeyboardInterrupt where it was cancelled."""
    import asyncio  # a quarter of what a word loads that only reads logs, and needs none

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def say(text: str) -> None:
    """Talk to a person: stderr, with the time, so that a log of it can be read later.

    A terminal that has gone away is no reason to stop half way: what is being ended goes on being ended.
    """
    with suppress(OSError):
        print(f"{datetime.now():%H:%M:%S} {harmless(text)}", file=sys.stderr, flush=True)


def terminal_login() -> Login:
    """Who answers what a login asks: whoever sits at the terminal, if there is one."""
    there = all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))

    async def answer(question: Question) -> str | None:
        return _ask_on_terminal(question)  # nothing else happens meanwhile: a word waits for its login

    return Login(answer if there else None)


def _ask_on_terminal(question: Question) -> str | None:
    """Ask; None at an end of input."""
    for line in question.words.splitlines():
        print(harmless(line), file=sys.stderr)
    prompt = harmless(f"{question.login}: {question.prompt.strip()} ")
    # asyncio would only note a ctrl+c until the answer is there.
    noting = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if not question.echoed:
            return getpass.getpass(prompt)
        print(prompt, end="", file=sys.stderr, flush=True)
        return input()
    except EOFError:
        return None
    finally:
        signal.signal(signal.SIGINT, noting)


def require_terminal(hint: str) -> None:
    """Raise ConfigError unless there is a terminal to draw on; Textual reads stdin and draws on stderr.

    In a browser (`tau2tui serve`) there are pipes instead, and TEXTUAL_DRIVER names who speaks over them.
    """
    if "TEXTUAL_DRIVER" in os.environ:
        return
    # A stream that was closed before the start is None.
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise ConfigError("this is not a terminal, so there is no screen", hint)


async def on_screen(app: App[None]) -> int:
    """Show an app until it is closed; 1 if a bug ended it, which has put its traceback on the terminal by then."""
    import asyncio

    settling = asyncio.get_running_loop().call_later(SETTLED_S, settle_garbage)
    await app.run_async()
    settling.cancel()
    return app.return_code or 0


def settle_garbage() -> None:
    """Look for garbage from now on, but never again through what was loaded at the start, and less often.

    A look through all that Textual, pydantic and the configuration are made of took 60 ms, in which no key was drawn.
    """
    gc.freeze()
    gc.set_threshold(*GARBAGE_AFTER)
    gc.enable()


def put(text: str, *, styled: bool = False) -> None:
    """Data for a person or a program: stdout. `styled`: it holds colours of ours, and words from outside are clean."""
    print(text if styled else harmless(text), flush=True)


def put_json(value: Any) -> None:
    """Data for a program; what would act on a terminal is escaped, which is the same text in JSON."""
    put(controls_escaped(json.dumps(value, indent=2, ensure_ascii=False)))


def put_table(rows: Sequence[tuple[str, ...]], *, wrapped: bool = False) -> None:
    """Columns below each other; on a terminal each line ends at its edge, unless it may be `wrapped` there."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() and not wrapped else None
    for row in rows:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        put(" ".join(line.splitlines()).rstrip()[:edge])


def takes_utf8() -> bool:
    """Whether what is drawn on stdout may hold more than ASCII."""
    return (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"


def takes_colours() -> bool:
    """Whether stdout is a terminal on which nobody has asked for no colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def api_key(variable: str) -> str:
    """The API key in a variable that was named, never the key itself on a command line, which all users can read.

    Raises ConfigError, which does not repeat the name: it may be the key, typed in its place.
    """
    key = os.environ.get(variable, "")
    if not key:
        raise ConfigError(
            "--api-key-env names a variable that is not set", "export it first: keys come from nowhere else"
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in {variable} holds characters that no header can carry")
    return key


def tell(progress: Progress) -> None:
    """One line for each piece of news of a plan."""
    if progress.message:
        say(f"{progress.target or progress.step}: {progress.message}")
    elif progress.done:
        say(f"{progress.step}")


async def carry_out(ops: Ops, plan: Plan, *, dry_run: bool = False, yes: bool = False) -> None:
    """Show the plan, ask if it ends something, and do it. Raises Refused if the answer is no."""
    if dry_run:
        for line in plan.lines:
            put(line)
        return
    if plan.destructive and not yes:
        for line in (*plan.lines, *plan.affects, *plan.doubts):
            say(line)
        if not sys.stdin.isatty():
            raise Refused("this ends something that runs, and there is nobody to ask", "add --yes")
        import asyncio

        if not await asyncio.to_thread(click.confirm, "Do it?", default=False, err=True):
            raise Refused("nothing was changed", "you said no")
    await ops.perform(plan, tell)
