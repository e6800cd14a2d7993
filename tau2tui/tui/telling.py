"""Where notices go beyond the screens: tmux's own line, its window's name, a webhook. None may hold anything up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from tau2tui.core.notices import Notice
from tau2tui.tui.tmux import call_tmux, literal

_WEBHOOK_TIMEOUT_S = 10.0
_TMUX_TIMEOUT_S = 2.0


async def tell_tmux(words: str, environ: Mapping[str, str]) -> None:
    """A message in tmux's own line, if this runs in tmux."""
    # Beside what it expands everywhere, tmux fills in the time here, for %H and the like.
    await _tmux(("display-message", "-d", "5000", literal(words).replace("%", "%%")), environ)


async def name_window(words: str, environ: Mapping[str, str]) -> None:
    """Call the window of tmux like this; empty: let tmux name it by itself again."""
    pane = environ.get("TMUX_PANE", "")
    at = ("-t", pane) if pane else ()
    if words:
        await _tmux(("rename-window", *at, "--", literal(words)), environ)
    else:
        await _tmux(("set-window-option", *at, "automatic-rename", "on"), environ)


async def post(url: str, run: str, notice: Notice) -> str:
    """Post a notice as JSON; returns what went wrong, without the URL, which may hold a secret."""
    import httpx  # only who named a webhook waits for it

    body = {"run": run, "at": notice.at, "weight": notice.weight.value, "kind": notice.group, "text": notice.words}
    try:
        async with httpx.AsyncClient(timeout=_WEBHOOK_TIMEOUT_S) as client:
            answer = await client.post(url, json=body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook was not reached: {type(error).__name__}"
    return "" if answer.is_success else f"the webhook answered with {answer.status_code}"


async def _tmux(words: tuple[str, ...], environ: Mapping[str, str]) -> None:
    """What comes of it is nobody's worry."""
    if environ.get("TMUX"):
        with suppress(OSError):
            await call_tmux(words, environ, _TMUX_TIMEOUT_S)
