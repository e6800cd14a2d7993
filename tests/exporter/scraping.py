"""A scrape as a test reads it: by the library's own parser."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tau2tui.exporter.catalogue import BY_NAME

Scraped = dict[str, dict[tuple[str, ...], float]]
"""Name of the samples → values of the labels behind `run`, in their order → value."""


def parsed(text: str) -> Scraped:
    """Read a whole exposition. Fails if it is not valid, or a series stands in it twice."""
    found: Scraped = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        series = found.setdefault(name, {})
        assert family.documentation and family.type in ("gauge", "counter"), family.name
        for sample in family.samples:
            assert sorted(sample.labels) == sorted(BY_NAME[name].labels), sample
            labels = tuple(sample.labels[label] for label in BY_NAME[name].labels[1:])
            assert sample.labels["run"] and labels not in series, sample
            series[labels] = sample.value
    return found


def scrape(port: int) -> Scraped:
    """Ask over HTTP."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return parsed(answer.text)
