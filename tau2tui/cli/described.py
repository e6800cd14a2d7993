"""What the command line says of itself, for the pages that are made of it: docs/words.md and the manual page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from tau2tui import errors
from tau2tui.cli import words


def root() -> tuple[click.Group, click.Context]:
    """The command `tau2tui`, with the options before the word."""
    assert isinstance(words, click.Group)
    return words, click.Context(words, info_name="tau2tui")


def shown_words() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every word with its command, in the order of `--help`; without those that are not for people."""
    group, above = root()
    for name in group.list_commands(above):
        word = group.get_command(above, name)
        if word is not None and not word.hidden:
            yield name, word, click.Context(word, info_name=name, parent=above)


def usage(word: click.Command, context: click.Context) -> str:
    """How it is typed: `tau2tui stop [OPTIONS] [REPLICAS]...`."""
    return " ".join([context.command_path, *word.collect_usage_pieces(context)])


def paragraphs(word: click.Command) -> Iterator[tuple[bool, list[str]]]:
    """The parts of its help: whether the lines are to stay as they are, and the lines."""
    # Cleaned, as Python does itself from 3.13 on: before that a docstring keeps the indentation of its lines.
    for paragraph in inspect.cleandoc(word.help or "").split("\n\n"):
        lines = paragraph.splitlines()
        as_it_is = lines[0].strip() == "\b"
        yield as_it_is, lines[1:] if as_it_is else lines


def options(word: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Its options but for `--help`: how they are typed, and what they do, with default and limits."""
    found = [parameter for parameter in word.get_params(context) if isinstance(parameter, click.Option)]
    records = filter(None, (option.get_help_record(context) for option in found))
    return [(names, text) for names, text in records if names != "--help"]


def exit_codes() -> dict[int, str]:
    """What each means; from the tree of errors, and 0, 1, 130 and 141 are those of programs in general."""
    said = {error.exit_code: " ".join((error.__doc__ or "").split()) for error in errors.Tau2TuiError.__subclasses__()}
    return {
        0: "What was asked for was done.",
        1: "A bug, with its traceback.",
        **said,
        130: "It was interrupted.",
        141: "Whoever read the output has closed it, as `head` does.",
    }
