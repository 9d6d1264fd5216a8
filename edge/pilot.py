"""The edge process, read from top to bottom: cameras in, events out.

    capture -> gate -> detect -> track -> read -> fuse -> close -> spool -> publish
    `--------------------- a lane for each camera ------------------'   `- one for all

Recordings end by themselves; cameras run until they are stopped. The lanes end first and close their passes,
then the spool is published as far as it gets, then the process ends. Nothing waits without bound: a camera
keeps its newest frame, a recording is read as fast as it is searched, the spool counts what it sheds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from edge.assembly import Shared, make_lane
from edge.cameras import Camera
from edge.capture.camera import State
from edge.capture.port import SourceError
from edge.clients import GrpcDetector, GrpcReader
from edge.lane import Lane, Neighbours
from edge.machine import Machine
from edge.meters import Stages
from edge.passes.event import Identity
from edge.publish import Publisher, PublishOptions
from edge.settings import EdgeSettings
from edge.spool import Spool
from edge.status import Reporter, summary
from mesh.client import MeshChannel, connect
from mesh.logs import logger
from mesh.process import Process
from mesh.settings import ConfigError
from ovr.alpr.v1 import ingest_pb2_grpc


async def main(settings: EdgeSettings, process: Process) -> int:
    """The edge process. 0 when its recordings have ended or it was stopped, 1 when a source was of no use."""
    return await run_pilot(settings, settings.plan(), process)


async def run_pilot(settings: EdgeSettings, cameras: Sequence[Camera], process: Process) -> int:
    """Runs these cameras until they end or `process.stop` is set; then drains, and writes the summary."""
    async with AsyncExitStack() as stack:
        spool = await Spool.open(settings.spool_directory(), settings.spool_bounds())
        stack.push_async_callback(spool.close)
        shared = await _shared(stack, settings, process, spool)
        lanes = _lanes(cameras, shared)
        stub = ingest_pb2_grpc.IngestServiceStub(await _channel(stack, settings, process, "ingest"))
        options = PublishOptions(window=settings.publish_window)
        publisher = Publisher(spool, stub, shared.identity, shared.telemetry, shared.stages, options)
        machine = Machine(settings.spool_directory())
        reporter = Reporter(
            lanes, spool.status, stub, shared.identity, machine, shared.telemetry, settings.status_interval
        )
        async with _beside(publisher.run(), process), _beside(reporter.run(), process):
            await _fly(lanes, process.stop)
            await _drain(spool, publisher, settings.drain_timeout)
            await reporter.report()
        _tell(settings.summary, summary(lanes, shared.stages, spool.status(), publisher.results))
        return int(any(lane.capture.state()[0] is State.FAILED for lane in lanes))


async def _channel(stack: AsyncExitStack, settings: EdgeSettings, process: Process, peer: str) -> MeshChannel:
    channel = connect(settings.target(peer), peer=peer, settings=settings, telemetry=process.telemetry)
    stack.push_async_callback(channel.close)
    return channel


async def _shared(stack: AsyncExitStack, settings: EdgeSettings, process: Process, spool: Spool) -> Shared:
    """What all lanes have in common: the services they ask, who they are, where their events go."""
    tuning = settings.tuning()
    detector = GrpcDetector(
        await _channel(stack, settings, process, "detector"),
        process.telemetry,
        slots=settings.frame_slots,
        shared_memory=settings.shared_memory,
        timeout=settings.detect_timeout,
        min_score=min(tuning.vehicles.min_score, tuning.plates.min_score),
    )
    stack.callback(detector.close)
    reader = GrpcReader(await _channel(stack, settings, process, "ocr"), timeout=settings.read_timeout)
    return Shared(
        neighbours=Neighbours(detector, reader),
        identity=Identity(settings.site_id, settings.node_id, version("ovr-alpr")),
        tuning=tuning,
        sink=spool,
        telemetry=process.telemetry,
        stages=Stages(process.telemetry),
    )


def _lanes(cameras: Sequence[Camera], shared: Shared) -> list[Lane]:
    if not cameras:
        logger("edge.pilot").warning("no cameras: name them in cameras.yaml or with --source")
    try:
        return [make_lane(camera, shared) for camera in cameras]
    except SourceError as error:
        raise ConfigError(str(error)) from error


async def _fly(lanes: Sequence[Lane], stop: asyncio.Event) -> None:
    """Runs every lane to its end; a stop, or a lane that fails, ends them all."""
    for lane in lanes:
        lane.capture.start()
    runs = [asyncio.create_task(lane.run(), name=f"lane-{lane.camera.id}") for lane in lanes]
    stopped = asyncio.create_task(stop.wait())
    try:
        waiting: set[asyncio.Task[Any]] = {stopped, *runs}
        while not stopped.done() and (not runs or waiting != {stopped}):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if any(task is not stopped and task.exception() is not None for task in done):
                break
    finally:
        stopped.cancel()
        await asyncio.gather(*(lane.stop() for lane in lanes))
        results = await asyncio.gather(*runs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], process: Process) -> AsyncIterator[None]:
    """Runs `work` beside the body. If it fails the process is stopped, and the failure raised at the end."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: process.stop.set() if not done.cancelled() else None)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _drain(spool: Spool, publisher: Publisher, seconds: float) -> None:
    """Waits until ingest has acknowledged all that is spooled, but not longer than `seconds`."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(publisher.emptied(lambda: spool.status().events == 0), seconds)
    left = spool.status().events
    if left:
        logger("edge.pilot").warning("events stay in the spool until the next start", events=left)


def _tell(path: Path | None, numbers: dict[str, Any]) -> None:
    """Leaves the run's numbers in the log and, whole or not at all, in the file."""
    logger("edge.pilot").info("run ended", passes=numbers["passes"], frames=numbers["frames"])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(orjson.dumps(numbers, option=orjson.OPT_INDENT_2))
        part.replace(path)
