"""docs/words.md, made of the command line itself: `python -m tau2tui.cli.words_page > docs/words.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from tau2tui.cli.described import exit_codes, options, paragraphs, root, shown_words, usage
from tau2tui.cli.examples import CONFIGURATION, ENVIRONMENT, EXAMPLES

_HEAD = """# Words

Everything that the screens can do is a word of `tau2tui`, and more. Data is on stdout, talk on stderr; `--json` makes
the data one JSON value. What ends something shows its steps and asks first, unless `--yes` is given; `--dry-run` prints
the steps alone. Options before the word say which configuration and which run is meant. This page is made from the
command line itself: it says what `--help` says behind each word.
"""


def page() -> str:
    """The page as Markdown: the options before the word, every word in the order of `--help`, the exit codes."""
    parts = [_HEAD, "## Before the word\n", _options(*root()), *_surroundings()]
    for name, word, context in shown_words():
        parts += _word(name, word, context)
    return "\n".join([*parts, *_exit_codes()])


def _word(name: str, word: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {name}\n"
    yield "\n".join(["```text", usage(word, context), "```", ""])
    for as_it_is, lines in paragraphs(word):
        if as_it_is:
            yield "\n".join(["```text", *lines, "```", ""])
        else:
            yield _plain(" ".join(" ".join(lines).split())) + "\n"
    yield _options(word, context)
    yield "\n".join(["<!-- commands: parse -->", "```sh", *EXAMPLES[name], "```", ""])


def _options(word: click.Command, context: click.Context) -> str:
    pipe = r"\|"  # a table wants it in code as well
    rows = [f"| `{names.replace('|', pipe)}` | {_cell(text)} |" for names, text in options(word, context)]
    return "\n".join(["| option | what it does |", "|---|---|", *rows, ""]) if rows else ""


def _surroundings() -> Iterator[str]:
    yield f"## Configuration\n\n{_plain(CONFIGURATION)} [All settings](configuration.md).\n"
    rows = [f"| `{name}` | {_cell(what)} |" for name, what in ENVIRONMENT.items()]
    yield "\n".join(["## Environment\n", "| variable | what it is |", "|---|---|", *rows, ""])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | what happened |\n|---|---|"
    for code, meaning in exit_codes().items():
        yield f"| {code} | {_cell(meaning)} |"
    yield "\nAn error is one line on stderr: what happened, where, and what to do next.\n"


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|")


def _plain(text: str) -> str:
    """Words of the help, in which nothing is meant as Markdown or HTML."""
    return text.replace("<", "&lt;").replace("*", r"\*").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
