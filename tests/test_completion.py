"""`tau2tui completion`: real shells complete words and options with what it prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tau2tui.cli import WORDS, word, words
from tests.command_line import CommandLine

ROOT = Path(__file__).parents[1]


def parameters(command: click.Command, path: str) -> list[tuple[str, click.Parameter]]:
    found = [(path, parameter) for parameter in command.params]
    if isinstance(command, click.Group):
        for name in WORDS:
            found += parameters(word(name), f"{path} {name}")
    return found


def test_every_option_of_every_word_says_what_it_does() -> None:
    options = [(path, option) for path, option in parameters(words, "tau2tui") if isinstance(option, click.Option)]
    assert len(options) > 50
    assert [f"{path} {option.opts[0]}" for path, option in options if not (option.help or "").endswith(".")] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_this_program(tmp_path: Path, shell: str) -> None:
    script = CommandLine(tmp_path / "config.toml", tmp_path).run("completion", shell).stdout
    assert f"_TAU2TUI_COMPLETE={shell}_complete" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_bash_completes_words_and_options_with_it(tmp_path: Path) -> None:
    (tmp_path / "tau2tui").write_text(f'#!/bin/sh\nexec {sys.executable} -m tau2tui "$@"\n')
    (tmp_path / "tau2tui").chmod(0o755)
    script = (
        'eval "$(tau2tui completion bash)"\n'
        'complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _tau2tui_completion tau2tui; '
        'echo "${COMPREPLY[*]}"; }\ncomplete_it tau2tui rel\ncomplete_it tau2tui import --de\n'
    )
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    completed = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert completed.stdout.split() == ["relaunch", "--define"], completed.stderr
