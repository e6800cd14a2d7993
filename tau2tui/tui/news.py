"""What is news of a run: kept in the inbox, and what is loud said, rung, and passed on to tmux and to a webhook."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from textual.notifications import SeverityLevel

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
from tau2tui.tui.sources import Source, sources
from tau2tui.tui.summary import window_name
from tau2tui.tui.telling import name_window, post, tell_tmux

KEPT = 256

Say = Callable[[str, SeverityLevel], None]


class Start(Protocol):
    """Lets something go on beside all else, as `background.start` does."""

    def __call__(self, work: Callable[[], Coroutine[Any, Any, None]], *, group: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice in the inbox."""

    number: int
    notice: Notice
    reviewed: bool = False


class Inbox:
    """The notices of this session, the newest last, and which of them were looked at."""

    def __init__(self, tell: Callable[[int], None] = lambda new: None) -> None:
        """`tell` hears how many are new whenever that may have changed."""
        self._tell = tell
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
        self._tell(self.new)

    def review(self) -> None:
        """All of them were looked at."""
        self._told = deque((Entry(told.number, told.notice, True) for told in self._told), maxlen=KEPT)
        self._tell(0)


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


class News:
    """Tells what is new in each snapshot of a run to where the operator may be looking; nothing waits for that."""

    def __init__(
        self,
        ops: Ops,
        inbox: Inbox,
        say: Say,
        ring: Callable[[], None],
        start: Start,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`environ` is that of this process, unless another is handed in."""
        self._ops, self._inbox = ops, inbox
        self._say, self._ring, self._start = say, ring, start
        self._environ = os.environ if environ is None else environ
        self._watcher = Watcher()
        self._window = self._webhook_trouble = ""

    def look(self) -> None:
        """Tell what is new as of now; the window of tmux says how the run is."""
        news = self._watcher.look(self._ops, self._ops.clock())
        self._inbox.put(news)
        settings = self._ops.config.notices
        for notice in (notice for notice in news if loud(notice, settings)):
            self._say(notice.words, "error" if alarming(notice) else "information")
            if alarming(notice) and settings.bell:
                self._ring()
            self._start(partial(self._pass_on, notice, settings), group="pass-on")
        if settings.tmux:
            self._name_window(window_name(self._ops))

    async def end(self) -> None:
        """Nobody looks any more: tmux names its window by itself again."""
        if self._window:
            await name_window("", self._environ)

    async def _pass_on(self, notice: Notice, settings: NoticesConfig) -> None:
        run = self._ops.run.run_id
        if settings.tmux and alarming(notice):
            await tell_tmux(f"tau2tui {run}: {notice.words}", self._environ)
        url = self._environ.get(settings.webhook_env, "") if settings.webhook_env else ""
        if not url:
            return
        trouble, before = await post(url, run, notice), self._webhook_trouble
        self._webhook_trouble = trouble  # empty once it was reached: the next trouble is news again
        if trouble and trouble != before:
            self._say(trouble, "warning")

    def _name_window(self, name: str) -> None:
        if name != self._window:
            self._window = name
            self._start(partial(name_window, name, self._environ), group="name-window")


def loud(notice: Notice, config: NoticesConfig) -> bool:
    """Whether it is told beyond the inbox."""
    return not notice.quiet and notice.group not in config.quiet


def alarming(notice: Notice) -> bool:
    """Whether it is worth a bell."""
    return notice.weight is Weight.BAD
