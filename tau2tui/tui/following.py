"""A run while it is looked at: kept current, its news told, and what was seen of it kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tau2tui.core.model import Snapshot
from tau2tui.ops import Ops
from tau2tui.tui.background import start
from tau2tui.tui.last_seen import Recollection
from tau2tui.tui.news import News

if TYPE_CHECKING:
    from textual.app import App


class Following:
    """Hears of each snapshot of a run for an app, which shows it; ends with the app, and the run may go on."""

    def __init__(self, app: App[Any], ops: Ops, news: News, show: Callable[[Snapshot], None]) -> None:
        self._app, self._ops, self._news, self._show = app, ops, news, show
        self._recollection = Recollection(ops)
        self._unsubscribe: Callable[[], None] = lambda: None

    def begin(self, *, recalls: bool) -> None:
        """Look from now on; until there is an answer show how the run was seen last, if `recalls`.

        What goes wrong in there is a bug, and ends the app with its traceback.
        """
        self._unsubscribe = self._ops.store.subscribe(self._saw)
        if self._ops.snapshot != Snapshot():
            self._saw(self._ops.snapshot)  # it was looked at before there was a screen
        if recalls and self._ops.snapshot.run.value is None:
            start(self._app, self._recollection.recall, group="recall")
        start(self._app, self._ops.observe, group="observe", exclusive=True)

    async def end(self) -> None:
        """Hear no more: whoever opened the run may go on with it, such as to stop it."""
        self._unsubscribe()
        await self._news.end()

    def look_now(self) -> None:
        """Ask both sources now, but the scheduler no more often than it may be; a login may ask a person again."""
        self._ops.login.again()
        start(self._app, self._ask_both, group="look", exclusive=True)

    async def _ask_both(self) -> None:
        await self._ops.refresh("run", 0.0)
        await self._ops.refresh("jobs", self._ops.config.poll.jobs_s)

    def _saw(self, snapshot: Snapshot) -> None:
        if not self._app.is_running:
            return
        self._show(snapshot)
        if self._ops.store.recalled:
            return  # what an earlier session saw is no news
        self._news.look()
        if self._recollection.is_due:
            start(self._app, self._recollection.keep, group="keep", exclusive=True)
