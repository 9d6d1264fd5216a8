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
from storage.retention import Sweep, sweep_for_ever
from storage.search.port import SearchIndex


async def consume(
    settings: ConsumerSettings,
    process: Process,
    consumers: Sequence[Consumer[Any]],
    sweeps: Mapping[str, Sweep],
    readiness: Mapping[str, Check],
) -> int:
    """Run the consumers until `process.stop`, serve health meanwhile, and sweep from time to time."""
    tasks = [asyncio.create_task(consumer.run(process.stop)) for consumer in consumers]
    sweeping = asyncio.create_task(sweep_for_ever(sweeps, settings.retention_seconds, process.telemetry))
    server = MeshServer(
        settings, settings.service, services=[], readiness=readiness, telemetry=process.telemetry
    )
    async with server:
        await asyncio.wait([*tasks, sweeping], return_when=asyncio.FIRST_COMPLETED)
        process.stop.set()  # one that failed ends the process; the supervisor starts it again
        await asyncio.wait(tasks)
    sweeping.cancel()
    await asyncio.wait([sweeping])
    for task in (*tasks, sweeping):
        if not task.cancelled():  # a sweep that was cancelled has ended well
            task.result()
    return 0


def retention(settings: ConsumerSettings, store: EventStore | SearchIndex) -> dict[str, Sweep]:
    """The sweep of old events, if so configured."""
    if settings.event_days <= 0:
        return {}
    age = timedelta(days=settings.event_days)
    return {settings.service: lambda: store.delete_older_than(datetime.now(timezone.utc) - age)}
