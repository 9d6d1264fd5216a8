"""The ports of storage with faults: each wraps an adapter and puts chaos around the calls that can fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from plates.event import PlateEvent
from storage.events.port import EventStore, NodeStatus
from storage.events.row import EventRow
from storage.images.port import ImageStore, StoredImage
from storage.log.port import Log, LogReader, LogTail, NewRecord, Position, Record, Start, TailRecord
from storage.search.port import SearchIndex
from tests.faults.chaos import Chaos


class FaultyLog:
    """A log whose appends, readers and tails can fail."""

    def __init__(self, log: Log, chaos: Chaos) -> None:
        self._log = log
        self._chaos = chaos

    async def append(self, topic: str, records: Sequence[NewRecord]) -> list[Position]:
        return await self._chaos.around("log.append", lambda: self._log.append(topic, records))

    async def reader(self, topic: str, group: str, start: Start = Start.OLDEST) -> FaultyReader:
        return FaultyReader(await self._log.reader(topic, group, start), self._chaos)

    async def tail(self, topic: str, cursor: str = "") -> FaultyTail:
        return FaultyTail(await self._log.tail(topic, cursor), self._chaos)

    async def trim(
        self, topic: str, *, max_age: timedelta | None = None, max_bytes: int | None = None
    ) -> int:
        return await self._log.trim(topic, max_age=max_age, max_bytes=max_bytes)

    async def check(self) -> None:
        await self._log.check()

    async def close(self) -> None:
        await self._log.close()


class FaultyReader:
    """A reader whose polls and commits can fail."""

    def __init__(self, reader: LogReader, chaos: Chaos) -> None:
        self._reader = reader
        self._chaos = chaos

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        return await self._chaos.around("reader.poll", lambda: self._reader.poll(max_records, timeout))

    async def commit(self, records: Sequence[Record]) -> None:
        await self._chaos.around("reader.commit", lambda: self._reader.commit(records))

    async def rewind(self) -> None:
        await self._reader.rewind()

    async def lag(self) -> int:
        return await self._reader.lag()

    def skipped(self) -> int:
        return self._reader.skipped()

    async def close(self) -> None:
        await self._reader.close()


class FaultyTail:
    """A tail whose polls can fail."""

    def __init__(self, tail: LogTail, chaos: Chaos) -> None:
        self._tail = tail
        self._chaos = chaos

    @property
    def cursor(self) -> str:
        return self._tail.cursor

    async def poll(self, max_records: int, timeout: float) -> list[TailRecord]:
        return await self._chaos.around("tail.poll", lambda: self._tail.poll(max_records, timeout))

    async def close(self) -> None:
        await self._tail.close()


class FaultyImages:
    """An image store whose calls can fail."""

    def __init__(self, images: ImageStore, chaos: Chaos) -> None:
        self._images = images
        self._chaos = chaos

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        await self._chaos.around("images.put", lambda: self._images.put(key, data, media_type))

    async def exists(self, key: str) -> bool:
        return await self._chaos.around("images.exists", lambda: self._images.exists(key))

    async def get(self, key: str) -> StoredImage | None:
        return await self._images.get(key)


class FaultyEvents:
    """An event store whose writes can fail."""

    def __init__(self, events: EventStore, chaos: Chaos) -> None:
        self._events = events
        self._chaos = chaos

    async def write_rows(self, rows: Sequence[EventRow]) -> int:
        return await self._chaos.around("events.write", lambda: self._events.write_rows(rows))

    async def save_status(self, statuses: Sequence[NodeStatus]) -> None:
        await self._chaos.around("events.save_status", lambda: self._events.save_status(statuses))


class FaultySearch:
    """A search index whose writes can fail."""

    def __init__(self, search: SearchIndex, chaos: Chaos) -> None:
        self._search = search
        self._chaos = chaos

    async def index(self, events: Sequence[PlateEvent]) -> None:
        await self._chaos.around("search.index", lambda: self._search.index(events))
