"""What the consumers write to: the event store, the cameras' states, the search index."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.telemetry import Telemetry
from plates.event import PlateEvent
from services.ingest.convert import status_of_record
from services.ingest.node_gauges import NodeGauges
from storage.events.port import EventStore, NodeStatus
from storage.events.row import EventRow
from storage.log.codec import decode_event, decode_row
from storage.log.port import Record
from storage.search.port import SearchIndex


class EventSink:
    """Events into the event store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def decode(self, record: Record) -> EventRow:
        """See `Sink`."""
        return decode_row(record)

    async def write(self, items: Sequence[EventRow]) -> int:
        """See `Sink`."""
        return await self._store.write_rows(items)


class SearchSink:
    """Events into the search index."""

    def __init__(self, index: SearchIndex) -> None:
        self._index = index

    def decode(self, record: Record) -> PlateEvent:
        """See `Sink`."""
        return decode_event(record)

    async def write(self, items: Sequence[PlateEvent]) -> int:
        """See `Sink`; the index does not tell new from known."""
        await self._index.index(items)
        return len(items)


class StatusSink:
    """Edge boxes' reports into the event store and into metrics."""

    def __init__(self, store: EventStore, telemetry: Telemetry) -> None:
        self._store = store
        self._gauges = NodeGauges(telemetry)

    def decode(self, record: Record) -> NodeStatus:
        """See `Sink`."""
        return status_of_record(record.value)

    async def write(self, items: Sequence[NodeStatus]) -> int:
        """See `Sink`."""
        await self._store.save_status(items)
        for status in items:
            self._gauges.show(status)
        return len(items)
