"""The palette (ctrl+p): every act that can be reached, and every screen, found by a few of its letters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tau2tui.tui.acting import do
from tau2tui.tui.reach import Reached, reachable


class ActPalette(Provider):
    """Offers what the registry of acts knows; an act that wants words is finished on the `:` line."""

    async def discover(self) -> Hits:
        for act in self._acts():
            yield DiscoveryHit(_title(act), partial(do, self.app, act), help=act.action.about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for act in self._acts():
            if (score := matcher.match(f"{_title(act)} {act.action.about}")) > 0:
                yield Hit(score, matcher.highlight(_title(act)), partial(do, self.app, act), help=act.action.about)

    def _acts(self) -> Iterator[Reached]:
        return (act for act in reachable(self.screen) if act.enabled)


def _title(act: Reached) -> str:
    keys = f"  ({act.keys})" if act.keys else ""
    return f"{act.group}: {act.action.name}{keys}"
