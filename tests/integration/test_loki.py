"""Log lines in a real Loki, under the labels that promtail gives: no plate in one, a way to the trace."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from synth.clip import ROLES
from tests.builders.demo_run import DemoRun
from tests.builders.engines import needs

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"project", "service", "level", "stream"}

pytestmark = [pytest.mark.timeout(400), *needs("OVR_TEST_LOKI")]


def push(project: str, service: str, lines: list[str]) -> None:
    """Lines as promtail sends them: by service and level, the trace id beside the line."""
    streams: dict[str, list[list[Any]]] = {}
    for number, line in enumerate(lines):
        fields = json.loads(line)
        beside = {"trace_id": fields["trace_id"]} if "trace_id" in fields else {}
        streams.setdefault(fields["level"], []).append([str(time.time_ns() + number), line, beside])
    labels = {"project": project, "service": service, "stream": "stderr"}
    body = [{"stream": {**labels, "level": level}, "values": values} for level, values in streams.items()]
    answer = httpx.post(f"{os.environ['OVR_TEST_LOKI']}/loki/api/v1/push", json={"streams": body}, timeout=30)
    assert answer.status_code == 204, answer.text


def found(query: str, least: int = 1, timeout: float = 15.0) -> list[dict[str, Any]]:
    """The streams of a LogQL query over an hour, once there are that many lines, or what there is by then."""
    until = time.monotonic() + timeout
    while True:
        params = {"query": query, "start": time.time_ns() - 3_600_000_000_000, "limit": 5000}
        answer = httpx.get(
            f"{os.environ['OVR_TEST_LOKI']}/loki/api/v1/query_range", params=params, timeout=30
        )
        assert answer.status_code == 200, (query, answer.text)
        streams: list[dict[str, Any]] = answer.json()["data"]["result"]
        if sum(len(stream["values"]) for stream in streams) >= least or time.monotonic() > until:
            return streams
        time.sleep(0.3)


def test_a_trace_finds_its_lines(demo: DemoRun) -> None:
    """The query that leads from a trace to its logs finds the line with its id, and only that one."""
    project, trace_id = f"ovr-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    lines = [
        {"event": "slow", "level": "warning", "service": "ocr", "trace_id": trace_id},
        {"event": "slow", "level": "warning", "service": "ocr", "trace_id": uuid.uuid4().hex},
        {"event": "started", "level": "info", "service": "ocr"},
    ]
    push(project, "ocr", [json.dumps(line) for line in lines])
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/ovr.yaml").read_text("utf-8"))
    (tempo,) = (item for item in source["datasources"] if item["type"] == "tempo")
    asked = tempo["jsonData"]["tracesToLogsV2"]["query"]
    filled = asked.replace("$${__trace.traceId}", trace_id).replace('"ovr"', f'"{project}"')
    (stream,) = found(filled)
    assert [json.loads(line)["trace_id"] for _, line in stream["values"]] == [trace_id]
    warnings = found(f'{{project="{project}",level=~"warning|error|critical"}}', least=2)
    assert sum(len(stream["values"]) for stream in warnings) == 2


def test_the_logs_of_a_run_make_few_streams_and_no_plate_is_a_label(demo: DemoRun) -> None:
    """All lines of a run are taken; their streams are as many as services and levels, and hold no plate."""
    project = f"ovr-{uuid.uuid4().hex[:8]}"
    pushed = 0
    for log in sorted((demo.home / "logs").glob("*.log")):
        lines = [line for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
        push(project, log.stem, lines)
        pushed += len(lines)
    assert pushed > 0
    selector = f'{{project="{project}"}}'
    taken = found(selector, least=pushed)
    assert sum(len(stream["values"]) for stream in taken) == pushed
    params = {"match[]": selector, "start": time.time_ns() - 3_600_000_000_000}
    answer = httpx.get(f"{os.environ['OVR_TEST_LOKI']}/loki/api/v1/series", params=params, timeout=30)
    streams = answer.json()["data"]
    assert {name for stream in streams for name in stream} - {"service_name"} == LABELS
    assert len(streams) <= 5 * len(list((demo.home / "logs").glob("*.log")))
    assert not re.search("|".join(role.text for role in ROLES), json.dumps(streams))
