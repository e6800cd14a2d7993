"""docs/words.md, made of the command line itself: `python -m tau2tui.cli.words_page > docs/words.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from tau2tui import errors
from tau2tui.cli import words
from tau2tui.cli.examples import CONFIGURATION, ENVIRONMENT, EXAMPLES

_HEAD = """# Words

Everything that the screens can do is a word of `tau2tui`, and more. Data is on stdout, talk on stderr; `--json` makes
the data one JSON value. What ends something shows its steps and asks first, unless `--yes` is given; `--dry-run` prints
the steps alone. Options before the word say which configuration and which run is meant. This page is made from the
command line itself: it says what `--help` says behind each word.
"""


def page() -> str:
    """The page as Markdown: the options before the word, every word in the order of `--help`, the exit codes."""
    assert isinstance(words, click.Group)
    root = click.Context(words, info_name="tau2tui")
    parts = [_HEAD, "## Before the word\n", _options(words, root), *_surroundings()]
    for name in words.list_commands(root):
        word = words.get_command(root, name)
        if word is not None and not word.hidden:
            parts += _word(word, click.Context(word, info_name=name, parent=root))
    return "\n".join([*parts, *_exit_codes()])


def _word(word: click.Command, context: click.Context) -> Iterator[str]:
    assert word.name is not None and word.help is not None
    yield f"## {word.name}\n"
    yield "\n".join(["```text", " ".join(["tau2tui", word.name, *word.collect_usage_pieces(context)]), "```", ""])
    # Cleaned, as Python does itself from 3.13 on: before that a docstring keeps the indentation of its lines.
    for paragraph in inspect.cleandoc(word.help).split("\n\n"):
        lines = paragraph.splitlines()
        if lines[0].strip() == "\b":
            yield "\n".join(["```text", *lines[1:], "```", ""])
        else:
            yield _plain(" ".join(paragraph.split())) + "\n"
    yield _options(word, context)
    yield "\n".join(["<!-- commands: parse -->", "```sh", *EXAMPLES[word.name], "```", ""])


def _options(word: click.Command, context: click.Context) -> str:
    pipe = r"\|"  # a table wants it in code as well
    options = [parameter for parameter in word.get_params(context) if isinstance(parameter, click.Option)]
    records = filter(None, (option.get_help_record(context) for option in options))
    rows = [f"| `{names.replace('|', pipe)}` | {_cell(text)} |" for names, text in records if names != "--help"]
    return "\n".join(["| option | what it does |", "|---|---|", *rows, ""]) if rows else ""


def _surroundings() -> Iterator[str]:
    yield f"## Configuration\n\n{_plain(CONFIGURATION)} [All settings](configuration.md).\n"
    rows = [f"| `{name}` | {_cell(what)} |" for name, what in ENVIRONMENT.items()]
    yield "\n".join(["## Environment\n", "| variable | what it is |", "|---|---|", *rows, ""])


def _exit_codes() -> Iterator[str]:
    """From the tree of errors; 0, 1 and 130 are those of programs in general."""
    yield "## Exit codes\n"
    yield "| code | what happened |\n|---|---|\n| 0 | What was asked for was done. |"
    yield "| 1 | A bug, with its traceback. |"
    for error in errors.Tau2TuiError.__subclasses__():
        yield f"| {error.exit_code} | {_cell(' '.join((error.__doc__ or '').split()))} |"
    yield "| 130 | It was interrupted. |"
    yield "\nAn error is one line on stderr: what happened, where, and what to do next.\n"


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|")


def _plain(text: str) -> str:
    """Words of the help, in which nothing is meant as Markdown or HTML."""
    return text.replace("<", "&lt;").replace("*", r"\*").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
