"""What the event writer and the search indexer have in common as processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from mesh.health import Check
from mesh.process import Process
from mesh.server import MeshServer
from services.ingest.settings import ConsumerSettings
from storage.events.port import EventStore
from storage.log.consumer import Consumer
from storage.retention import sweep_for_ever
from storage.search.port import SearchIndex


async def consume(
    settings: ConsumerSettings,
    process: Process,
    consumers: Sequence[Consumer[Any]],
    store: EventStore | SearchIndex,
    readiness: Mapping[str, Check],
) -> int:
    """Run the consumers until `process.stop`, serve health meanwhile, and sweep away old events if so
    configured."""
    tasks = [asyncio.create_task(consumer.run(process.stop)) for consumer in consumers]
    background = []
    if settings.event_days > 0:
        age = timedelta(days=settings.event_days)

        async def sweep() -> int:
            return await store.delete_older_than(datetime.now(timezone.utc) - age)

        sweeping = sweep_for_ever({settings.service: sweep}, settings.retention_seconds, process.telemetry)
        background.append(asyncio.create_task(sweeping))
    server = MeshServer(
        settings, settings.service, services=[], readiness=readiness, telemetry=process.telemetry
    )
    async with server:
        await asyncio.wait([*tasks, *background], return_when=asyncio.FIRST_COMPLETED)
        process.stop.set()  # one that failed ends the process; the supervisor starts it again
        await asyncio.wait(tasks)
    for task in background:
        task.cancel()
    if background:
        await asyncio.wait(background)
    for task in (*tasks, *background):
        if not task.cancelled():  # a sweep that was cancelled has ended well
            task.result()
    return 0
