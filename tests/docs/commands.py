"""The commands in README.md and docs/: every fenced block of shell, and what the marker before it says about it.

    <!-- commands: run -->            run in the practice directory, on the fleet of the tutorial
    <!-- commands: run, exit 5 -->    the same, and the last of them ends so
    <!-- commands: run last -->       the same, after all others: they end the fleet
    <!-- commands: parse -->          need a cluster, a terminal or hours: the command line is only parsed

The marker stands on the line before the fence. Where there is none, the block is an error, so no command escapes both.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
SHELL = ("sh", "bash", "console", "shell")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
_MARKER = re.compile(r"<!-- commands: (?P<how>run last|run|parse)(?:, exit (?P<status>\d+))? -->")
_INLINE = re.compile(r"(?<!`)`(tau2tui(?: [^`\n]*)?|scripts/[^`\n]*)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of shell in a page."""

    page: str
    line: int
    language: str
    how: str
    """run, run last, parse; empty: nothing is said."""
    status: int
    """How the last command of the block ends."""
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines to be typed; in `console` those behind a `$`, with what follows a backslash at their end."""
        joined = "\n".join(self.lines).replace("\\\n", " ").splitlines()
        if self.language == "console":
            return tuple(line.removeprefix("$ ") for line in joined if line.startswith("$ "))
        return tuple(line for line in joined if line.strip() and not line.lstrip().startswith("#"))

    @property
    def shown(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """In `console`: each command with the lines of its output that are shown, `…` standing for any."""
        found: list[tuple[str, list[str]]] = []
        for line in "\n".join(self.lines).replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif line.strip() not in ("", "…"):
                found[-1][1].append(line)
        return tuple((command, tuple(lines)) for command, lines in found)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of shell of one page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start, language, before = 0, "", ""
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence is None:
            before = line if not start else before
            continue
        if not start:
            start, language = number, fence["language"]
            continue
        if language in SHELL:
            marker = _MARKER.fullmatch(before.strip())
            yield Block(
                str(page.relative_to(ROOT)),
                start,
                language,
                marker["how"] if marker else "",
                int(marker["status"] or 0) if marker else 0,
                tuple(lines[start : number - 1]),
            )
        start, before = 0, ""


def other_lines(page: Path) -> Iterator[str]:
    """The lines of all fenced blocks that are not shell."""
    language: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence := _FENCE.match(line):
            language = fence["language"] if language is None else None
        elif language is not None and language not in SHELL:
            yield line


def inline(page: Path) -> Iterator[tuple[str, str]]:
    """Commands of ours within sentences and tables, with the place where they stand."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            for command in _INLINE.findall(line):
                yield f"{page.relative_to(ROOT)}:{number}", command.replace("\\|", "|")


def argv(command: str) -> list[str]:
    """The words of a command, without a comment behind it and without variables set before it."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words
