"""Logs seen from one moment: what had ended by then, what ran, what was left, and whether anything happened still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from tau2tui.analysis.frames import Logs
from tau2tui.analysis.marks import BEFORE_ALL, Ended, Marks, SeedEta
from tau2tui.analysis.timeline import UnitRun, most_at_once, unit_runs
from tau2tui.core.durations import Durations
from tau2tui.core.eta import extra_attempts, silent_too_long, stalled_units
from tau2tui.core.forecast import Forecast, Work, forecast
from tau2tui.core.outlook import NOTHING_LEFT, DomainOutlook, Outlook, longest_first

_RECENT = 5
"""Medians of a unit's duration: within the last of these the units that ran side by side are counted."""


class Moment:
    """The same logs, seen from one moment."""

    def __init__(self, logs: Logs, marks: Marks, now: datetime, concurrency: int | None, earlier: Durations) -> None:
        self._now, self._earlier, self._marks = now, earlier, marks
        self._ended = [one for one in marks.ended if _until(one, now)]
        self._pauses = [(begin, end) for begin, end in marks.pauses if begin <= now]
        self._paused = any(end is None or end > now for _, end in self._pauses)
        self._etas = [one for one in marks.etas if _until(one, now)]
        self._runs = unit_runs(logs, marks, now)
        self._by_gaps = not self._runs
        """No profile lines: only the times between ends are known, as if one unit ran after the other."""
        self._finished = self._gaps() if self._by_gaps else self._took()
        self._silent_since = max(
            [
                *(run.ended_at or run.last_at for run in self._runs),
                *(one.at for one in self._ended if one.at),
                *(at for _, at in self._pauses if at and at <= now),
                *(at for at in marks.begun if at <= now),
            ],
            default=None,
        )
        self._domains = self._domain_names()
        concurrency = concurrency or next((limit for at, limit in reversed(marks.limits) if at <= now), None)
        self._concurrency = 1 if self._by_gaps else concurrency or self._seen_concurrency()
        self._said_concurrency = concurrency or self._concurrency

    def outlook(self) -> Outlook:
        """What is known of that moment."""
        totals, done = self._totals(), self._done()
        open_runs = self._open(totals, done)
        overall = max([*(eta.total for eta in self._etas), *self._global_totals()], default=None)
        known = [total for total in totals.values() if total is not None]
        if overall is None and known and len(known) == len(totals):
            overall = sum(known)
        total = None if overall is None else max(overall, sum(known))
        all_done = max(sum(done.values()), self._etas[-1].done if self._etas and not self._ended else 0)
        if total is not None:
            all_done = min(all_done, total)
        found = None if total is None else forecast(self._work(totals, done, total, open_runs))
        idle = longest_first((run.name, (self._now - run.last_at).total_seconds()) for run in open_runs)
        over = total is not None and all_done >= total
        whole = found.whole if found else None
        return Outlook(
            self._now,
            all_done,
            total,
            self._said_concurrency,
            whole,
            self._etas[-1].eta_s if self._etas else None,
            self._paused and not over,
            not over and not self._paused and self._silent(self._silent_since),
            idle,
            stalled_units(dict(idle), tuple(seconds for _, seconds in self._finished)),
            tuple(
                self._domain_state(domain, done[domain], totals[domain], open_runs, found) for domain in self._domains
            ),
        )

    def _domain_state(
        self, domain: str, done: int, total: int | None, open_runs: Sequence[UnitRun], found: Forecast | None
    ) -> DomainOutlook:
        mine = [run for run in self._runs if run.domain == domain]
        running = sum(run.domain == domain for run in open_runs)
        left = found.domains.get(domain) if found else None
        return DomainOutlook(
            domain,
            done,
            total,
            running,
            NOTHING_LEFT if total is not None and done >= total else left,
            running > 0 and not self._paused and self._silent(max(run.ended_at or run.last_at for run in mine)),
        )

    def _silent(self, since: datetime | None) -> bool:
        if since is None:
            return False
        return silent_too_long((self._now - since).total_seconds(), [seconds for _, seconds in self._finished])

    def _took(self) -> list[tuple[str, float]]:
        return [(run.domain, (end - run.started_at).total_seconds()) for end, run in self._ends()]

    def _ends(self) -> list[tuple[datetime, UnitRun]]:
        ended = sorted((run.ended_at, number) for number, run in enumerate(self._runs) if run.ended_at)
        return [(end, self._runs[number]) for end, number in ended]

    def _gaps(self) -> list[tuple[str, float]]:
        """Seconds from each end to the next, which is what a unit took if it had run alone.

        Without pauses, and without the time in which no driver ran.
        """
        ends = [(one.at, one.domain) for one in self._ended if one.at and one.status != "skipped"]
        if not self._ended:
            ends = [(at, "") for at in self._marks.simulations if at <= self._now]
        begin = self._marks.first_at
        gaps = []
        for at, domain in ends:
            begin = max([one for one in self._marks.begun if one <= at] + ([begin] if begin else []), default=None)
            if begin is not None and at >= begin:
                gaps.append((domain, (at - begin).total_seconds() - self._marks.paused_s(begin, at)))
            begin = at
        return gaps

    def _domain_names(self) -> list[str]:
        """In the order in which they began."""
        seen = dict.fromkeys(run.domain for run in self._runs) | dict.fromkeys(one.domain for one in self._ended)
        return [domain for domain in seen if domain]

    def _done(self) -> Counter[str]:
        """By domain what the newest marker counts, which knows of earlier drivers; else the units that have ended."""
        done: Counter[str] = Counter()
        for domain, *_ in {(one.domain, one.trial, one.task_id) for one in self._ended}:
            done[domain] += 1
        for one in self._ended:
            if one.scope == "domain" and one.completed is not None:
                done[one.domain] = one.completed
        if not self._ended:
            done.update(run.domain for run in self._runs if run.ended_at)
            if self._by_gaps:
                done[""] += len(self._finished)
        return done

    def _totals(self) -> dict[str, int | None]:
        totals: dict[str, int | None] = dict.fromkeys(self._domains)
        for one in self._ended:
            if one.scope == "domain":
                totals[one.domain] = one.total
        return totals

    def _global_totals(self) -> list[int]:
        return [one.total for one in self._ended if one.scope == "global" and one.total is not None][-1:]

    def _open(self, totals: dict[str, int | None], done: Counter[str]) -> list[UnitRun]:
        """What runs; no more than is left, for what a driver left behind never ends."""
        open_: list[UnitRun] = []
        for domain in dict.fromkeys(run.domain for run in self._runs):
            mine = sorted((run for run in self._runs if run.domain == domain and not run.ended_at), key=_last)
            total = totals.get(domain)
            room = len(mine) if total is None else max(0, total - done[domain])
            open_ += mine[len(mine) - min(room, len(mine)) :]
        return open_

    def _work(
        self, totals: dict[str, int | None], done: Counter[str], total: int, open_runs: Sequence[UnitRun]
    ) -> Work:
        """The run as the forecast wants it. Where totals by domain are not known, all domains are one."""
        one = any(self._global_totals()) or not totals or all(value is None for value in totals.values())

        def name(domain: str) -> str:
            return "" if one else domain

        running = [(name(run.domain), max(0.0, (self._now - run.started_at).total_seconds())) for run in open_runs]
        left: Counter[str] = Counter()
        if not one:
            for domain, count in totals.items():
                left[domain] = max(0, (count or 0) - done[domain])
        # Units of domains that have not begun: nothing is known of them but their number.
        settled = max(sum(done.values()), self._etas[-1].done if self._etas and not self._ended else 0)
        left[""] += max(0, total - settled - sum(left.values()))
        if self._by_gaps and (first := next((domain for domain, count in left.items() if count), None)) is not None:
            since = self._silent_since or self._marks.first_at or self._now
            silent_s = (self._now - since).total_seconds() - self._marks.paused_s(since, self._now)
            running = [(first, max(0.0, silent_s))]
        for domain, _ in running:
            left[domain] -= 1
        attempts, repeated = self._attempts()
        for domain, count in list(left.items()):
            left[domain] += extra_attempts(max(0, count), attempts, repeated)
        return Work(
            tuple((name(domain), seconds) for domain, seconds in self._finished),
            () if self._by_gaps else tuple((self._now - run.started_at).total_seconds() for _, run in self._ends()),
            tuple(running),
            tuple((domain, max(0, count)) for domain, count in left.items()),
            self._concurrency,
            not one and self._in_turn(),
            tuple(("", seconds) for _, seconds in self._earlier) if one else self._earlier,
        )

    def _attempts(self) -> tuple[int, int]:
        """How many have ended, and how many of these failed and were made again."""
        newest: dict[tuple[str, int, str], Ended] = {}
        repeated = 0
        for one in self._ended:
            key = (one.domain, one.trial, one.task_id)
            repeated += key in newest and newest[key].status == "error"
            newest[key] = one
        return len(self._ended), repeated

    def _in_turn(self) -> bool:
        """No unit of one domain has begun between those of another."""
        order = [run.domain for run in self._runs] or [one.domain for one in self._ended]
        changes = sum(a != b for a, b in pairwise(order))
        return changes < len(set(order)) if order else True

    def _seen_concurrency(self) -> int:
        typical = median(seconds for _, seconds in self._finished) if self._finished else 0.0
        since = self._now - timedelta(seconds=min(1e7, _RECENT * typical)) if typical else BEFORE_ALL
        return most_at_once(self._runs, since, self._now) or max(1, most_at_once(self._runs, BEFORE_ALL, self._now))


def _until(one: Ended | SeedEta, now: datetime) -> bool:
    return one.at is None or one.at <= now


def _last(run: UnitRun) -> datetime:
    return run.last_at
