"""The dashboard and the alert rules in docs/ ask for what the exporter exposes, by its names, labels and states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tau2tui.core.model import EvalState, JobState
from tau2tui.core.verdict import Standing
from tau2tui.exporter.catalogue import BY_NAME

DOCS = Path(__file__).parents[2] / "docs"
PROMETHEUS_OWN = {"up"}
FUNCTIONS = {"sum", "min", "max", "rate", "delta", "label_values"}
WORDS = {"by", "on", "and"}
STATES = {
    "standing": {one.value for one in Standing},
    "state": {one.value for one in EvalState} | {one.value for one in JobState},
    "source": {"jobs", "run"},
    "quantile": {"0.1", "0.5", "0.9", "0.99"},
}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """(where, expression) of all."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def metrics_in(expression: str) -> list[str]:
    """Names of metrics: what is no function, keyword, label or text."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)", " ", bare)
    bare = re.sub(r"label_values\((\w+)\s*,\s*\w+\)", r"label_values(\1)", bare)
    return [name for name in re.findall(r"[a-z_]\w*", bare) if name not in FUNCTIONS | WORDS]


@pytest.mark.parametrize(("where", "expression"), list(queries()))
def test_every_query_asks_for_metrics_and_labels_that_are_exposed(where: str, expression: str) -> None:
    names = metrics_in(expression)
    assert names
    assert set(names) - PROMETHEUS_OWN <= set(BY_NAME), where
    if set(names) <= PROMETHEUS_OWN:
        return
    known = {label for name in names if name in BY_NAME for label in BY_NAME[name].labels}
    for name, selector in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)\s*!?=~?\s*"([^"]*)"', selector):
            assert label in BY_NAME[name].labels, f"{where}: {name} has no label {label}"
            assert value.startswith("$") or value in STATES[label], f"{where}: {label}={value}"
    for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", group)) <= known, where
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), where


def test_counters_are_asked_for_as_rates_or_totals_and_gauges_never_as_rates() -> None:
    for where, expression in queries():
        for name in re.findall(r"rate\((\w+)", expression):
            assert BY_NAME[name].kind == "counter", where
        for name in re.findall(r"delta\((\w+)", expression):
            assert BY_NAME[name].kind == "gauge", where


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    made = dashboard()
    assert made["uid"] == "tau2tui" and made["schemaVersion"] >= 36 and made["title"]
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        place = panel["gridPos"]
        assert place["w"] > 0 and place["h"] > 0 and place["x"] + place["w"] <= 24, panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}" and panel["title"] and panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            labels = {label for name in metrics_in(target["expr"]) for label in BY_NAME[name].labels}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]
    taken = {
        (x, y)
        for panel in made["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    }
    assert len(taken) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in made["panels"]), "none overlap"
    variables = {variable["name"] for variable in made["templating"]["list"]}
    assert variables == {"datasource", "run", "expert"}


def test_every_alert_has_a_summary_and_names_labels_that_its_metric_has() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 5
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]
        labels = {label for name in metrics_in(rule["expr"]) if name in BY_NAME for label in BY_NAME[name].labels}
        grouped = re.search(r"(?:sum|min|max) by \(([^)]*)\)", rule["expr"])
        kept = set(re.findall(r"\w+", grouped[1])) if grouped else labels
        said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert said <= kept, rule["alert"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s")), rule["alert"]


def test_the_list_in_the_documentation_is_that_of_the_exporter() -> None:
    text = (DOCS / "exporter.md").read_text()
    listed = set(re.findall(r"`(tau2tui_\w+)`", text))
    assert listed == set(BY_NAME)
