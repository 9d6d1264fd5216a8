"""`python -m services.ingest.search_indexer`: events from the log into the search index."""

from __future__ import annotations

from contextlib import AsyncExitStack

from mesh import names
from mesh.process import Process, run
from mesh.telemetry import Telemetry
from plates.event import PlateEvent
from services.ingest.consumers import consume, retention
from services.ingest.settings import SearchIndexerSettings
from services.ingest.sinks import SearchSink
from storage import opening
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, Log, LogReader
from storage.search.port import SearchIndex

GROUP = SearchIndexerSettings.service


def consumer(
    settings: SearchIndexerSettings, reader: LogReader, log: Log, index: SearchIndex, telemetry: Telemetry
) -> Consumer[PlateEvent]:
    """Events into the index."""
    return Consumer(
        GROUP,
        PLATE_EVENTS,
        reader,
        log,
        SearchSink(index),
        telemetry,
        span=names.SPAN_SEARCH_INDEX,
        max_batch=settings.max_batch,
        retry_seconds=settings.retry_seconds,
    )


async def main(settings: SearchIndexerSettings, process: Process) -> int:
    """Index until `process.stop`."""
    async with AsyncExitStack() as stack:
        log = await opening.open_log(settings)
        stack.push_async_callback(log.close)
        index = await opening.open_search(settings)
        stack.push_async_callback(index.close)
        reader = await log.reader(PLATE_EVENTS, GROUP)
        stack.push_async_callback(reader.close)
        only = consumer(settings, reader, log, index, process.telemetry)
        sweeps = retention(settings, index)
        return await consume(
            settings, process, [only], sweeps, {"log": log.check, "search": index.check_writable}
        )


if __name__ == "__main__":
    run(main, SearchIndexerSettings, SearchIndexerSettings.service)
