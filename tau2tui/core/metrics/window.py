"""Two scrapes of one server → what happened between them; and windows of several servers added up.

The formulas are those of a Prometheus server, without one: an increase is the difference of a counter, or after a reset
all that it counted since; a rate is the sum of increases over the seconds between the two scrapes, by their own times;
a quantile is interpolated in the bucket differences after these were added up over engines and replicas. A scrape that
failed is a gap: nothing is interpolated across it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tau2tui.core.metrics.histogram import Histogram, added_up
from tau2tui.core.metrics.names import COUNTERS, HISTOGRAMS, Quantity
from tau2tui.core.metrics.scrape import Labels, Scrape

Wanted = Callable[[dict[str, str]], bool]
"""Whether a series is meant, by its labels."""
START_TOLERANCE_S = 1.0
"""Two readings of one process's start differ by less: it is computed from the clock ticks since boot."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened on a server, or on several, in a stretch of time."""

    seconds: float
    """Between the scrapes; of several servers the longest."""
    increases: Mapping[Quantity, Mapping[Labels, float]] = field(default_factory=dict)
    histograms: Mapping[Quantity, Histogram] = field(default_factory=dict)
    """The observations of the window, over all engines."""
    rates: Mapping[Quantity, float] = field(default_factory=dict)
    """Increases a second: each server's by its own seconds, added up."""
    restarted: bool = False
    """The server began to count anew: what it counted before that, in this window, is lost."""

    def increase(self, quantity: Quantity, **labels: str) -> float | None:
        """How much a counter grew over all series, or over those with these labels; None if that is not known."""
        series = self.increases.get(quantity)
        if series is None:
            return None
        wanted = set(labels.items())
        return sum(value for names, value in series.items() if wanted <= set(names))

    def rate(self, quantity: Quantity) -> float | None:
        """A second; None if that is not known."""
        return self.rates.get(quantity)

    def share(self, part: Quantity, whole: Quantity) -> float | None:
        """One increase over another, such as prefix hits over queries; None if one is not known or 0 below."""
        above, below = self.increase(part), self.increase(whole)
        return above / below if above is not None and below else None

    @property
    def prefix_hit_share(self) -> float | None:
        return self.share(Quantity.PREFIX_HITS, Quantity.PREFIX_QUERIES)

    @property
    def acceptance(self) -> float | None:
        """The share of drafted tokens that were accepted in speculative decoding."""
        return self.share(Quantity.ACCEPTED_TOKENS, Quantity.DRAFT_TOKENS)

    @property
    def accepted_length(self) -> float | None:
        """The mean number of tokens that a step of speculative decoding gives: its own, and what was accepted."""
        accepted = self.share(Quantity.ACCEPTED_TOKENS, Quantity.DRAFTS)
        return None if accepted is None else 1 + accepted

    @property
    def preemptions_per_min(self) -> float | None:
        rate = self.rate(Quantity.PREEMPTIONS)
        return None if rate is None else 60 * rate

    @property
    def finish_reasons(self) -> dict[str, float] | None:
        """Requests that ended, by reason; None if that is not known."""
        return self._by(Quantity.FINISHED, "finished_reason")

    @property
    def http_statuses(self) -> dict[str, float] | None:
        """Responses of the API by class of status, those of /v1/models left out: probes ask for it all the time.

        None if that is not known.
        """
        return self._by(Quantity.HTTP, "status", _is_work)

    @property
    def failed_share(self) -> float | None:
        """The share of 5xx among responses of the API; None without any.

        A stream that breaks after it began was answered with 200: the client's own count is the one that is complete.
        """
        statuses = self.http_statuses
        total = sum(statuses.values()) if statuses else 0.0
        return sum(n for status, n in (statuses or {}).items() if status.startswith("5")) / total if total else None

    def _by(self, quantity: Quantity, label: str, wanted: Wanted = lambda _: True) -> dict[str, float] | None:
        series = self.increases.get(quantity)
        if series is None:
            return None
        sums: dict[str, float] = {}
        for labels, value in series.items():
            names = dict(labels)
            if wanted(names):
                sums[names.get(label, "")] = sums.get(names.get(label, ""), 0.0) + value
        return sums


