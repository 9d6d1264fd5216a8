"""The end of a process: SIGTERM lets running calls end, ends streams, refuses newcomers; nothing is cut in
half."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mesh_parts import DETECTOR, detect, stream_request

from mesh import health
from mesh.client import ClientOptions, connect
from mesh.errors import Kind, MeshError
from mesh.process import Process
from mesh.retry import RetryPolicy
from mesh.server import MeshServer
from mesh.settings import MeshSettings
from mesh.testing import Harness, service_of, servicer_of
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc

ROOT = Path(__file__).parents[3]
TOY = """
import asyncio, os
from pathlib import Path
from ovr.alpr.v1 import detector_pb2
from mesh.process import run
from mesh.server import MeshServer
from mesh.settings import MeshSettings
from mesh.testing import service_of, servicer_of

async def detect(request):
    (Path(os.environ["OVR_HOME"]) / "entered").touch()
    await asyncio.sleep(5 * request.min_score)
    return detector_pb2.DetectResponse(inference_ms=7)

async def main(settings, process):
    name = "ovr.alpr.v1.DetectorService"
    service = service_of(name, servicer_of(name, Detect=detect))
    async with MeshServer(settings, "toy", services=[service], telemetry=process.telemetry):
        await process.stop.wait()
    return 3

run(main, MeshSettings, "toy")
"""


@pytest.fixture
async def mesh() -> AsyncIterator[Harness]:
    """A harness that goes with its test."""
    async with Harness() as harness:
        yield harness


async def test_running_calls_end_and_newcomers_are_refused(mesh: Harness) -> None:
    """During a drain a running call is answered, a new one is not taken, and the server is alive but not
    ready."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def work(request: Any) -> detector_pb2.DetectResponse:
        entered.set()
        await gate.wait()
        return detector_pb2.DetectResponse(inference_ms=5.0)

    server = await mesh.neighbour("detector", DETECTOR, Detect=work)
    options = ClientOptions(retry=RetryPolicy(attempts=1))
    stub = detector_pb2_grpc.DetectorServiceStub(mesh.connect("detector", options=options))
    running = asyncio.ensure_future(stub.Detect(detect()))
    await entered.wait()
    drain = asyncio.ensure_future(server.drain(5.0))
    await asyncio.sleep(0.05)
    assert dict(await server.health.problems()) == {"server": "draining"}
    with pytest.raises(MeshError) as caught:
        await stub.Detect(detect(), timeout=1.0)
    assert caught.value.kind in (Kind.UNAVAILABLE, Kind.CANCELLED)
    gate.set()
    assert (await running).inference_ms == 5.0
    await asyncio.wait_for(drain, 10)


async def test_a_stream_without_an_end_is_ended_with_unavailable(mesh: Harness) -> None:
    """A watch that would never end is told to connect anew, well within the grace."""

    async def watch(requests: Any) -> AsyncIterator[Any]:
        yield detector_pb2.DetectStreamResponse()
        await asyncio.sleep(60)

    server = await mesh.neighbour("detector", DETECTOR, DetectStream=watch)
    stream = mesh.stub(DETECTOR).DetectStream()
    await stream.write(stream_request())
    await stream.read()
    started = time.monotonic()
    drain = asyncio.ensure_future(server.drain(6.0))
    with pytest.raises(MeshError) as caught:
        await stream.read()
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "DRAINING")
    assert caught.value.retry_after
    await drain
    assert time.monotonic() - started < 5.5


async def test_a_call_longer_than_the_grace_is_cancelled(mesh: Harness) -> None:
    """The drain ends with its grace, whatever still runs."""
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(request: Any) -> Any:
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = await mesh.neighbour("detector", DETECTOR, Detect=hang)
    stub = mesh.stub(DETECTOR)
    running = asyncio.ensure_future(stub.Detect(detect(), timeout=20))
    await entered.wait()
    started = time.monotonic()
    await server.drain(0.3)
    assert time.monotonic() - started < 5
    await asyncio.wait_for(cancelled.wait(), 10)
    running.cancel()


async def test_a_second_drain_waits_for_the_first(mesh: Harness) -> None:
    """Draining twice, or after a drain was cancelled by its caller, is one drain."""
    server = await mesh.neighbour("detector", DETECTOR)
    first = asyncio.ensure_future(server.drain(1.0))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(server.drain(), 10)


async def _started(environment: dict[str, str], address: str, script: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: ASYNC220 - quick, and kept for the test
        [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE
    )
    async with connect(address, peer="toy") as channel:
        until = time.monotonic() + 30
        while not await health.ask(channel):
            assert time.monotonic() < until
            assert process.poll() is None
            await asyncio.sleep(0.05)
    return process


async def _entered(mesh: Harness) -> None:
    """Return when the process has begun to serve the call."""
    while not (mesh.home / "entered").exists():  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)


async def test_sigterm_of_a_real_process(mesh: Harness, tmp_path: Path) -> None:
    """A process told to stop answers what it has begun, removes its socket and leaves with main's code."""
    script = tmp_path / "toy.py"
    script.write_text(TOY)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
        "OVR_HOME": str(mesh.home),
    }
    address = mesh.settings(MeshSettings).address()
    process = await _started(environment, address, script)
    async with connect(address, peer="toy") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        running = asyncio.ensure_future(stub.Detect(detect(min_score=0.2)))
        await _entered(mesh)
        process.send_signal(signal.SIGTERM)
        assert (await running).inference_ms == 7
    _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 3, said
    assert not os.path.lexists(address.removeprefix("unix:"))  # noqa: ASYNC240
    assert b'"event":"ended"' in said.replace(b'": "', b'":"')


async def test_a_second_signal_ends_the_process_at_once(mesh: Harness, tmp_path: Path) -> None:
    """Who is in a hurry sends the signal twice."""
    script = tmp_path / "toy.py"
    script.write_text(TOY)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
        "OVR_HOME": str(mesh.home),
    }
    process = await _started(environment, mesh.settings(MeshSettings).address(), script)
    async with connect(mesh.settings(MeshSettings).address(), peer="toy") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        running = asyncio.ensure_future(stub.Detect(detect(min_score=1.0), timeout=9))
        await _entered(mesh)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate)
        assert process.returncode == -signal.SIGTERM
        with pytest.raises(MeshError):
            await running


async def test_a_process_main_in_the_harness(mesh: Harness) -> None:
    """A process's own main runs in the harness until it is stopped, and its failure before it is ready is
    raised."""

    async def main(settings: MeshSettings, process: Process) -> int:
        service = service_of(DETECTOR, servicer_of(DETECTOR, Detect=lambda _: detector_pb2.DetectResponse()))
        async with MeshServer(settings, "toy", services=[service], telemetry=process.telemetry):
            await process.stop.wait()
        return 0

    async def broken(settings: MeshSettings, process: Process) -> int:
        raise OSError("no model")

    running = await mesh.run("toy", main, mesh.settings(MeshSettings))
    assert await running.stop() == 0
    with pytest.raises(OSError, match="no model"):
        await mesh.run("broken", broken, mesh.settings(MeshSettings, listen=f"unix:{mesh.home}/b.sock"))
