"""Dashboards and rules on a real Prometheus: every query parses, and what runs here shows something."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.builders.demo_run import PROCESSES, DemoRun
from tests.builders.engines import needs

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# Told by exporters and engines that run where Docker is, not here.
ELSEWHERE = re.compile(r"\b(kafka|pg|minio|node|container)_[a-z]")

pytestmark = [
    pytest.mark.timeout(400),
    *needs("OVR_TEST_PROMETHEUS", "OVR_TEST_PROMETHEUS_TARGETS"),
]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel that asks Prometheus, under its dashboard's and its own title."""
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(path.read_text("utf-8"))
        for panel in board["panels"]:
            if panel.get("datasource", {}).get("uid") == "prometheus":
                yield f"{board['title']}: {panel['title']}", panel


def filled(expression: str) -> str:
    """An expression as Grafana sends it, with everything chosen."""
    return re.sub(r"\$(camera|node|job|service)\b", ".*", expression.replace("$__rate_interval", "15s"))


def asked(run: DemoRun, expression: str) -> list[dict[str, Any]]:
    """The series of an expression over the run; AssertionError if Prometheus does not take it."""
    answer = httpx.get(
        f"{os.environ['OVR_TEST_PROMETHEUS']}/api/v1/query_range",
        params={"query": filled(expression), "start": run.started, "end": run.ended, "step": 1},
        timeout=30,
    ).json()
    assert answer["status"] == "success", (expression, answer)
    series: list[dict[str, Any]] = answer["data"]["result"]
    return series


def test_every_process_is_scraped(demo: DemoRun) -> None:
    """Each process's metrics page is found under its job and answers."""
    jobs = "|".join(PROCESSES)
    up = asked(demo, f'max by (job) (max_over_time(up{{job=~"{jobs}"}}[5m]))')
    assert {series["metric"]["job"] for series in up if series["values"][-1][1] == "1"} == set(PROCESSES)


def test_every_panel_parses_and_shows_what_runs_here(demo: DemoRun) -> None:
    """Prometheus takes every query; a panel whose part runs here has data, unless nothing is good news."""
    empty = [
        title
        for title, panel in panels()
        for target in panel["targets"]
        if not asked(demo, target["expr"])
        and not ELSEWHERE.search(target["expr"])
        and "noValue" not in panel["fieldConfig"]["defaults"]
    ]
    assert not empty


def test_edge_boxes_are_shown_by_what_they_reported(demo: DemoRun) -> None:
    """The demo's box and camera are seen through the event writer alone, without a scrape of the pilot."""
    (camera,) = asked(demo, 'ovr_node_camera_frames_per_second{job="event-writer",camera="demo-gate"}')
    assert max(float(value) for _, value in camera["values"]) > 0
    closed = asked(demo, 'sum(ovr_node_camera_passes_closed{job="event-writer"})')
    assert float(closed[0]["values"][-1][1]) >= 8
    assert asked(demo, 'ovr_node_disk_free_bytes{job="event-writer"} > 0')


def test_rules_are_taken_and_quiet(demo: DemoRun) -> None:
    """Every expression of a rule parses on the server; an alert that waits for nothing stays quiet."""
    texts = [path.read_text("utf-8") for path in (DEPLOY / "prometheus" / "rules").glob("*.yml")]
    rules = [rule for text in texts for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    firing = {}
    for rule in rules:
        series = asked(demo, rule["expr"])
        if "alert" in rule and "for" not in rule and series:
            firing[rule["alert"]] = series
    assert not firing