def between(before: Scrape, after: Scrape) -> Window | None:
    """What happened between two scrapes of one server; None if the second is not later than the first."""
    seconds = after.at - before.at
    if seconds <= 0:
        return None
    anew = _began_anew(before, after)
    increases: dict[Quantity, dict[Labels, float]] = {}
    for quantity in COUNTERS:
        then, now = before.values.get(quantity), after.values.get(quantity)
        if then is None or now is None:
            continue  # not known: a quantity that only one of the two reports cannot be compared
        # A series that was not there yet stood at 0: those with labels begin with their first event.
        increases[quantity] = {
            labels: value - (0.0 if anew else then.get(labels, 0.0)) for labels, value in now.items()
        }
    histograms: dict[Quantity, Histogram] = {}
    for quantity in HISTOGRAMS:
        earlier, later = before.histograms.get(quantity), after.histograms.get(quantity)
        if earlier is None or later is None:
            continue
        grown = (each.since(None if anew else earlier.get(labels)) for labels, each in later.items())
        if (total := added_up(grown)) is not None:
            histograms[quantity] = total
    rates = {quantity: sum(series.values()) / seconds for quantity, series in increases.items()}
    return Window(seconds, increases, histograms, rates, anew)


def following(windows: Iterable[Window]) -> Window | None:
    """Windows of one server, one after the other, as one: so no reset between is overlooked. None of none."""
    windows = tuple(windows)
    if not windows:
        return None
    seconds = sum(window.seconds for window in windows)
    increases = _increases(windows)
    # A quantity that only some of the windows know has its rate over those.
    known_s = {name: sum(each.seconds for each in windows if name in each.increases) for name in increases}
    rates = {name: sum(series.values()) / known_s[name] for name, series in increases.items()}
    return Window(seconds, increases, _histograms(windows), rates, any(window.restarted for window in windows))


def beside(windows: Iterable[Window]) -> Window | None:
    """Windows of several servers as one: everything added up, before any quantile is taken. None of none."""
    windows = tuple(windows)
    if not windows:
        return None
    rates: dict[Quantity, float] = {}
    for window in windows:
        for quantity, rate in window.rates.items():
            rates[quantity] = rates.get(quantity, 0.0) + rate
    seconds = max(window.seconds for window in windows)
    return Window(
        seconds, _increases(windows), _histograms(windows), rates, any(window.restarted for window in windows)
    )


def _increases(windows: Iterable[Window]) -> dict[Quantity, dict[Labels, float]]:
    sums: dict[Quantity, dict[Labels, float]] = {}
    for window in windows:
        for quantity, series in window.increases.items():
            into = sums.setdefault(quantity, {})
            for labels, value in series.items():
                into[labels] = into.get(labels, 0.0) + value
    return sums


def _histograms(windows: tuple[Window, ...]) -> dict[Quantity, Histogram]:
    sums = {name: added_up(w.histograms[name] for w in windows if name in w.histograms) for name in HISTOGRAMS}
    return {name: histogram for name, histogram in sums.items() if histogram is not None}


def _is_work(names: dict[str, str]) -> bool:
    handler = names.get("handler", "")
    return handler.startswith("/v1/") and handler != "/v1/models"


def _began_anew(before: Scrape, after: Scrape) -> bool:
    """Whether the server counts from the start again: its process is another, or anything that it counts went back.

    All counters of a server live in one process, those of its engines too: where one began anew, all did, also those
    that have grown beyond what they were.
    """
    then, now = before.process_start, after.process_start
    if then is not None and now is not None and abs(now - then) > START_TOLERANCE_S:
        return True
    went_back = (
        value < before.values.get(quantity, {}).get(labels, 0.0)
        for quantity in COUNTERS
        for labels, value in after.values.get(quantity, {}).items()
    )
    fewer = (
        each.counts_less_than(earlier)
        for quantity in HISTOGRAMS
        for labels, each in after.histograms.get(quantity, {}).items()
        if (earlier := before.histograms.get(quantity, {}).get(labels)) is not None
    )
    return any(went_back) or any(fewer)
