"""Alerts and dashboard: rules that promtool takes, alerts that fire, and no metric that the operator does not have."""

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from nereid_operator.cache import Cache
from nereid_operator.metrics import Metrics
from nereid_operator.state_metrics import StateCollector
from tests.binaries import binary
from tests.promtool import run_promtool

REPOSITORY = Path(__file__).parents[3]
DASHBOARDS = REPOSITORY / "charts" / "nereid" / "dashboards"
RULES = [
    rule for group in yaml.safe_load((DASHBOARDS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
PANELS = json.loads((DASHBOARDS / "nereid.json").read_text())["panels"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]
}


def _metrics() -> set[str]:
    """Return the names of all series that an operator can give."""
    metrics = Metrics()
    part: Any = SimpleNamespace(
        depth=0,
        oldest_seconds=lambda *, now: 0.0,
        leading=True,
        won=0,
        lost=0,
        watch_restarts=0,
        lists=0,
        failed_lists=0,
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    metrics.read_on_scrape(StateCollector(Cache(), part, part, part, clock=lambda: 0.0, now=lambda: now))
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    families = list(metrics.registry.collect())
    return {f"{family.name}{suffix}" for family in families for suffix in suffixes[family.type]}


def test_the_rules_are_rules():
    assert "SUCCESS" in run_promtool("check", "rules", str(DASHBOARDS / "alerts.yaml"))


def test_each_alert_fires_on_its_series_and_not_on_healthy_ones():
    file = Path(__file__).parent / "alerts_test.yaml"
    assert "SUCCESS" in run_promtool("test", "rules", str(file))
    tests = yaml.safe_load(file.read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    silent = {case["alertname"] for case in tests[0]["alert_rule_test"]}
    assert fired == silent == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_metric_that_is_used_is_one_that_the_operator_gives(where: str):
    used = set(re.findall(r"\bnereid_[a-z_]+", EXPRESSIONS[where]))
    assert used
    assert used <= _metrics()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]):
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = [line.removeprefix("## ").lower() for line in (REPOSITORY / page).read_text().splitlines()]
    assert anchor == rule["alert"].lower()
    assert anchor in headings


def test_panels_do_not_overlap_and_have_numbers_of_their_own():
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in PANELS
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def _rendered(*values: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the chart makes with these values set, by kind and name."""
    settings = [argument for value in values for argument in ("--set", value)]
    command = [str(binary("helm")), "template", "nereid", str(DASHBOARDS.parent), *settings]
    text = subprocess.run(command, text=True, capture_output=True, timeout=60, check=True).stdout
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text) if item}


def test_the_chart_brings_rules_and_dashboard_as_they_are_on_file():
    objects = _rendered(
        "metrics.alerts.enabled=true", "metrics.alerts.labels.release=prometheus", "metrics.dashboard.enabled=true"
    )
    rules, dashboard = objects["PrometheusRule", "nereid-operator"], objects["ConfigMap", "nereid-dashboard"]
    assert rules["spec"] == yaml.safe_load((DASHBOARDS / "alerts.yaml").read_text())
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert json.loads(dashboard["data"]["nereid.json"])["panels"] == PANELS
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_neither_is_there_unless_asked_for():
    objects = _rendered()
    assert ("ConfigMap", "nereid-dashboard") not in objects
    assert not {"PrometheusRule", "ServiceMonitor", "PodMonitor"} & {kind for kind, _ in objects}
