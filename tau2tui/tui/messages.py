"""What screens tell the app: in the past tense, with values and never widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.message import Message

from tau2tui.core.command import Command


@dataclass
class Asked(Message):
    """The operator asked for something to be done."""

    command: Command


@dataclass
class LogAsked(Message):
    """The operator asked to see a log."""

    name: str


@dataclass
class RefreshAsked(Message):
    """The operator asked to look again now."""


@dataclass
class CopyAsked(Message):
    """The operator asked for words to be copied."""

    words: str


@dataclass
class Told(Message):
    """Something to say for a moment."""

    words: str
    trouble: bool = False


@dataclass
class DetailAsked(Message):
    """The operator asked for everything about one thing."""

    title: str
    facts: Sequence[tuple[str, str]]


@dataclass
class JumpAsked(Message):
    """The operator asked to go to what belongs to a row, on another screen."""

    view: str
    key: str = ""
    """The row to put the cursor on."""
    filter: str = ""
    """What to show alone, if it is several rows."""


@dataclass
class ShellAsked(Message):
    """The operator asked for a shell beside the app."""

    title: str
    argv: tuple[str, ...]


@dataclass
class ProbeAsked(Message):
    """The operator asked for servers to be proved once more, by a real completion."""

    replicas: tuple[str, ...]


@dataclass
class MomentShown(Message):
    """The fleet is shown as it was at an earlier moment, or as it is now (None)."""

    at: datetime | None
