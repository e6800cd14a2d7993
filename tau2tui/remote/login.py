"""What an SSH login asks of a person, such as a one-time password or a passphrase, and who answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a login; its words are the server's, or name the file of a key, so they may hold anything."""

    login: str
    """Who asks, as the configuration names it."""
    words: str
    """What else the server says, such as which devices it has sent a code to; may be empty."""
    prompt: str
    echoed: bool
    """Whether the answer may be seen while it is typed."""


Answer = Callable[[Question], Awaitable[str | None]]
"""Asks a person; None if that person does not want to answer."""


class Login:
    """Passes questions on to whoever can be asked now: the terminal of a word, later the screen, or nobody.

    Where a question was not answered nothing is asked any more: a reader that tries every few seconds must not ask
    every few seconds. `again` lifts that.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        """Without `answer` nobody is there, and a login that asks something fails at once."""
        self.answer = answer
        self.declined = False
        """Whether a question was not answered, or not rightly."""
        self.passphrases: dict[str, str] = {}
        """Those that opened a private key, by its file: each is asked for once, and kept in memory alone."""

    @property
    def asks(self) -> bool:
        """Whether somebody can be asked."""
        return self.answer is not None and not self.declined

    async def ask(self, question: Question) -> str | None:
        """The answer; None if there is none."""
        if self.answer is None or self.declined:
            return None
        answer = await self.answer(question)
        self.declined = answer is None
        return answer

    def again(self) -> None:
        """Ask again: a person wants to log in."""
        self.declined = False
