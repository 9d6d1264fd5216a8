"""The ingest process: builds everything and serves until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone

from mesh.process import Process
from mesh.server import MeshServer, Service
from ovr.alpr.v1 import ingest_pb2_grpc
from services.ingest.core import Ingest
from services.ingest.servicer import IngestServicer
from services.ingest.settings import IngestSettings
from storage import opening
from storage.images.port import ImageStore
from storage.log.port import SYSTEM_METRICS, TOPICS, Log
from storage.retention import Sweep, sweep_for_ever

SERVICE_NAME = "ovr.alpr.v1.IngestService"
_STATUS_AGE = timedelta(days=1)


def service(settings: IngestSettings, log: Log, images: ImageStore, process: Process) -> Service:
    """The service on the given stores."""
    servicer = IngestServicer(
        Ingest(log, images, process.telemetry),
        process.stop,
        credit=settings.credit,
        max_waiting_bytes=settings.max_waiting_mib << 20,
    )
    add = ingest_pb2_grpc.add_IngestServiceServicer_to_server
    return Service(add, servicer, SERVICE_NAME, unchecked=("Publish",))


async def main(settings: IngestSettings, process: Process) -> int:
    """Serve until `process.stop`."""
    async with AsyncExitStack() as stack:
        log = await opening.open_log(settings)
        stack.push_async_callback(log.close)
        images = await opening.open_images(settings)
        stack.push_async_callback(images.close)
        # compiled and slow to load: before the first call, and not on the loop
        await asyncio.to_thread(importlib.import_module, "protovalidate")
        sweeping = asyncio.create_task(
            sweep_for_ever(sweeps(settings, log, images), settings.retention_seconds, process.telemetry)
        )
        stack.push_async_callback(_end, sweeping)
        server = MeshServer(
            settings,
            settings.service,
            services=[service(settings, log, images, process)],
            readiness={"log": log.check, "images": images.check},
            telemetry=process.telemetry,
        )
        async with server:
            await process.stop.wait()
    return 0


def sweeps(settings: IngestSettings, log: Log, images: ImageStore) -> dict[str, Sweep]:
    """What ingest keeps only for a time: the topics of the log and the pictures."""

    def of_topic(topic: str) -> Sweep:
        age = _STATUS_AGE if topic == SYSTEM_METRICS else timedelta(days=settings.log_days)
        return lambda: log.trim(topic, max_age=age, max_bytes=settings.log_mib << 20)

    async def of_images() -> int:
        return await images.delete_older_than(
            datetime.now(timezone.utc) - timedelta(days=settings.image_days)
        )

    return {**{f"log {topic}": of_topic(topic) for topic in TOPICS}, "images": of_images}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
