"""Dashboards, rules and alerts are held to the names of our metrics and to each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh import names
from mesh.names import MetricKind
from scripts.dashboards import dashboards

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
PROMETHEUS, GRAFANA = DEPLOY / "prometheus", DEPLOY / "grafana"
OURS = re.compile(r"\bovr_[a-z0-9_]+")
RECORDED = re.compile(r"\b[a-z_]+:[a-z_]+:[a-z0-9_]+")
MATCHED = re.compile(r"\b(ovr_[a-z0-9_]+)\{([^}]*)\}")


def exposed() -> dict[str, tuple[str, ...]]:
    """Labels of each series that our processes expose, by its name on the page."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in names.metrics():
        if metric.kind is MetricKind.HISTOGRAM:
            found |= {metric.name + suffix: metric.labels for suffix in ("_bucket", "_sum", "_count")}
        else:
            found[metric.name] = metric.labels
    return found


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def boards() -> list[dict[str, Any]]:
    """Every dashboard as Grafana reads it."""
    return [json.loads(path.read_text("utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))]


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression that anything asks, and who asks."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for board in boards():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{board['title']}: ${variable['name']}", variable["query"]["query"]
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield f"{board['title']}: {panel['title']}", target.get("expr", "")


def test_only_metrics_that_exist_are_asked_for() -> None:
    """Each of our metrics in a rule or a dashboard is one that a process exposes, with its labels."""
    known = exposed()
    for who, expression in expressions():
        assert set(OURS.findall(expression)) <= known.keys(), who
        for name, matchers in MATCHED.findall(expression):
            labels = set(re.findall(r"(\w+)\s*[=!]~?", matchers))
            assert labels <= {*known[name], "job", "instance"}, (who, name)


def test_only_recorded_series_are_asked_for() -> None:
    """Each recorded series that is asked for is recorded, and each recorded one is asked for."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for _, expression in expressions() for name in RECORDED.findall(expression)}
    assert asked == recorded


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    """Each alert has a test that fires it, a severity, and a sentence on where to look."""
    text = (PROMETHEUS / "rules_test.yml").read_text("utf-8")
    fired = {
        case["alertname"]
        for test in yaml.safe_load(text)["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert fired == alerts.keys()
    for rule in alerts.values():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "look"}


def test_dashboards_are_as_described() -> None:
    """The five dashboards' JSON is what `make dashboards` writes."""
    described = dashboards(GRAFANA / "dashboards.yaml")
    written = {path.name: path.read_text("utf-8") for path in (GRAFANA / "dashboards").glob("*.json")}
    assert written == described
    assert {board["title"] for board in boards()} == {
        "System Overview",
        "Edge Pipeline Performance",
        "Kafka Metrics",
        "Service Health",
        "Container Resources",
    }


def test_panels_do_not_lie_over_each_other() -> None:
    """Each place of a dashboard's grid holds one panel at most, and none sticks out."""
    for board in boards():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, (board["title"], panel["title"])
            taken |= cells


@pytest.mark.parametrize("kind", ["prometheus", "tempo", "loki"])
def test_data_sources_lead_to_each_other(kind: str) -> None:
    """Each data source that a panel or another source names is provisioned under that name."""
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/ovr.yaml").read_text("utf-8"))[
        "datasources"
    ]
    uids = {source["uid"] for source in sources}
    (source,) = (source for source in sources if source["type"] == kind)
    led_to = set(re.findall(r"'datasourceUid': '(\w+)'", str(source["jsonData"])))
    assert led_to
    assert led_to <= uids
    used = {p["datasource"]["uid"] for board in boards() for p in board["panels"] if "datasource" in p}
    assert used <= uids


def test_promtail_makes_few_labels() -> None:
    """What promtail labels by is fixed words of ours, never text of a line; the trace id makes no stream."""
    config = yaml.safe_load((DEPLOY / "promtail/promtail.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    labelled = {name for stage in job["pipeline_stages"] if "labels" in stage for name in stage["labels"]}
    fixed = {name for name in job["static_configs"][0]["labels"] if not name.startswith("__")}
    assert labelled | fixed == {"project", "service", "stream", "level"}
    assert {"structured_metadata": {"trace_id": None}} in job["pipeline_stages"]
