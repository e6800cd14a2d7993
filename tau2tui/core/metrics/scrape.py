"""The text of /metrics → a frozen scrape, by prometheus-client's parser."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from tau2tui.core.metrics.histogram import Histogram, added_up, histogram_of
from tau2tui.core.metrics.names import HISTOGRAMS, SERIES, Kind, Quantity

Labels = tuple[tuple[str, str], ...]
"""Names and values of a series, sorted; of a histogram without `le`."""

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Sample

T = TypeVar("T", bound="Mapping[Labels, object]")

TEXT_LIMIT = 8 << 20
"""Characters of a text that are looked at; a server with some hundred series writes 60 000."""
LINE_LIMIT = 20_000
"""Lines with our names that are read at most: beyond that something is wrong with the server, not with its load."""


_NAMES = {name: quantity for quantity, (_, names) in SERIES.items() for name in names}
_HISTOGRAM_NAMES = [name for quantity in HISTOGRAMS for name in SERIES[quantity][1]]
_LINES = re.compile(
    r"^(?:#[ \t]+TYPE[ \t]+)?(?:"
    + "|".join(re.escape(name.removesuffix("_total")) for name in sorted(_NAMES, key=len, reverse=True))
    + r")(?:_total|_bucket|_sum|_count)?(?=[ \t{]).*$",
    re.MULTILINE,
)
"""The few lines that are ours: the rest, which may be megabytes, is never parsed."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One look at /metrics. A quantity that is not a key is not reported; one without series is, and is empty."""

    at: float
    """When it was asked, in seconds; both scrapes of a window by the same clock."""
    values: Mapping[Quantity, Mapping[Labels, float]] = field(default_factory=dict)
    """Gauges and counters by series: vLLM has one of each for every engine."""
    histograms: Mapping[Quantity, Mapping[Labels, Histogram]] = field(default_factory=dict)

    def total(self, quantity: Quantity) -> float | None:
        """The sum over all series; None if it is not reported."""
        series = self.values.get(quantity)
        return sum(series.values()) if series else None

    def most(self, quantity: Quantity) -> float | None:
        """The largest over the engines: of the KV cache, the one that fills first is the one that preempts."""
        series = self.values.get(quantity)
        return max(series.values()) if series else None

    def mean(self, quantity: Quantity) -> float | None:
        """The mean over the engines."""
        series = self.values.get(quantity)
        return sum(series.values()) / len(series) if series else None

    def by(self, quantity: Quantity, label: str) -> dict[str, float] | None:
        """The sums by the value of one label; None if it is not reported."""
        series = self.values.get(quantity)
        if series is None:
            return None
        sums: dict[str, float] = {}
        for labels, value in series.items():
            name = dict(labels).get(label, "")
            sums[name] = sums.get(name, 0.0) + value
        return sums

    def histogram(self, quantity: Quantity) -> Histogram | None:
        """All observations since the server began, over all engines; None if it is not reported."""
        return added_up(self.histograms.get(quantity, {}).values())

    @property
    def process_start(self) -> float | None:
        """When the server's process began, in Unix seconds; None if it does not say, or several processes do."""
        series = self.values.get(Quantity.PROCESS_START, {})
        return next(iter(series.values())) if len(series) == 1 else None

    @property
    def is_vllm(self) -> bool:
        """Whether anything of it is vLLM's own."""
        return bool(self.values.keys() - {Quantity.PROCESS_START, Quantity.HTTP} or self.histograms)


def parse(text: str, at: float) -> Scrape:
    """Read the text of /metrics, scraped at `at` seconds.

    Never raises: a line that is not in the format is left out, as are values that are no finite numbers, and what is
    beyond TEXT_LIMIT and LINE_LIMIT.
    """
    found: dict[str, dict[Labels, float]] = {}
    buckets: dict[str, dict[Labels, _Buckets]] = {}
    for declared, samples in _families(text):
        if declared in _HISTOGRAM_NAMES:
            buckets.setdefault(declared, {})
        elif declared in _NAMES:
            found.setdefault(declared, {})
        for sample in samples:
            name = sample.name
            if name in _NAMES and SERIES[_NAMES[name]][0] is not Kind.HISTOGRAM:
                if math.isfinite(sample.value):
                    found.setdefault(name, {})[_labels(sample)] = float(sample.value)
                continue
            base, _, part = name.rpartition("_")
            if base in _HISTOGRAM_NAMES:
                buckets.setdefault(base, {}).setdefault(_labels(sample), _Buckets()).take(part, sample)
    values = _first_names(found)
    histograms = {
        quantity: {labels: made for labels, each in series.items() if (made := each.histogram()) is not None}
        for quantity, series in _first_names(buckets).items()
    }
    return Scrape(at, values, histograms)


class _Buckets:
    """A histogram while its lines are read."""

    def __init__(self) -> None:
        self._buckets: list[tuple[float, float]] = []
        self._sum = 0.0
        self._count: float | None = None

    def take(self, part: str, sample: Sample) -> None:
        if part == "bucket":
            try:
                self._buckets.append((float(sample.labels["le"]), sample.value))
            except (KeyError, ValueError):
                return
        elif part == "sum":
            self._sum = sample.value
        elif part == "count":
            self._count = sample.value

    def histogram(self) -> Histogram | None:
        return histogram_of(self._buckets, self._sum, self._count)


def _families(text: str) -> Iterator[tuple[str, Iterable[Sample]]]:
    """Declared name (with `_total` of a counter) and samples of the families that are ours."""
    lines = [match[0].rstrip("\r") for match in islice(_LINES.finditer(text[:TEXT_LIMIT]), LINE_LIMIT)]
    families = _parsed(lines)
    if families is None:  # one line spoils all for the parser: without it the others can be read
        families = [family for line in lines for family in _parsed([line]) or ()]
    for family in families:
        yield (family.name + "_total" if family.type == "counter" else family.name), family.samples


def _parsed(lines: list[str]) -> list[Metric] | None:
    """What the parser makes of these lines; None if one of them is not in the format."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        return list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except (ValueError, KeyError, IndexError, AttributeError):
        return None


def _first_names(found: Mapping[str, T]) -> dict[Quantity, T]:
    """By quantity what stands under the first of its names that has something; or under the first that is declared."""
    chosen: dict[Quantity, T] = {}
    for quantity, (_, names) in SERIES.items():
        there = [found[name] for name in names if name in found]
        if there:
            chosen[quantity] = next((series for series in there if series), there[0])
    return chosen


def _labels(sample: Sample) -> Labels:
    return tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
