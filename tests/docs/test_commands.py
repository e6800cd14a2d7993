"""Every command in README.md and docs/ is run, or where it needs a cluster, a terminal or hours, parsed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from tau2tui.cli import WORDS, words
from tau2tui.cli import word as command_of
from tau2tui.cli.examples import EXAMPLES
from tests.docs.commands import PAGES, ROOT, Block, argv, blocks, inline, other_lines

BLOCKS = [block for page in PAGES for block in blocks(page)]
TUTORIAL = "docs/tutorial.md"
RECORDED = ROOT / "tests/data/runs"
OTHERS = {
    *("cd", "mkdir", "export", "curl", "pip", "pipx", "uv", "ssh", "tmux", "grep", "less", "python", "git"),
    *(".venv/bin/pytest", ".venv/bin/mkdocs"),
}
"""Programs that are not ours and stand in blocks that are not run."""


def parsed(command: str) -> None:
    """Parse a command line as click does, without doing anything; the script exists, if it is one.

    Raises click.UsageError if a word, option, argument or value does not exist.
    """
    found = argv(command)
    for separator in ("|", "||", ">", "&&", ";"):
        if separator in found:
            found = found[: found.index(separator)]
    if found[0] == "tau2tui":
        _parse(found[1:])
    elif found[0].startswith("scripts/"):
        assert os.access(ROOT / found[0], os.X_OK), found[0]
        if found[0] == "scripts/demo":
            _parse(["demo", *found[1:]])
    else:
        assert found[0] in OTHERS, f"{found[0]}: run it, or add it to the programs that are not ours"


def _parse(found: list[str]) -> None:
    assert isinstance(words, click.Group)
    try:
        root = words.make_context("tau2tui", list(found))
        # What is left of the line; the public names of it are on their way from Click 8 to 9.
        if left := [*root._protected_args, *root.args]:
            name, word, rest = words.resolve_command(root, left)
            assert word is not None and name is not None
            word.make_context(name, rest, parent=root)
    except click.exceptions.Exit:
        pass  # --help, --version
    except click.exceptions.NoArgsIsHelpError:
        pass


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_every_block_says_whether_its_commands_are_run_or_parsed(block: Block) -> None:
    assert block.how, "put <!-- commands: run --> or <!-- commands: parse --> before it, see tests/docs/commands.py"
    assert block.commands or not block.lines


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.how == "parse"], ids=lambda block: block.where)
def test_every_command_line_that_is_not_run_can_be_parsed(block: Block) -> None:
    for command in block.commands:
        parsed(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_can_be_parsed(page: Path) -> None:
    for where, command in inline(page):
        if len(argv(command)) == 2:  # the name of a word, not a whole command
            command += " --help"
        try:
            parsed(command)
        except (click.UsageError, AssertionError) as error:
            raise AssertionError(f"{where}: {command}: {error}") from None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_hides_in_a_block_that_is_not_shell(page: Path) -> None:
    hidden = [line for line in other_lines(page) if re.match(r"\s*(\$ )?(tau2tui|scripts/\w+) (?!=)", line)]
    assert [line for line in hidden if "[OPTIONS]" not in line] == []


def test_the_comments_of_the_shipped_configuration_name_commands_that_exist() -> None:
    named = [command for _, command in inline(ROOT / "config.toml")]
    assert len(named) > 3
    for command in named:
        parsed(command if len(argv(command)) > 2 else f"{command} --help")


def test_a_wrong_word_option_or_value_is_found() -> None:
    for wrong in ("tau2tui lunch", "tau2tui launch --now", "tau2tui compare A", "tau2tui eval --trials many"):
        with pytest.raises(click.UsageError):
            parsed(wrong)
    for wrong in ("scripts/nothing", "rm -rf x"):
        with pytest.raises(AssertionError):
            parsed(wrong)


def test_every_word_has_examples_and_they_can_be_parsed() -> None:
    assert list(EXAMPLES) == [name for name in WORDS if not command_of(name).hidden]
    for name, examples in EXAMPLES.items():
        assert all(name in argv(example) for example in examples)
        for example in examples:
            parsed(example)


@dataclass
class Practice:
    """The directory of the tutorial, in which commands are typed as its reader types them."""

    directory: Path
    ports: dict[str, str]
    """Port in the page → port that is free here."""
    typed: list[str] = field(default_factory=list)

    def type(self, command: str, status: int = 0) -> str:
        """Run some lines in a shell and return what came, stdout and stderr as they came."""
        self.typed.append(command)
        completed = subprocess.run(
            ["bash", "-c", self.here(command)],
            cwd=self.directory,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "HOME": str(self.directory.parent),
                "COLUMNS": "80",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert completed.returncode == status, f"{command}: {completed.returncode}\n{completed.stdout}"
        return completed.stdout

    def here(self, text: str) -> str:
        return re.sub(r"\b(19\d\d)\b", lambda found: self.ports.get(found[1], found[1]), text)

    def run(self, block: Block) -> None:
        """Type a block: as one script, or where output is shown, line by line.

        Every line that is shown must come, but for numbers and the names of machines and directories.
        """
        if block.language != "console":
            self.type("\n".join(["set -e", *block.commands]), block.status)
            return
        for command, shown in block.shown:
            said = {self._likeness(line) for line in self.type(command, block.status).splitlines()}
            missing = [line for line in shown if self._likeness(line) not in said]
            assert not missing, f"{block.where}: `{command}` does not say: {missing}\nbut:\n" + "\n".join(sorted(said))

    def _likeness(self, line: str) -> str:
        """A line without what differs from run to run: numbers, the directory, the machine, the Python that is used."""
        line = line.replace(str(self.directory), "~/practice").replace(str(self.directory.parent), "~")
        line = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "box", line.replace("/home/ada", "~"))
        line = re.sub(r"\S*/bin/python[\d.]*", "python", line)
        return " ".join(re.sub(r"[\d.,:]*\d|[–-]\s*$", "#", line).split())


def toml(page: Path) -> str:
    """The first TOML block of a page: the configuration that its reader writes."""
    return page.read_text().partition("```toml\n")[2].partition("```")[0]


def free_ports(config: str) -> dict[str, str]:
    """The ports of a configuration, each with the ones after it, → as many that are free here."""
    wanted = range(1900, 2000)
    for first in range(20000, 60000, 100):
        used = [port for port in wanted if f"port = {port}" in config or f"port = {port - 1}" in config]
        if all(_free(first + port - 1900) for port in used):
            return {str(port): str(first + port - 1900) for port in wanted}
    raise AssertionError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """The tutorial up to its last block, which ends what runs and is run when all other pages have had their turn."""
    home = tmp_path_factory.mktemp("home")
    directory = home / "practice"
    directory.mkdir()
    config = toml(ROOT / TUTORIAL)
    here = Practice(directory, free_ports(config))
    (directory / "config.toml").write_text(here.here(config))
    shutil.copytree(ROOT / "tests/data/seed", home / "evaluation")
    shutil.copytree(RECORDED / "first" / "logs", home / "evaluation" / "logs_oss_full")
    tutorial = [block for block in BLOCKS if block.page == TUTORIAL]
    try:
        for block in tutorial:
            if block.how == "run":
                here.run(block)
        for name, run in (("20251230-1732", "first"), ("20251231-0900", "before-hand-over")):
            shutil.copytree(RECORDED / run, directory / "runs" / name)
        yield here
        (last,) = [block for block in tutorial if block.how == "run last"]
        here.run(last)
    finally:
        here.type("tau2tui stop --yes || true")  # whatever went wrong before, nothing is left running


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
@pytest.mark.parametrize(
    "page", sorted({block.page for block in BLOCKS if block.how == "run" and block.page != TUTORIAL})
)
def test_the_commands_of_a_page_work_on_the_fleet_of_the_tutorial(practice: Practice, page: str) -> None:
    for block in BLOCKS:
        if block.page == page and block.how == "run":
            practice.run(block)


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_the_tutorial_launches_breaks_mends_evaluates_and_reports(practice: Practice) -> None:
    typed = {word for command in practice.typed if "\n" not in command for word in argv(command)[1:2]}
    assert typed >= {"launch", "status", "diagnose", "relaunch", "wait", "eval", "latency", "errors", "report"}
