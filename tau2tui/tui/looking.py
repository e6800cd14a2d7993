"""A look that is repeated while somebody sees what comes of it, and that comes at once when it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Looking:
    """Whether something is looked at, and whether a look was asked for; what is not looked at costs nothing."""

    def __init__(self) -> None:
        self._looked_at, self._asked = asyncio.Event(), asyncio.Event()

    @property
    def goes_on(self) -> bool:
        """Whether it is looked at."""
        return self._looked_at.is_set()

    def begin(self) -> None:
        """It is looked at from now on."""
        self._looked_at.set()

    def end(self) -> None:
        """It is looked at no more."""
        self._looked_at.clear()

    def ask(self) -> None:
        """Let the next look come at once, or as soon as it is looked at."""
        self._asked.set()

    async def repeat(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Look, and again `every_s` seconds after each look, until this is cancelled."""
        while True:
            await self._looked_at.wait()
            self._asked.clear()
            await look()
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._asked.wait()
