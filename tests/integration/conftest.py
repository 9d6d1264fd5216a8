"""One run of the demo for all tests that look at it from outside: metrics, traces, logs."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.demo_run import PROCESSES, DemoRun, demo_run, free_ports

SEEN_SECONDS = 3.0  # for the last scrape and the last spans


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    """The demo, up after its clip; scraped by Prometheus and traced to Tempo where those are given."""
    ports = dict(zip(PROCESSES, free_ports(len(PROCESSES)), strict=True))
    folder = os.environ.get("OVR_TEST_PROMETHEUS_TARGETS")
    targets = Path(folder) / f"demo-{uuid.uuid4().hex}.json" if folder else None
    if targets is not None:
        pages = [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": name}} for name, port in ports.items()]
        targets.write_text(json.dumps(pages), "utf-8")
    try:
        with demo_run(tmp_path_factory.mktemp("watched"), ports) as run:
            time.sleep(SEEN_SECONDS)
            yield run
    finally:
        if targets is not None:
            targets.unlink()
