"""docs/tau2tui.1, made of the command line itself: `python -m tau2tui.cli.man_page > docs/tau2tui.1`.

The macros are those of man(7), and what is written is ASCII: it reads alike with groff and mandoc, in any locale.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator

import click

import tau2tui
from tau2tui.cli.described import exit_codes, options, paragraphs, root, shown_words, usage
from tau2tui.cli.examples import CONFIGURATION, ENVIRONMENT, EXAMPLES

_FILES = {
    "config.toml": "The configuration, in the current directory or where --config says.",
    "RUNS/RUN/": "A run: run.toml, the jobs and their scripts, the replicas, logs, results and reports. RUNS is "
    "run.directory of the configuration.",
    "~/.cache/tau2tui/": "What is kept to be quick; it can be deleted.",
    "~/.local/state/tau2tui/": "What the screens remember, and reports of bugs.",
    "~/.ssh/known_hosts": "The keys of login nodes; it is read, and never written.",
}
_SEE_ALSO = ("sbatch", "scancel", "squeue", "ssh", "tmux")
_ESCAPES = {
    **{"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"},
    **{"…": "...", "–": r"\(en", "−": r"\-", "×": r"\(mu", "→": r"\(->", "·": r"\(pc"},
    "|": r"|\:",  # choices may go on in the next line
}
"""What roff would take for something else, or make typographic: in a manual, words are to be copied and searched. And
signs that have names, so that a terminal without them gets others."""
_WIDTH = 80


def page() -> str:
    """The page in roff."""
    return "\n".join(_lines()) + "\n"


def roff(text: str) -> str:
    """Text in which nothing is meant as roff, wherever it stands in a line."""
    return "".join(_ESCAPES.get(sign) or (sign if sign.isascii() else f"\\[u{ord(sign):04X}]") for sign in text)


def _lines() -> Iterator[str]:
    command, context = root()
    about = (tau2tui.__doc__ or "").rstrip(".")
    yield '.\\" Made by python -m tau2tui.cli.man_page: changes belong to the help of the words.'
    yield f'.TH TAU2TUI 1 "" "tau2tui {roff(tau2tui.__version__)}" "User Commands"'
    yield from (".nh", ".ad l")  # options and paths are not hyphenated, and choices not stretched
    yield from (".SH NAME", rf"tau2tui \- {roff(about)}")
    yield from (".SH SYNOPSIS", _typed(usage(command, context)))
    yield ".SH DESCRIPTION"
    yield from _help(command)
    yield from (".PP", prose("Data is on standard output, talk on standard error."), ".SH OPTIONS")
    yield from _options(command, context)
    yield ".SH COMMANDS"
    yield prose("Every command takes --help, which says the same as this page.")
    for name, word, below in shown_words():
        yield from (f".SS {roff(name)}", _typed(usage(word, below)), ".PP")
        yield from _help(word)
        yield from _options(word, below)
        yield from (".PP", "Examples:", ".PP", ".nf", *map(_line, EXAMPLES[name]), ".fi")
    yield from (".SH CONFIGURATION", prose(CONFIGURATION), ".SH ENVIRONMENT")
    yield from _tagged((_bold(name), what) for name, what in ENVIRONMENT.items())
    yield ".SH EXIT STATUS"
    yield from _tagged((f"{code}", meaning) for code, meaning in exit_codes().items())
    yield from (".PP", prose("An error is one line on standard error: what happened, where, and what to do next."))
    yield ".SH FILES"
    yield from _tagged((rf"\fI{roff(name)}\fR", what) for name, what in _FILES.items())
    yield ".SH SEE ALSO"
    yield from (f".BR {name} (1){'' if name == _SEE_ALSO[-1] else ','}" for name in _SEE_ALSO)


def _help(word: click.Command) -> Iterator[str]:
    for number, (as_it_is, lines) in enumerate(paragraphs(word)):
        if number:
            yield ".PP"
        yield from (".nf", *map(_line, lines), ".fi") if as_it_is else [prose(" ".join(lines))]


def _options(word: click.Command, context: click.Context) -> Iterator[str]:
    yield from _tagged((_typed(names), text) for names, text in options(word, context))


def _tagged(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names, already in roff, with what there is to say of each below."""
    for name, text in entries:
        yield from (".TP", name, prose(text))


def _typed(words: str) -> str:
    """As it is typed: what stands for itself in bold, what is put in its place in italics."""
    return re.sub(
        r"(?P<literal>(?<![\w-])--?[\w-]+|\btau2tui(?: [a-z]+)?\b)|(?P<name>\b[A-Z][\w.]*)|(?P<other>.)",
        lambda found: (
            _bold(found["literal"])
            if found["literal"]
            else rf"\fI{roff(found['name'])}\fR"
            if found["name"]
            else roff(found["other"])
        ),
        words,
    )


def prose(text: str) -> str:
    """Running text; what stands between backticks in bold."""
    words = re.sub(r"`([^`]+)`|[^`]+|`", lambda part: _bold(part[1]) if part[1] else roff(part[0]), text)
    lines = textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_guarded, lines))


def _bold(text: str) -> str:
    return rf"\fB{roff(text)}\fR"


def _line(text: str) -> str:
    return _guarded(roff(text.rstrip()))


def _guarded(line: str) -> str:
    """A line that begins with a point would be a request."""
    return rf"\&{line}" if line.startswith(".") else line


if __name__ == "__main__":
    sys.stdout.write(page())
