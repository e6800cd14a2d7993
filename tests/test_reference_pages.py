"""The pages that are made from the program are as the program is now."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tau2tui import errors
from tau2tui.cli import WORDS, config_page, man_page, words, words_page
from tau2tui.cli import word as command_of
from tau2tui.cli.examples import ENVIRONMENT, EXAMPLES, EXIT_CODES
from tau2tui.config import Config
from tests.command_line import CommandLine

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_the_configuration_is_current() -> None:
    made = config_page.page()
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == made, (
        "make it again: python -m tau2tui.cli.config_page > docs/configuration.md"
    )


def test_the_page_of_words_is_current() -> None:
    made = words_page.page()
    assert (DOCS / "words.md").read_text(encoding="utf-8") == made, (
        "make it again: python -m tau2tui.cli.words_page > docs/words.md"
    )


def test_the_manual_is_current() -> None:
    made = man_page.page()
    assert (DOCS / "tau2tui.1").read_text(encoding="ascii") == made, (
        "make it again: python -m tau2tui.cli.man_page > docs/tau2tui.1"
    )


def test_every_word_every_option_and_every_example_stands_in_the_manual() -> None:
    made = man_page.page()
    for name in WORDS:
        word = command_of(name)
        section = re.split(r"\n\.S[HS] ", made.partition(f"\n.SS {name}\n")[2])[0]
        assert bool(section) != word.hidden, name
        if not word.hidden:
            options = [each for each in word.params if isinstance(each, click.Option) and not each.hidden]
            assert [each.opts for each in options if rf"\fB{man_page.roff(each.opts[0])}\fR" not in section] == []
            assert [line for line in EXAMPLES[name] if man_page.roff(line) not in section] == []
    assert [name for name in ENVIRONMENT if rf"\fB{name}\fR" not in made] == []
    assert [
        code.exit_code for code in errors.Tau2TuiError.__subclasses__() if f".TP\n{code.exit_code}\n" not in made
    ] == []


REQUESTS = {".TH", ".SH", ".SS", ".PP", ".TP", ".BR", ".nf", ".fi", ".nh", ".ad"}
FONTS_AND_SIGNS = r"""\\(?:f[BIR]|-|e|&|:|\((?:aq|ga|ha|ti|en|mu|->|pc)|\[u[0-9A-F]{4,6}\])"""


def test_nothing_in_the_manual_is_taken_for_roff_that_is_not_meant_so() -> None:
    for line in man_page.page().splitlines()[1:]:
        if line.startswith("."):
            assert line.split(" ")[0] in REQUESTS, line
        elif line != r"tau2tui \- " + line.partition(r" \- ")[2]:
            rest = re.sub(FONTS_AND_SIGNS, "", line)
            assert rest.isascii() and not re.search(r"[\\'`^~-]", rest), line
    assert man_page.roff("a\\b -c 'd' `e` ~ ^ … ☃") == r"a\eb \-c \(aqd\(aq \(gae\(ga \(ti \(ha ... \[u2603]"


@pytest.mark.parametrize(
    ("said", "written"), [(".dot", r"\&.dot"), ("say `-x`", r"say \fB\-x\fR"), ("one `", r"one \(ga")]
)
def test_running_text_of_the_manual_is_guarded(said: str, written: str) -> None:
    assert man_page.prose(said) == written


def test_every_setting_says_what_it_is() -> None:
    """Tables are explained by their class; everything else by a docstring of its own."""
    tables = {"restart", "job", "budget", "user"} | set(Config.model_fields) - {"error_patterns", "keys"}
    silent = [
        f"{model}.{field}"
        for model, fields in config_page.documented().items()
        for field, text in fields.items()
        if not text and field not in tables
    ]
    assert silent == []
    assert len(config_page.documented()) > 15


def test_every_setting_of_every_table_stands_on_the_page() -> None:
    made = config_page.page()
    for definition in Config.model_json_schema()["$defs"].values():
        for name, field in definition["properties"].items():
            if "$ref" not in str(field):
                assert f"| `{name}` |" in made, name


def test_every_word_and_every_option_stands_on_the_page() -> None:
    made = words_page.page()
    for name in WORDS:
        word = command_of(name)
        section = made.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert bool(section) != word.hidden, name
        for parameter in word.params:
            if isinstance(parameter, click.Option) and not word.hidden and not parameter.hidden:
                assert parameter.opts[0] in section, (name, parameter.opts)


@pytest.mark.parametrize("word", [name for name in WORDS if not command_of(name).hidden])
def test_the_help_of_every_word_has_a_sentence_examples_and_exit_codes(word: str) -> None:
    command = command_of(word)
    said = command.get_help(click.Context(command, info_name=word, parent=click.Context(words, info_name="tau2tui")))
    first = (command.help or "").strip().splitlines()[0]
    assert first.endswith(".") and first[0].isupper()
    assert f"tau2tui {word}" in said.partition("Examples:")[2] or f" {word}" in said.partition("Examples:")[2]
    codes = [error.exit_code for error in errors.Tau2TuiError.__subclasses__()]
    flat = " ".join(said.partition("Exit codes:")[2].split())
    assert all(f"· {code} " in f"· {flat}" for code in (0, *codes, 130, 141))


def test_the_short_help_of_every_word_fits_on_its_line(tmp_path: Path) -> None:
    said = CommandLine(tmp_path / "config.toml", tmp_path).run("--help").stdout
    listed = said.partition("Commands:")[2].partition("Exit codes")[0].strip().splitlines()
    assert len(listed) > 25 and [line for line in listed if line.endswith("...")] == []
    assert EXIT_CODES.split()[1] == "Exit"


MEANS_ANOTHER_THING = {
    "--concurrency",
    "--every",
    "--follow",
    "--force",
    "--job",
    "--max-concurrency",
    "--metric",
    "--offline",
    "--out",
    "--seconds",
    "--seed",
    "--series",
    "--strict",
}
"""Options whose help names what they do for their word: what is out, in which seconds, of what the series is."""


def test_an_option_of_several_words_says_the_same_for_each() -> None:
    said: dict[str, dict[str, str]] = {}
    for name in WORDS:
        for option in command_of(name).params:
            if isinstance(option, click.Option) and not command_of(name).hidden:
                said.setdefault(max(option.opts, key=len), {})[name] = option.help or ""
    # A choice of domains, repeatable, is not the domain of logs; a restart now is no moment; a key has its own default.
    allowed = {"--domain": 2, "--now": 2, "--api-key-env": 2, "--timeout": 2}
    differing = {option for option, texts in said.items() if len(set(texts.values())) > allowed.get(option, 1)}
    assert differing == MEANS_ANOTHER_THING


def test_every_word_that_prints_what_is_known_prints_it_as_json_too() -> None:
    acts = {"init", "launch", "wait", "relaunch", "stop", "clean", "tunnel", "serve", "exporter", "demo", "completion"}
    silent = {
        name
        for name in WORDS
        if not command_of(name).hidden and not any("--json" in parameter.opts for parameter in command_of(name).params)
    }
    assert silent == acts


def test_the_help_names_the_configuration_and_every_variable_that_counts(tmp_path: Path) -> None:
    """Those that the program itself reads; others, such as TERM, are the terminal's and the scheduler's."""
    said = CommandLine(tmp_path / "config.toml", tmp_path).run("--help").stdout
    assert "config.toml in the current directory, or what --config names" in " ".join(said.split())
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "tau2tui").rglob("*.py"))
    read = set(re.findall(r"""environ(?:\.get\(|\[)"([A-Z_]+)"|"([A-Z_]+)" in os\.environ""", sources))
    names = {name for pair in read for name in pair if name} | {"TAU2TUI_WEB_TOKEN", "OPENAI_API_KEY"}
    of_others = {"TERM", "TEXTUAL_DRIVER", "TMUX_PANE", "CUDA_VISIBLE_DEVICES"}
    of_jobs = {name for name in names if name.startswith(("SLURM", "TAU2TUI_JOB"))}
    assert {"NO_COLOR", "VLLM_API_KEY", "TMUX"} <= names
    assert [name for name in sorted(names - of_others - of_jobs) if name not in said] == []
    assert [name for name in ENVIRONMENT if f"`{name}`" not in words_page.page()] == []
