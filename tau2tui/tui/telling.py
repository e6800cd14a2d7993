"""Where notices go besides the inbox: a toast, the bell, tmux, and a webhook. None of them may hold anything up."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tau2tui.config import NoticesConfig
from tau2tui.core.driver import silent_s
from tau2tui.core.notices import (
    Notice,
    Watch,
    Weight,
    deadline_conditions,
    eval_conditions,
    fleet_conditions,
    source_conditions,
)
from tau2tui.ops import Ops
from tau2tui.tui.format import printable
from tau2tui.tui.sources import Source, sources
from tau2tui.tui.tmux import call_tmux

KEPT = 256
_WEBHOOK_TIMEOUT_S = 10.0
_TMUX_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice in the inbox."""

    number: int
    notice: Notice
    reviewed: bool = False


class Inbox:
    """The notices of this session, the newest last, and which of them were looked at."""

    def __init__(self) -> None:
        self._told: deque[Entry] = deque(maxlen=KEPT)
        self._number = 0

    @property
    def all(self) -> tuple[Entry, ...]:
        return tuple(self._told)

    @property
    def new(self) -> int:
        """How many were not looked at."""
        return sum(not told.reviewed for told in self._told)

    def put(self, notices: Sequence[Notice]) -> None:
        """What was told."""
        for notice in notices:
            self._number += 1
            self._told.append(Entry(self._number, notice))

    def review(self) -> None:
        """All of them were looked at."""
        self._told = deque((Entry(told.number, told.notice, True) for told in self._told), maxlen=KEPT)


class Watcher:
    """Looks at each snapshot of a run for what is to be told."""

    def __init__(self) -> None:
        self._watch = Watch()

    def look(self, ops: Ops, now: float) -> tuple[Notice, ...]:
        """What is to be told now."""
        seen = sources(ops.config, ops.snapshot, now)
        run = ops.snapshot.run.value
        progress = run.evaluation if run else None
        silence_s = silent_s(progress, run.clock) if run and progress else None
        conditions = [
            *fleet_conditions(ops.fleet(), run.dirty_nodes if run else ()),
            *eval_conditions(progress, ops.errors_per_min(), silence_s),
            *deadline_conditions(ops.deadlines()),
            *source_conditions({source.name: source.trouble for source in seen if source.trouble}),
        ]
        return self._watch.look(conditions, _unknown(seen), now)


def _unknown(seen: Sequence[Source]) -> tuple[str, ...]:
    """The parts of a snapshot from which nothing may be derived; a run directory that is old puts jobs in doubt too."""
    return tuple(source.short for source in seen if source.old)


async def tell_tmux(words: str, environ: Mapping[str, str]) -> None:
    """A message in tmux's own line, if this runs in tmux."""
    # tmux expands #{…}, runs #(…) in a shell, and fills in the time for %H and the like.
    await _tmux(("display-message", "-d", "5000", literal(words).replace("%", "%%")), environ)


async def name_window(words: str, environ: Mapping[str, str]) -> None:
    """Call the window of tmux like this; empty: let tmux name it by itself again."""
    pane = environ.get("TMUX_PANE", "")
    at = ("-t", pane) if pane else ()
    if words:
        await _tmux(("rename-window", *at, "--", literal(words)), environ)
    else:
        await _tmux(("set-window-option", *at, "automatic-rename", "on"), environ)


def literal(words: str) -> str:
    """Words in which tmux finds nothing to expand, or to run: it would take `#(…)` for a command."""
    return printable(words).replace("#", "##")


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


def loud(notice: Notice, config: NoticesConfig) -> bool:
    """Whether it is told beyond the inbox."""
    return not notice.quiet and notice.group not in config.quiet


def alarming(notice: Notice) -> bool:
    """Whether it is worth a bell."""
    return notice.weight is Weight.BAD
