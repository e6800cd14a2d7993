"""What the node agents sampled of the servers, for the screens: a moment of the fleet, and an hour of one replica.

Read in threads, and only the stretch that is wanted. Of a run elsewhere it is read in a copy, to which only new bytes
travel.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tau2tui.core.past import Sampled
from tau2tui.ops import Ops

HOUR = timedelta(hours=1)
EVERY = timedelta(minutes=1)
TRENDS = ("kv_cache", "generation_tokens_s", "running", "waiting", "failed_per_min")
"""What is shown of the last hour, as columns of `analysis.sampled_windows`."""
_FRESH_S = 15.0
"""A copy that was made so long after a moment holds it: a node agent samples more often, and is not late by more."""


@dataclass(frozen=True, slots=True)
class Trends:
    """An hour of one replica."""

    replica: str
    until: datetime
    values: Mapping[str, Sequence[float | None]]
    """By TRENDS: a value for each minute, None where there was no sample; a metric without any value is not there."""


class KeptSamples:
    """The samples of one run."""

    def __init__(self, ops: Ops) -> None:
        self._ops = ops
        self._copying = asyncio.Lock()
        self._here: Path | None = None
        self._copied_at: dict[str | None, float] = {}
        """When the samples of a replica were copied last, or of all (None)."""

    async def moment(self, at: datetime) -> Mapping[str, Sampled]:
        """Every replica that was sampled then. Raises Unreachable."""
        directory = await self._directory(None, at)

        def read() -> Mapping[str, Sampled]:
            from tau2tui.analysis.sampled_windows import read_state, sampled

            return sampled(read_state(directory, at))

        return await asyncio.to_thread(read)

    async def hour(self, replica: str, until: datetime) -> Trends:
        """The hour before a moment. Raises Unreachable."""
        directory = await self._directory(replica, until)

        def read() -> Trends:
            from tau2tui.analysis.sample_files import files_of

            if not files_of(directory, (replica,)):
                return Trends(replica, until, {})  # without a need the frames are not loaded
            from tau2tui.analysis.sampled_windows import on_a_grid, read_windows

            table = read_windows(directory, EVERY, replicas=(replica,), since=until - HOUR, until=until)
            ends = (_minute(until - HOUR) + EVERY, _minute(until))
            found = {metric: on_a_grid(table, metric, EVERY, ends).get(replica, []) for metric in TRENDS}
            return Trends(replica, until, {metric: each for metric, each in found.items() if any(map(_known, each))})

        return await asyncio.to_thread(read)

    async def step(self, replica: str, at: datetime, steps: int) -> datetime | None:
        """The sample of a replica so many samples later, or earlier; None: there is none. Raises Unreachable."""
        directory = await self._directory(replica, None if steps > 0 else at)

        def read() -> float | None:
            from tau2tui.analysis.sample_files import step

            return step(directory, replica, at.timestamp(), steps)

        found = await asyncio.to_thread(read)
        return None if found is None else datetime.fromtimestamp(found)

    async def _directory(self, replica: str | None, until: datetime | None) -> Path:
        """Where the samples up to a moment, or all, lie on this machine."""
        async with self._copying:
            copied_at = max(self._copied_at.get(name, -math.inf) for name in {None, replica})
            until_s = self._ops.clock() if until is None else until.timestamp()
            if self._here is None or copied_at < until_s + _FRESH_S:
                now = self._ops.clock()
                self._here = await self._ops.logs.samples(None if replica is None else (replica,))
                self._copied_at[replica] = now
            return self._here


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _known(value: float | None) -> bool:
    return value is not None
