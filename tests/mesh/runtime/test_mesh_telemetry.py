"""Telemetry: names are data that the code is held to; nothing of it fails or holds up a process."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics

from mesh import names
from mesh.exporters import otlp
from mesh.names import Metric, MetricKind, SpanName
from mesh.telemetry import Telemetry, exemplar, inject, trace_id
from mesh.testing import watch_loop

ROOT = Path(__file__).parents[3]
ROOMS = ("mesh", "edge", "services", "gateway", "storage", "vision", "cli", "wire", "plates")


def sources() -> list[tuple[Path, str]]:
    """Our own code."""
    return [(path, path.read_text()) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_names_are_unique_and_well_formed() -> None:
    """Each name is given once, in the form its readers expect."""
    metrics, spans, attributes = names.metrics(), names.spans(), names.attributes()
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert len({span.name for span in spans}) == len(spans)
    assert len(set(attributes)) == len(attributes)
    for metric in metrics:
        assert re.fullmatch(r"ovr(_[a-z0-9]+)+", metric.name), metric.name
        assert (metric.kind is MetricKind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert metric.help.endswith("."), metric.name
    for span in spans:
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", span.name), span.name


def test_the_code_is_held_to_the_names() -> None:
    """Spans, attributes and metrics are named in mesh/names.py and nowhere else, and each declared one is
    used."""
    used: set[str] = set()
    for path, text in sources():
        if path.name == "names.py" and path.parent.name == "mesh":
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "names"
                and node.attr.isupper()
            ):
                used.add(node.attr)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"SpanName", "Metric"}, (
                    f"{path}:{node.lineno}: declare it in names.py"
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                literal = node.args and isinstance(node.args[0], ast.Constant)
                spans = node.func.attr in {"set_attribute", "span"} and literal
                assert not spans, f"{path}:{node.lineno}: the name belongs in mesh/names.py"
    declared = {
        name
        for name in vars(names)
        if name.startswith("ATTR_") or isinstance(getattr(names, name), (SpanName, Metric))
    }
    assert used - {n for n in used if hasattr(names, n)} == set()
    assert declared - used == set(), "declared but not used"


def test_frames_are_sampled_and_passes_are_not() -> None:
    """The share of frames applies to frames alone, and a child is traced as its parent is."""
    kept = InMemorySpanExporter()
    telemetry = Telemetry("edge", frame_share=0.0, processors=[SimpleSpanProcessor(kept)])
    frame = SpanName("edge.frame", "A frame.", sampled=True)
    sampled = next((span for span in names.spans() if span.sampled), frame)
    with telemetry.span(sampled), telemetry.span("child of a frame"):
        assert exemplar() is None
    with telemetry.span("edge.pass"):
        with telemetry.span(sampled):
            pass
        assert exemplar() == {"trace_id": trace_id()}
    assert [span.name for span in kept.get_finished_spans()] == [sampled.name, "edge.pass"]


def test_a_trace_goes_on_by_its_traceparent() -> None:
    """A traceparent written down (in the spool, on the log) continues the trace elsewhere; garbage begins a
    new one."""
    edge, ingest = Telemetry("edge"), Telemetry("ingest")
    span = edge.start("edge.pass")
    parent = inject(span)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", parent)
    with ingest.span("ingest.store", parent=parent, links=[parent, "garbage"]) as child:
        assert trace_id() == trace_id(span)
        assert child.get_span_context().is_valid
    with ingest.span("ingest.store", parent="garbage"):
        assert trace_id() not in ("", trace_id(span))
    assert (inject(), trace_id()) == ("", "")


def test_an_exception_marks_its_span() -> None:
    """A span whose body failed says so, by type, without the message: it may hold what must not leave."""
    kept = InMemorySpanExporter()
    telemetry = Telemetry("x", processors=[SimpleSpanProcessor(kept)])
    with pytest.raises(ValueError, match="secret"), telemetry.span("a.b"):
        raise ValueError("secret")
    span = kept.get_finished_spans()[0]
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "ValueError")
    assert not span.events


def test_metrics_belong_to_their_process() -> None:
    """Two processes' metrics in one test do not meet; the wrong kind is refused; exemplars carry the
    trace."""
    one, two = Telemetry("one"), Telemetry("two")
    one.counter(names.RPC_REFUSED).labels("one", "TOO_MANY_CALLS").inc()
    assert one.counter(names.RPC_REFUSED) is one.counter(names.RPC_REFUSED)
    assert two.registry.get_sample_value("ovr_rpc_refused_total", {"service": "one", "reason": "x"}) is None
    with pytest.raises(TypeError, match="is a counter, not a gauge"):
        one.gauge(names.RPC_REFUSED)
    with one.span("a.b"):
        one.histogram(names.RPC_CLIENT_SECONDS).labels("a", "B", "OK").observe(0.01, exemplar())
        assert f'# {{trace_id="{trace_id()}"}}' in open_metrics(one.registry).decode()


WORK = """
import asyncio, urllib.request
from mesh.logs import logger
from mesh.process import run
from mesh.settings import MeshSettings
async def main(settings, process):
    log = logger("toy.room")
    with process.telemetry.span("toy.work"):
        log.info("worked", plate_count=2)
        try:
            password = "hunter2"
            raise ValueError("why")
        except ValueError:
            log.exception("failed")
    if settings.metrics_port:
        page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{settings.metrics_port}/metrics")
        print(page.status, page.headers["content-type"])
    return 0
run(main, MeshSettings, "toy")
"""


def run_toy(**variables: str) -> subprocess.CompletedProcess[str]:
    """A real process that works, logs and ends."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}", **variables}
    command = [sys.executable, "-c", WORK]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_a_process_logs_exports_and_serves_its_metrics(tmp_path: Path) -> None:
    """Log lines are JSON with the trace id and without local variables, spans go to their file, metrics to a
    page."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run_toy(OVR_TRACE_DIR=str(tmp_path), OVR_METRICS_PORT=str(port))
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    worked = next(line for line in lines if line["event"] == "worked")
    failed = next(line for line in lines if line["event"] == "failed")
    span = json.loads(next(tmp_path.glob("toy-*.jsonl")).read_text())
    assert (worked["service"], worked["component"], worked["plate_count"]) == ("toy", "toy.room", 2)
    assert (span["name"], span["trace_id"]) == ("toy.work", worked["trace_id"])
    assert "ValueError: why" in failed["exception"]
    assert "hunter2" not in done.stderr
    assert done.stdout.startswith("200 text/plain")


def test_a_dead_collector_does_not_hold_up_a_process() -> None:
    """With an endpoint where nobody listens, thousands of spans cost no waiting, and neither does the end."""
    telemetry = Telemetry("x", processors=[otlp("http://127.0.0.1:9")])
    started = time.monotonic()
    for _ in range(3000):
        with telemetry.span("a.b"):
            pass
    telemetry.close(timeout_seconds=0.5)
    assert time.monotonic() - started < 5
    lines = run_toy(OVR_OTLP_ENDPOINT="http://127.0.0.1:9").stderr.splitlines()
    assert any(json.loads(line).get("code") == 0 for line in lines)


async def test_the_loop_watch_sees_a_blocked_loop() -> None:
    """Blocking the loop is noticed with the place where it happened; not blocking is not."""
    async with watch_loop(0.3) as watch:
        await asyncio.sleep(0.1)
    assert watch.worst < 0.3
    with pytest.raises(AssertionError, match="stood still") as caught:
        async with watch_loop(0.1):
            time.sleep(0.4)  # noqa: ASYNC251 - the very thing that is looked for
    assert "time.sleep(0.4)" in str(caught.value)
