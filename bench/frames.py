"""A 1080p frame through shared memory against the same frame inline, over the same rpc: `python
bench/frames.py`.

Two processes: a detector that touches every row of the frame, and a caller. Prints the ratio of the medians;
the aim is 0.15 or less.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

from mesh import health
from mesh.client import MeshChannel, connect
from mesh.frames import FrameReader, FrameRef, FrameRing
from mesh.process import Process, run
from mesh.server import MeshServer, Service
from mesh.settings import MeshSettings
from ovr.alpr.v1 import detector_pb2, detector_pb2_grpc, frame_pb2

SHAPE = (1080, 1920, 3)
AIM = 0.15


class Servicer(detector_pb2_grpc.DetectorServiceServicer):
    """Reads the frame as a detector would: pixels as an array, one value of each row."""

    def __init__(self) -> None:
        self._frames = FrameReader()

    async def Detect(self, request: Any, context: Any) -> detector_pb2.DetectResponse:  # noqa: N802
        """The sum of the first column stands for detections."""
        frame = request.frame
        if frame.WhichOneof("payload") == "ref":
            ref = FrameRef(frame.ref.segment, frame.ref.slot, frame.ref.generation)
            with self._frames.view(ref, SHAPE) as pixels:
                return detector_pb2.DetectResponse(inference_ms=float(pixels[:, 0, 0].sum()))
        pixels = np.frombuffer(frame.inline_data, np.uint8).reshape(SHAPE)
        return detector_pb2.DetectResponse(inference_ms=float(pixels[:, 0, 0].sum()))


async def serve(settings: MeshSettings, process: Process) -> int:
    """The other process."""
    add = detector_pb2_grpc.add_DetectorServiceServicer_to_server
    service = Service(add, Servicer(), "ovr.alpr.v1.DetectorService")
    async with MeshServer(settings, "detector", services=[service], telemetry=process.telemetry):
        await process.stop.wait()
    return 0


def message(**payload: Any) -> detector_pb2.DetectRequest:
    """The request around a frame."""
    fields = {"height": SHAPE[0], "width": SHAPE[1], "format": frame_pb2.PIXEL_FORMAT_BGR24}
    return detector_pb2.DetectRequest(frame=frame_pb2.Frame(camera_id="bench", clock=2, **fields, **payload))


async def measure(channel: MeshChannel, rounds: int) -> tuple[float, float]:
    """Median seconds a frame by shared memory and inline, taken in turns."""
    stub = detector_pb2_grpc.DetectorServiceStub(channel)
    picture = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    expected = float(picture[:, 0, 0].sum())
    with FrameRing(4, picture.nbytes) as ring:

        async def shared() -> float:
            lease = ring.put(picture)
            assert lease is not None
            with lease:
                ref = frame_pb2.FrameRef(
                    segment=lease.ref.segment, slot=lease.ref.slot, generation=lease.ref.generation
                )
                return float((await stub.Detect(message(ref=ref))).inference_ms)

        async def inline() -> float:
            return float((await stub.Detect(message(inline_data=picture.tobytes()))).inference_ms)

        async def timed(way: Callable[[], Awaitable[float]]) -> float:
            started = time.perf_counter()
            assert await way() == expected
            return time.perf_counter() - started

        for way in (shared, inline):
            await timed(way)
        pairs = [(await timed(shared), await timed(inline)) for _ in range(rounds)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


async def main(rounds: int) -> float:
    """Start the other process, measure, print."""
    with tempfile.TemporaryDirectory(prefix="ovr-bench-") as home:
        settings = MeshSettings(home=Path(home), log_level="warning")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--serve",
            env={**os.environ, "OVR_HOME": home, "OVR_LOG_LEVEL": "warning"},
        )
        try:
            async with connect(settings.address(), peer="detector", settings=settings) as channel:
                while not await health.ask(channel):  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(0.05)
                shared, inline = await measure(channel, rounds)
        finally:
            child.terminate()
            await child.wait()
    ratio = shared / inline
    print(
        f"shared memory {shared * 1e3:.2f} ms, inline {inline * 1e3:.2f} ms a 1080p frame ({rounds} rounds)"
    )
    print(f"ratio {ratio:.3f} (aim {AIM:.2f} or less)")
    return ratio


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        sys.argv.pop()
        run(serve, MeshSettings, "detector")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    sys.exit(0 if asyncio.run(main(parser.parse_args().rounds)) <= AIM else 1)
