"""Tracebacks over many lines → one error each, whatever a logger put in front of the lines.

The form is that of Python's `traceback` module: a head, frames, and the exception. Chained ones follow each other with
a sentence between them, the last being the one that was not caught. An exception group is one error, with its parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HEAD_TEXT = "Traceback (most recent call last):"
_HEAD = re.compile(r"(?P<prefix>.*?)(?P<group>\+ Exception Group )?Traceback \(most recent call last\):\s*")
_FRAME = re.compile(r'\s*File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
_EXCEPTION = re.compile(r"(?P<name>[^\W\d]\w*(?:\.\w+)*)(?::(?: (?P<message>.*))?)?")
_CHAIN = re.compile(
    r"During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:"
)
_CHAINS = "above exception"
_RECORD = re.compile(
    r"\[[A-Z_]+\] \d{4}-\d\d-\d\d |\[\d{4}-\d\d-\d\d \d\d:|\[tau2/cli\.py |\[TAU2_TASK_COMPLETE\]|\[OVERALL_ETA\]"
    r"|(?:\([^()]*\) )?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)[: ]|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
)
"""What only the beginning of another record looks like."""
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LONGEST_PREFIX = 200
_MOST_FOREIGN = 50
"""Lines of others that may stand in a traceback before it is taken to have been cut off."""
_MOST_BEHIND = 30
"""Lines of a message, or blank ones, between an exception and the sentence that chains it to the next."""
_MOST_TEXT = 4000
"""Characters of a traceback that are kept as an example."""
CUT_OFF = "(cut off)"
"""Instead of the exception's name, where a log holds only the beginning of a traceback."""


@dataclass(slots=True)
class Traceback:
    """One error: the last exception of a chain, and where it was raised."""

    first_line: int
    """Number of its head in the file, from 0 on."""
    prefix: str
    """What stands before the head."""
    name: str = CUT_OFF
    """The exception with its module, as the traceback calls it."""
    message: str = ""
    place: str = ""
    """`file:line in function` of the innermost frame."""
    causes: list[str] = field(default_factory=list)
    """The exceptions before it in the chain, the first one first."""
    last_line: int = 0
    lines: list[str] = field(default_factory=list)
    """Without the prefix; no more than are worth keeping."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def headline(self) -> str:
        """What the last line of the traceback says."""
        return f"{self.name}: {self.message}" if self.message else self.name


class Folding:
    """Takes the lines of one file in their order, and gives back whole tracebacks.

    While none is open, it needs only the lines that hold HEAD_TEXT.
    """

    def __init__(self) -> None:
        self._found: Traceback | None = None
        self._state = ""
        self._prefix = re.compile("")
        self._foreign = 0
        self._behind = 0
        self._kept = 0

    @property
    def open(self) -> bool:
        """Whether it has to see the next line."""
        return self._found is not None

    @property
    def begun_at(self) -> int | None:
        """The number of the line at which the open one has begun."""
        return None if self._found is None else self._found.first_line

    def feed(self, number: int, line: str, *, notable: bool = False) -> tuple[bool, list[Traceback]]:
        """Whether the line belongs to a traceback, and the tracebacks that have ended with the line before it.

        `notable`: the line says something of its own, so that it is no part of an exception's long message.
        """
        own, text = self._without_prefix(line)
        of_group = self._state == "group" and self.open and text.lstrip().startswith("|")
        if HEAD_TEXT in line and not of_group:
            head = _HEAD.fullmatch(line)
            if head and len(head["prefix"]) <= _LONGEST_PREFIX:
                return True, self._begin(number, line, head)
        if self._found is None:
            return False, []
        if self._state == "frames":
            return self._in_frames(number, text, own=own)
        if self._state == "group":
            return self._in_group(number, text)
        return self._behind_exception(number, text, notable=notable)

    def end(self) -> list[Traceback]:
        """The traceback that is still open, at the end of the file."""
        found, self._found = self._found, None
        return [] if found is None else [found]

    def _begin(self, number: int, line: str, head: re.Match[str]) -> list[Traceback]:
        group = head["group"] is not None
        if self._found is not None and self._state == "chained":
            ended = []
            self._found.causes.append(self._found.name)
            self._found.name, self._found.message, self._found.place = CUT_OFF, "", ""
        else:
            ended = self.end()
            self._found = Traceback(number, head["prefix"], last_line=number)
            self._prefix = re.compile(re.sub(r"\d+", r"\\d+", re.escape(head["prefix"])))
            self._kept = 0
        self._state, self._foreign = "group" if group else "frames", 0
        self._keep(number, line[len(head["prefix"]) :])
        return ended

    def _in_frames(self, number: int, text: str, *, own: bool) -> tuple[bool, list[Traceback]]:
        assert self._found is not None
        if frame := _FRAME.fullmatch(text):
            where = f" in {frame['function']}" if frame["function"] else ""
            self._found.place = f"{frame['file']}:{frame['line']}{where}"
        elif text[:1] in (" ", "\t", ""):
            pass  # a line of the source, its marks, or nothing
        elif (named := _EXCEPTION.fullmatch(text)) and named["name"] not in _LEVELS and (own or not _is_record(text)):
            self._found.name, self._found.message = named["name"], named["message"] or ""
            self._state, self._behind = "behind", 0
        else:
            self._foreign += 1
            return False, self.end() if self._foreign > _MOST_FOREIGN else []
        self._keep(number, text)
        return True, []

    def _in_group(self, number: int, text: str) -> tuple[bool, list[Traceback]]:
        """The lines of a group are all marked: its own exception with the first `|`, those of its parts deeper."""
        assert self._found is not None
        bare = text.lstrip()
        if not bare.startswith(("|", "+")):
            self._state, self._behind = "behind", 0
            return self._behind_exception(number, text, notable=False)
        inside = bare[1:].removeprefix(" ")
        if frame := _FRAME.fullmatch(inside):
            self._found.place = self._found.place if self._found.name != CUT_OFF else f"{frame['file']}:{frame['line']}"
        elif self._found.name == CUT_OFF and inside[:1] not in (" ", "") and (named := _EXCEPTION.fullmatch(inside)):
            self._found.name, self._found.message = named["name"], named["message"] or ""
        self._keep(number, text)
        return True, []

    def _behind_exception(self, number: int, text: str, *, notable: bool) -> tuple[bool, list[Traceback]]:
        self._behind += 1
        # Most lines are told by less than an expression: dozens stand behind each exception.
        chains = _CHAINS in text and self._state != "chained" and _CHAIN.fullmatch(text.strip()) is not None
        if notable or self._behind > _MOST_BEHIND:
            return False, self.end()
        if chains:
            self._state = "chained"
        elif _is_record(text):
            return False, []  # of another thread
        elif not text.strip():
            return True, []  # it may be the space around the chaining sentence
        elif self._state == "chained":
            return False, self.end()
        self._keep(number, text)
        return True, []

    def _without_prefix(self, line: str) -> tuple[bool, str]:
        if self._found is not None and self._found.prefix and (prefix := self._prefix.match(line)):
            return True, line[prefix.end() :].rstrip("\r")
        return False, line.rstrip("\r")

    def _keep(self, number: int, text: str) -> None:
        assert self._found is not None
        self._found.last_line = number
        if self._kept < _MOST_TEXT:
            self._found.lines.append(text.rstrip()[: _MOST_TEXT - self._kept])
            self._kept += len(text) + 1


def _is_record(text: str) -> bool:
    return _RECORD.match(text) is not None
