"""What can go wrong, as one tree; each leaf has the exit code that `tau2tui` ends with.

    Tau2TuiError (1)
    ├── ConfigError (2)      the configuration, or a word on the command line, is wrong
    ├── Unreachable (3)      a machine or a scheduler did not answer: what it would have said is unknown
    │   └── Unanswered (3)   the same of something that was to be changed: it may have happened all the same
    ├── CommandFailed (4)    something that was run ended with an error of its own
    ├── Refused (5)          asked for something that must not be done now; nothing was changed
    ├── GaveUp (6)           waited for a state that did not come in time
    └── NothingToRead (7)    no log, no run, or nothing readable in it

A usage error of the command line is 2 as well (click's own); 130 is an interrupt; 141 that nobody reads the output any
more; 1 without a line of ours is a bug.
"""

from __future__ import annotations


class Tau2TuiError(Exception):
    """Anything a user may meet: one line that says what happened and where, and a hint what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(Tau2TuiError):
    """The configuration is wrong: the message names the file, the key and the nearest known key."""

    exit_code = 2


class Unreachable(Tau2TuiError):
    """A machine or a scheduler did not answer; nothing may be concluded about what runs there."""

    exit_code = 3


class Unanswered(Unreachable):
    """Something was to be changed and nobody said that it was: it must be looked up, never simply done again."""


class CommandFailed(Tau2TuiError):
    """A command ran and ended with an error; the message carries the command's own first line of it."""

    exit_code = 4


class Refused(Tau2TuiError):
    """The request makes no sense in the state that was seen; nothing was changed."""

    exit_code = 5


class GaveUp(Tau2TuiError):
    """The awaited state did not come within its time."""

    exit_code = 6


class NothingToRead(Tau2TuiError):
    """There is no log or no run where one was expected, or nothing in it could be read."""

    exit_code = 7
