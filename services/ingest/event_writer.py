"""`python -m services.ingest.event_writer`: events and edge boxes' reports from the log into the event
store."""

from __future__ import annotations

from contextlib import AsyncExitStack

from mesh import names
from mesh.process import Process, run
from mesh.telemetry import Telemetry
from services.ingest.consumers import consume, retention
from services.ingest.settings import EventWriterSettings
from services.ingest.sinks import EventSink, StatusSink
from storage import opening
from storage.events.port import EventStore, NodeStatus
from storage.events.row import EventRow
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, SYSTEM_METRICS, Log, LogReader

GROUP = EventWriterSettings.service


def event_consumer(
    settings: EventWriterSettings, reader: LogReader, log: Log, store: EventStore, telemetry: Telemetry
) -> Consumer[EventRow]:
    """Events into the store."""
    return Consumer(
        GROUP,
        PLATE_EVENTS,
        reader,
        log,
        EventSink(store),
        telemetry,
        span=names.SPAN_EVENT_WRITE,
        max_batch=settings.max_batch,
        retry_seconds=settings.retry_seconds,
    )


def status_consumer(
    settings: EventWriterSettings, reader: LogReader, log: Log, store: EventStore, telemetry: Telemetry
) -> Consumer[NodeStatus]:
    """Edge boxes' reports into the store."""
    return Consumer(
        GROUP,
        SYSTEM_METRICS,
        reader,
        log,
        StatusSink(store, telemetry),
        telemetry,
        max_batch=settings.max_batch,
        retry_seconds=settings.retry_seconds,
    )


async def main(settings: EventWriterSettings, process: Process) -> int:
    """Write until `process.stop`."""
    async with AsyncExitStack() as stack:
        log = await opening.open_log(settings)
        stack.push_async_callback(log.close)
        store = await opening.open_events(settings)
        stack.push_async_callback(store.close)
        events = await log.reader(PLATE_EVENTS, GROUP)
        stack.push_async_callback(events.close)
        statuses = await log.reader(SYSTEM_METRICS, GROUP)
        stack.push_async_callback(statuses.close)
        consumers = (
            event_consumer(settings, events, log, store, process.telemetry),
            status_consumer(settings, statuses, log, store, process.telemetry),
        )

        async def maintain() -> int:
            await store.maintain()
            return 0

        sweeps = {**retention(settings, store), "upkeep": maintain}
        return await consume(settings, process, consumers, sweeps, {"log": log.check, "events": store.check})


if __name__ == "__main__":
    run(main, EventWriterSettings, EventWriterSettings.service)
