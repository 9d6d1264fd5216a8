"""What the mesh costs per frame: search and reading over gRPC against the same work in one process.

    python -m bench.mesh_overhead [--frames 120] [--threads 2]

The detector and OCR services run as processes of their own, with the engines and settings they always have;
the same engines are loaded here. Frames of 1280 x 720 are handled in turns, once by the services (pixels by
shared memory) and once by direct calls, so that both see the same machine: search, track, and a crop read
every third frame. Prints the mean of each way's middle half and their ratio; the aim is 1.05.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from edge.clients import GrpcDetector, GrpcReader
from edge.frame import Frame, Pixels
from edge.tracking.tracker import Tracker
from edge.tuning import Tuning
from mesh import health
from mesh.client import MeshChannel, connect
from mesh.telemetry import Telemetry
from plates.event import Box, Clock, Detection, ObjectClass
from vision.crops import crop_plate
from vision.models import ModelChoice, open_detector, open_reader

AIM = 1.05
WARM_UP = 10
READ_EVERY = 3
START = datetime(2030, 1, 1, tzinfo=timezone.utc)
PLATE = Detection(ObjectClass.PLATE, Box(600, 500, 140, 36), 0.9)


def frames(count: int) -> list[Frame]:
    """A grey road with bright boxes that move, as a camera would give it."""
    rng = np.random.default_rng(1)
    road = rng.normal(90, 12, (720, 1280, 3)).clip(0, 255).astype(np.uint8)
    found = []
    for number in range(count):
        pixels = road.copy()
        left = 40 + 7 * number % 900
        pixels[300:520, left : left + 300] = (200, 190, 180)
        at = START + timedelta(seconds=number / 25)
        found.append(Frame("bench", number, at, Clock.FILE, pixels))
    return found


class InProcess:
    """Direct calls."""

    def __init__(self, threads: int) -> None:
        choice = ModelChoice(threads=threads)
        self._detector, self._reader = open_detector(choice), open_reader(choice)
        self._tracker = Tracker(Tuning())

    async def handle(self, frame: Frame) -> None:
        """One frame."""
        (found,) = self._detector.detect([frame.pixels])
        self._tracker.update(found, frame.at)
        if frame.sequence % READ_EVERY == 0:
            self._reader.read([crop(frame)])


class ByMesh:
    """The same through the services."""

    def __init__(self, detector: MeshChannel, ocr: MeshChannel) -> None:
        self.detector = GrpcDetector(detector, Telemetry("bench"), slots=4, shared_memory=True, timeout=30)
        self._reader = GrpcReader(ocr, timeout=30)
        self._tracker = Tracker(Tuning())

    async def handle(self, frame: Frame) -> None:
        """One frame."""
        found = await self.detector.detect(frame)
        self._tracker.update(found.detections, frame.at)
        if frame.sequence % READ_EVERY == 0:
            await self._reader.read(frame, [crop(frame)], ())


def crop(frame: Frame) -> Pixels:
    """The crop that is read: the same place in each frame."""
    return crop_plate(frame.pixels, PLATE)


@asynccontextmanager
async def services(home: Path, threads: int) -> AsyncIterator[tuple[MeshChannel, MeshChannel]]:
    """Detector and OCR as processes, and channels to them."""
    names = ("detector", "ocr")
    limits = {f"OVR_{name.upper()}_THREADS": str(threads) for name in names}
    environment = {**os.environ, **limits, "OVR_HOME": str(home), "OVR_LOG_LEVEL": "error"}
    (home / "run").mkdir(parents=True)
    running = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", f"services.{name}", env=environment)
        for name in names
    ]
    try:
        async with AsyncExitStack() as stack:
            channels = []
            for name in names:
                channel = connect(f"unix:{home / 'run' / name}.sock", peer=name, telemetry=Telemetry("bench"))
                stack.push_async_callback(channel.close)
                await ready(channel, name)
                channels.append(channel)
            yield channels[0], channels[1]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            await process.wait()


async def ready(channel: MeshChannel, name: str, seconds: float = 120.0) -> None:
    """Waits for a service."""
    until = time.monotonic() + seconds
    while not await health.ask(channel, timeout=1.0):
        if time.monotonic() > until:
            raise TimeoutError(f"{name} was not ready within {seconds:.0f} s")
        await asyncio.sleep(0.1)


async def compare(count: int, threads: int) -> tuple[float, float]:
    """Mean of the middle half of each way's times, milliseconds: (mesh, one process)."""
    with tempfile.TemporaryDirectory(prefix="ovr-") as directory:
        async with services(Path(directory), threads) as channels:
            mesh, direct = ByMesh(*channels), InProcess(threads)
            times: tuple[list[float], list[float]] = ([], [])
            for number, frame in enumerate(frames(count + WARM_UP)):
                ways = [(mesh, times[0]), (direct, times[1])]
                for way, taken in ways if number % 2 else reversed(ways):
                    started = time.perf_counter()
                    await way.handle(frame)
                    if number >= WARM_UP:
                        taken.append((time.perf_counter() - started) * 1000)
            mesh.detector.close()
    return middle(times[0]), middle(times[1])


def middle(times: list[float]) -> float:
    """Mean of the middle half: every third frame costs more, and the machine is never quiet."""
    ordered = sorted(times)
    return statistics.mean(ordered[len(ordered) // 4 : max(1, len(ordered) * 3 // 4)])


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2, help="of each engine")
    given = parser.parse_args()
    by_mesh, direct = asyncio.run(compare(given.frames, given.threads))
    print(
        f"a frame of 1280 x 720: mesh {by_mesh:.1f} ms, one process {direct:.1f} ms, "
        f"ratio {by_mesh / direct:.3f} (aim {AIM})"
    )


if __name__ == "__main__":
    main()
