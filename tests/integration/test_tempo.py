"""A pass's trace as operators see it: in a real Tempo, found by its id, by its event's id, by its camera."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.demo_run import DemoRun
from tests.builders.engines import needs

PARTS = {"edge", "ocr", "ingest", "event-writer", "search-indexer", "alert"}
DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"

pytestmark = [pytest.mark.timeout(400), *needs("OVR_TEST_TEMPO", "OVR_TEST_OTLP")]


def trace_of(trace_id: str, timeout: float = 30.0) -> dict[str, set[str]]:
    """The span names of a trace by service, once every service has reported, or what there is by then."""
    until = time.monotonic() + timeout
    while True:
        address = f"{os.environ['OVR_TEST_TEMPO']}/api/traces/{trace_id}"
        answer = httpx.get(address, headers={"Accept": "application/json"})
        found = spans_by_service(answer.json()) if answer.status_code == 200 else {}
        if found.keys() >= PARTS or time.monotonic() > until:
            return found
        time.sleep(0.5)


def spans_by_service(trace: dict[str, Any]) -> dict[str, set[str]]:
    """Span names by service, from Tempo's OTLP JSON."""
    found: dict[str, set[str]] = {}
    for batch in trace.get("batches", ()):
        attributes = {a["key"]: a["value"] for a in batch["resource"]["attributes"]}
        scopes = batch.get("scopeSpans") or batch.get("instrumentationLibrarySpans") or ()
        names = {span["name"] for scope in scopes for span in scope["spans"]}
        found.setdefault(attributes["service.name"]["stringValue"], set()).update(names)
    return found


def found_by(query: str, run: DemoRun) -> set[str]:
    """Ids of the traces of the run that a TraceQL query finds, 32 digits each."""
    span = {"start": int(run.started), "end": int(run.ended) + 60}
    address = f"{os.environ['OVR_TEST_TEMPO']}/api/search"
    answer = httpx.get(address, params={"q": query, "limit": 100, **span}, timeout=30)
    assert answer.status_code == 200, (query, answer.text)
    return {trace["traceID"].rjust(32, "0") for trace in answer.json().get("traces") or ()}


def test_a_pass_is_one_trace_in_tempo(demo: DemoRun) -> None:
    """The trace id the demo prints leads, in Tempo, to the spans of every process the pass went through."""
    spans = trace_of(demo.trace_id)
    assert spans.keys() >= PARTS
    assert {"edge.pass", "edge.read", "edge.fuse", "edge.spool", "edge.publish"} <= spans["edge"]
    assert {"ingest.store", "log.append"} <= spans["ingest"]
    assert "event_writer.write" in spans["event-writer"]
    assert "search_indexer.index" in spans["search-indexer"]
    assert "alert.evaluate" in spans["alert"]


def test_a_pass_is_found_by_its_event_and_by_its_camera(demo: DemoRun) -> None:
    """The id of an event finds its pass's trace and no other; the camera finds every pass of the run."""
    trace_of(demo.trace_id)
    assert found_by(f'{{ span.ovr.event.id = "{demo.event_id}" }}', demo) == {demo.trace_id}
    passes = found_by('{ name = "edge.pass" && span.ovr.camera.id = "demo-gate" }', demo)
    assert demo.trace_id in passes
    assert len(passes) >= 8
    assert not found_by('{ name = "edge.pass" && span.ovr.camera.id = "elsewhere" }', demo)


def test_the_dashboards_find_passes(demo: DemoRun) -> None:
    """What the dashboards ask Tempo finds the pass."""
    trace_of(demo.trace_id)
    board = json.loads((DASHBOARDS / "ovr-overview.json").read_text("utf-8"))
    asked = [
        target["query"]
        for panel in board["panels"]
        if panel.get("datasource", {}).get("uid") == "tempo"
        for target in panel["targets"]
    ]
    assert len(asked) == 2
    for query in asked:
        filled = query.replace("$event", demo.event_id)
        assert demo.trace_id in found_by(re.sub(r"\$camera\b", ".*", filled), demo), query


def test_a_histogram_leads_to_traces(demo: DemoRun) -> None:
    """The exemplars on a metrics page are traces that Tempo has: what Grafana makes its points of."""
    trace_of(demo.trace_id)
    page = httpx.get(
        f"http://127.0.0.1:{demo.ports['ingest']}/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    named = re.findall(r'ovr_ingest_delay_seconds_bucket\{.*# \{trace_id="([0-9a-f]{32})"\}', page.text)
    assert named
    for trace_id in set(named):
        answer = httpx.get(f"{os.environ['OVR_TEST_TEMPO']}/api/traces/{trace_id}", timeout=30)
        assert answer.status_code == 200
