"""A pass's trace as operators see it: in a real Tempo, found by the id that the event carries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.engines import needs

ENDPOINTS = ("OVR_TEST_TEMPO", "OVR_TEST_OTLP")
PARTS = {"edge", "ocr", "ingest", "event-writer", "search-indexer", "alert"}

pytestmark = [pytest.mark.timeout(300), *needs(*ENDPOINTS)]


def trace_of(tempo: str, trace_id: str, timeout: float = 30.0) -> dict[str, set[str]]:
    """The span names of a trace by service, once every service has reported, or what there is by then."""
    until = time.monotonic() + timeout
    while True:
        answer = httpx.get(f"{tempo}/api/traces/{trace_id}", headers={"Accept": "application/json"})
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


def test_a_pass_is_one_trace_in_tempo(tmp_path: Path) -> None:
    """The trace id the demo prints leads, in Tempo, to the spans of every process the pass went through."""
    env = {
        **os.environ,
        "OVR_HOME": str(tmp_path),
        "OVR_OTLP_ENDPOINT": f"http://{os.environ['OVR_TEST_OTLP']}",
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    argv = [sys.executable, "-m", "cli", "demo", "--once"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    named = re.search(r"trace +([0-9a-f]{32}) of event", done.stdout)
    assert named is not None
    spans = trace_of(os.environ["OVR_TEST_TEMPO"], named[1])
    assert spans.keys() >= PARTS
    assert {"edge.pass", "edge.read", "edge.fuse", "edge.spool", "edge.publish"} <= spans["edge"]
    assert {"ingest.store", "log.append"} <= spans["ingest"]
    assert "alert.evaluate" in spans["alert"]
