"""Passphrases of private keys, asked for when a login needs one: kept in memory, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError

import asyncssh

from tau2tui.remote.login import Login, Question

TRIES = 3
"""As OpenSSH (NumberOfPasswordPrompts)."""


class Passphrases:
    """What asyncssh calls for the passphrase of an encrypted key, for the time of one login.

    It calls in a thread, and for a key of which the public half is known only when the server takes the key: nobody is
    asked about keys that would not help.
    """

    def __init__(self, name: str, login: Login, ask: Callable[[Question], Awaitable[str | None]]) -> None:
        """`name`: the login as the configuration names it. `ask` is awaited in the event loop that runs now."""
        self._name, self._login, self._ask = name, login, ask
        self._loop = asyncio.get_running_loop()
        self._asking: asyncio.Task[object] | None = None
        self._over = False
        self.unanswered: set[str] = set()
        """Keys that were asked about and not opened."""

    def __call__(self, path: str) -> str:
        """The passphrase of the key in this file, known to be right. Raises KeyImportError: the key is passed over."""
        if not _has_public_half(path):
            # asyncssh asks at once about such a key, and (2.24) forgets the answer.
            raise _none(path)
        known = self._login.passphrases.get(path)
        if known is not None and _opens(path, known):
            return known
        words = ""
        self.unanswered.add(path)
        for _ in range(TRIES):
            answer = self._answer(Question(self._name, words, f"Passphrase of the key {path}: ", echoed=False))
            if not answer:
                break
            if _opens(path, answer):
                self._login.passphrases[path] = answer
                self.unanswered.discard(path)
                return answer
            words = "This does not open the key."
        raise _none(path)

    def close(self) -> None:
        """The login is over: a question that is still open is taken back, so that no thread waits for it."""
        self._over = True
        if self._asking is not None:
            self._asking.cancel()

    def _answer(self, question: Question) -> str | None:
        """What a person says, from a thread; None: nothing."""

        async def ask() -> str | None:
            self._asking = asyncio.current_task()
            return None if self._over else await self._ask(question)

        try:
            return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
        except CancelledError:
            return None


def _opens(path: str, passphrase: str) -> bool:
    try:
        asyncssh.read_private_key(path, passphrase)
    except (ValueError, OSError):  # its words might quote what was typed
        return False
    return True


def _has_public_half(path: str) -> bool:
    """Whether it stands in the file itself, as OpenSSH writes it, or beside it, as it must for older formats."""
    for read, name in (
        (asyncssh.read_public_key, path),
        (asyncssh.read_public_key, f"{path}.pub"),
        (asyncssh.read_certificate, f"{path}-cert.pub"),
    ):
        try:
            read(name)
        except (ValueError, OSError):
            continue
        return True
    return False


def _none(path: str) -> asyncssh.KeyImportError:
    """By this first word asyncssh passes a key over, instead of ending the login."""
    return asyncssh.KeyImportError(f"Passphrase of {path} is not known")
