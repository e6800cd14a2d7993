"""Copying that works in tmux over SSH: the terminal's own clipboard where it can be reached, and always a file.

With tmux's default options (`set-clipboard external`, `allow-passthrough off`) the sequence that sets a terminal's
clipboard (OSC 52) is dropped when a program sends it, and sent on when tmux itself does: `load-buffer -w`. Nobody
acknowledges either, so what is said afterwards is where it was sent, never that it arrived.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from platformdirs import user_cache_path

from tau2tui.tui.tmux import call_tmux

OSC52_LIMIT = 74_994
"""Bytes that fit into one OSC 52 sequence of 100 000 characters, as k9s has it too."""
_TMUX_TIMEOUT_S = 1.0
"""$TMUX may be left over from a server that is gone."""


def clip_file() -> Path:
    """Where the last copy is kept."""
    return user_cache_path("tau2tui") / "clip.txt"


async def copy(words: str, osc52: Callable[[str], None], environ: Mapping[str, str], file: Path) -> str:
    """Copy words; returns what was done, in words. `osc52` sends the terminal's sequence for them."""
    # A file's name may hold bytes that are no UTF-8; what is copied is text.
    data = words.encode("utf-8", "replace")
    words = data.decode()
    said = [f"{len(data):,} bytes"]
    if environ.get("TMUX"):
        said.append(await _to_tmux(data, environ))
    elif len(data) <= OSC52_LIMIT:
        osc52(words)
        said.append("sent to the terminal's clipboard")
    else:
        said.append(f"too long for the terminal's clipboard (at most {OSC52_LIMIT:,})")
    said.append(await asyncio.to_thread(_to_file, data, file))
    return ", ".join(said)


async def _to_tmux(data: bytes, environ: Mapping[str, str]) -> str:
    for options, where in (
        (("-w",), "tmux's buffer and the terminal (paste: prefix ])"),
        ((), "tmux's buffer (prefix ])"),
    ):
        try:
            said = await call_tmux(("load-buffer", *options, "-"), environ, _TMUX_TIMEOUT_S, data)
        except OSError:
            break
        if said is None:
            break
        if not said:
            return f"sent to {where}"
    return "tmux did not take it"


def _to_file(data: bytes, file: Path) -> str:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made anew, so that nobody else's link or mode is kept.
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(data)
    except OSError as error:
        return f"not kept in {file}: {error.strerror}"
    return f"kept in {file}"
