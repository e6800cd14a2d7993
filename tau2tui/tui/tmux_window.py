"""Follow a log in a tmux window of its own, for those who want to keep it beside this program."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 2.0
"""$TMUX may be left over from a server that is gone."""


async def follow_in_window(path: Path | None, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Open `less +F` on a log in a new window; whether that was done, and what to say of it."""
    if not environ.get("TMUX"):
        return False, "T opens a log in a tmux window, and this is not tmux"
    if path is None:
        return False, "T is for logs on this machine; this one lies elsewhere"
    # Each word is an argument: tmux starts less itself, and no shell sees the name.
    argv = ("tmux", "new-window", "-n", path.name[:20], "--", "less", "+F", str(path))
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ),
        )
    except OSError as error:
        return False, f"tmux cannot be run: {error.strerror}"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return False, "tmux did not answer"
    if process.returncode:
        return False, f"tmux: {complaint.decode(errors='replace').strip() or 'it refused'}"
    return True, f"{path.name} is followed in a new window (prefix n)"
