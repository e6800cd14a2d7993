"""The calls of a domain and of a stretch of time, out of those of logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from tau2tui.analysis.frames import EventsApart, Logs
from tau2tui.analysis.wanted import Wanted
from tau2tui.core.window import Window
from tau2tui.errors import NothingToRead

_COLUMNS = ("at", "domain")


def wanted_narrowed(wanted: Wanted) -> Wanted:
    """The same with what tells in which domain and when a call was, which is looked at first."""
    return replace(wanted, columns=tuple(dict.fromkeys((*wanted.columns, *_COLUMNS))), once=False)


def calls_in(domain: str, window: Window, newest: datetime | None) -> pl.Expr:
    """Says of an event whether it lies in both; `newest` is the time of the newest record.

    An empty domain is all of them. Calls without a time are in no window but the whole run.
    """
    inside = pl.col("domain").cast(pl.String) == domain if domain else pl.lit(True)
    if window.whole:
        return inside
    begin, end = window.bounds(newest) if newest else (None, None)
    inside &= pl.col("at").is_not_null()
    if begin:
        inside &= pl.col("at") >= begin
    return inside & (pl.col("at") < end) if end else inside


def narrowed(logs: Logs, domain: str, window: Window) -> Logs:
    """The logs with these calls alone; all that is no call stays. Raises NothingToRead for a domain that has none."""
    if not domain and window.whole:
        return logs
    newest: datetime | None = None
    domains: set[str] = set()
    for part in logs.event_parts(_COLUMNS):
        last = part["at"].max()
        newest = max(filter(None, (newest, last if isinstance(last, datetime) else None)), default=None)
        domains.update(name for name in part["domain"].cast(pl.String).unique() if name)
    if domain and domain not in domains:
        there = ", ".join(sorted(domains)) or "none"
        raise NothingToRead(f"no call of the domain {domain!r} in these logs", f"there are {there}")
    return Logs.of(_Narrowed(logs, calls_in(domain, window, newest)), logs.error_names)


class _Narrowed(EventsApart):
    """The frames of logs, with some of their events."""

    def __init__(self, logs: Logs, inside: pl.Expr) -> None:
        super().__init__(lambda: logs)
        self._logs, self._inside = logs, inside

    @property
    def events(self) -> pl.DataFrame:
        return self._logs.events.filter(self._inside)

    def event_parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        for part in self._logs.event_parts(tuple(dict.fromkeys((*columns, *_COLUMNS)))):
            yield part.filter(self._inside).select(columns)
