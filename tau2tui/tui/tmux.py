"""The tmux that this program runs in, asked for something: never for long, and never through a shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from tau2tui.tui.format import printable


async def call_tmux(
    words: tuple[str, ...], environ: Mapping[str, str], timeout_s: float, stdin: bytes = b""
) -> str | None:
    """Run a command of tmux; what it complained of, empty if it did what was asked, None without an answer in time.

    $TMUX in `environ` names the server, and may be left over from one that is gone. Raises OSError if there is no tmux.
    """
    process = await asyncio.create_subprocess_exec(
        "tmux",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    try:
        async with asyncio.timeout(timeout_s):
            _, complaint = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    said = complaint.decode(errors="replace").strip()
    return (said or "it refused") if process.returncode else ""


def literal(words: str) -> str:
    """Words in which tmux finds nothing to expand, or to run: it would take `#(…)` for a command."""
    return printable(words).replace("#", "##")
