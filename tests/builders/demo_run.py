"""The demo as operators watch it: metrics pages of every process, spans to a collector where one is given."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import httpx

_QUESTIONS = 6
PROCESSES = {
    "pilot": "EDGE",
    "detector": "DETECTOR",
    "ocr": "OCR",
    "ingest": "INGEST",
    "event-writer": "EVENT_WRITER",
    "search-indexer": "SEARCH_INDEXER",
    "query": "QUERY",
    "alert": "ALERT",
    "gateway": "GATEWAY",
}


@dataclass(frozen=True)
class DemoRun:
    """What one run printed, where its files lie, the ports of its metrics pages, and when it ran, seconds
    since the epoch."""

    stdout: str
    home: Path
    ports: Mapping[str, int]
    started: float
    ended: float

    @property
    def trace_id(self) -> str:
        """The trace that the demo names."""
        return self._named(r"trace +([0-9a-f]{32}) of event")

    @property
    def gateway(self) -> str:
        """Where its gateway is found."""
        return self._named(r"^console (http://[^/]+)/")

    @property
    def event_id(self) -> str:
        """The event of that trace."""
        return self._named(r"trace +[0-9a-f]{32} of event (\S+)")

    def _named(self, pattern: str) -> str:
        found = re.search(pattern, self.stdout, re.MULTILINE)
        assert found is not None, self.stdout
        return found[1]


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def demo_run(home: Path, ports: dict[str, int], timeout: float = 240.0) -> Iterator[DemoRun]:
    """Runs `ovr demo` with a metrics page of each process at its port, and asks its gateway for a while after
    the clip.

    It is up for the body of the `with`, and drained at its end."""
    env = {
        **os.environ,
        **{f"OVR_{PROCESSES[name]}_METRICS_PORT": str(port) for name, port in ports.items()},
        "OVR_HOME": str(home),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    if collector := os.environ.get("OVR_TEST_OTLP"):
        env["OVR_OTLP_ENDPOINT"] = f"http://{collector}"
    started = time.time()
    with TemporaryFile("w+") as output:
        argv = [sys.executable, "-m", "cli", "demo"]
        process = subprocess.Popen(argv, env=env, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            text = _until_it_stays(process, output, started + timeout)
            run = DemoRun(text, home / "demo", ports, started, time.time())
            for _ in range(_QUESTIONS):
                httpx.get(f"{run.gateway}/v1/events", timeout=30).raise_for_status()
                time.sleep(1)  # the next scrape sees another number
            yield replace(run, ended=time.time())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _until_it_stays(process: subprocess.Popen[str], output: object, until: float) -> str:
    """What was printed once the clip has run through; AssertionError if the demo ends or takes too long."""
    while True:
        output.seek(0)
        text = output.read()
        if re.search(r"^console http", text, re.MULTILINE):
            return text
        assert process.poll() is None, text
        assert time.time() < until, text
        time.sleep(0.2)
