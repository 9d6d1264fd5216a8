"""Ingest, log, event writer, search indexer and query on embedded stores under chaos, and what must hold of
them.

Each part is a process in miniature: a `Crash` ends it, all it had in memory is gone, and it is started anew
on the same files. Feed it by `ingest()` (the core, which may raise Crash) or `service()` (for a real gRPC
server), then `settle()` and `verify(...)`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from types import TracebackType

from mesh.errors import MeshError
from mesh.server import Service
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import ingest_pb2_grpc
from plates.event import PlateEvent
from services.ingest.core import Ingest
from services.ingest.servicer import IngestServicer
from services.ingest.sinks import EventSink, SearchSink
from services.query.core import Query
from storage import embedded
from storage.events import sqlite as events_sqlite
from storage.events.port import EventFilter
from storage.events.sqlite import SqliteEventStore
from storage.log import sqlite as log_sqlite
from storage.log.consumer import Consumer, Sink
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ
from storage.log.sqlite import SqliteLog
from storage.search import sqlite as search_sqlite
from storage.search.port import SearchMode, SearchQuery
from storage.search.sqlite import SqliteSearchIndex
from storage.sqlite import Database, Work
from tests.faults.chaos import Chaos, Crash, Fault
from tests.faults.faulty import FaultyEvents, FaultyImages, FaultyLog, FaultySearch


class TornDatabase(Database):
    """A database whose transactions can fail at their very end, as when the disk is full: nothing of them
    stays."""

    chaos: Chaos

    async def write(self, work: Work, *, durable: bool = True):
        if not (durable and self.chaos.happens()):
            return await super().write(work, durable=durable)
        self.chaos.counts["database.commit", Fault.REFUSED] += 1

        def torn(connection: sqlite3.Connection) -> None:
            work(connection)
            raise sqlite3.OperationalError("database or disk is full")

        return await super().write(torn, durable=durable)


class Backend:
    """The back of the mesh in a directory."""

    def __init__(self, home: Path, chaos: Chaos) -> None:
        self.home = home
        self.chaos = chaos
        self.restarts: Counter[str] = Counter()
        self.watched: list[str] = []
        self._cursor = "0"
        self._telemetry = Telemetry("faults")
        self._stop = asyncio.Event()
        self._stack = AsyncExitStack()
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Backend:
        self.log = SqliteLog(self.home / "log.db", await self._database("log.db", log_sqlite.MIGRATIONS))
        self._stack.push_async_callback(self.log.close)
        self.events = SqliteEventStore(await self._database("events.db", events_sqlite.MIGRATIONS))
        self._stack.push_async_callback(self.events.close)
        self.search = SqliteSearchIndex(await self._database("search.db", search_sqlite.MIGRATIONS))
        self._stack.push_async_callback(self.search.close)
        self.images = await embedded.open_images(self.home)
        self._stack.push_async_callback(self.images.close)
        self._faulty_log = FaultyLog(self.log, self.chaos)
        writer = EventSink(FaultyEvents(self.events, self.chaos))
        indexer = SearchSink(FaultySearch(self.search, self.chaos))
        self._start("event-writer", lambda: self._consume("event-writer", writer))
        self._start("search-indexer", lambda: self._consume("search-indexer", indexer))
        self._start("watcher", self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._running), 10)
        await self._stack.aclose()

    async def _database(self, name: str, migrations: Sequence[str]) -> Database:
        database = await TornDatabase.open(self.home / name, migrations)
        assert isinstance(database, TornDatabase)
        database.chaos = self.chaos
        return database

    def ingest(self) -> Ingest:
        """The core of a freshly started ingest process."""
        return Ingest(self._faulty_log, FaultyImages(self.images, self.chaos), self._telemetry)

    def service(self, credit: int = 64) -> Service:
        """A freshly started ingest process's service; a Crash in it ends the stream with INTERNAL."""
        add = ingest_pb2_grpc.add_IngestServiceServicer_to_server
        servicer = IngestServicer(self.ingest(), self._stop, credit=credit)
        return Service(add, servicer, "ovr.alpr.v1.IngestService", unchecked=("Publish",))

    def _start(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        async def supervise() -> None:
            while not self._stop.is_set():
                try:
                    await body()
                except (Crash, MeshError):  # a store that is away at the start ends a process, too
                    self.restarts[name] += 1

        self._running.append(asyncio.create_task(supervise()))

    async def _consume(self, group: str, sink: Sink) -> None:
        reader = await self._faulty_log.reader(PLATE_EVENTS, group)
        consumer = Consumer(
            group,
            PLATE_EVENTS,
            reader,
            self._faulty_log,
            sink,
            self._telemetry,
            max_batch=32,
            retry_seconds=0.001,
        )
        try:
            await consumer.run(self._stop)
        finally:
            await reader.close()  # as the kernel gives back the lock of a process that died

    async def _watch(self) -> None:
        query = Query(self.events, self.search, self.images, self._faulty_log, heartbeat_seconds=0.2)
        with suppress(MeshError):
            async with aclosing(query.watch(EventFilter(), self._cursor)) as sightings:
                async for sighting in sightings:
                    if self._stop.is_set():
                        return
                    if sighting.event is not None:
                        self.watched.append(sighting.event.event_id)
                    self._cursor = sighting.cursor

    async def settle(self, timeout: float = 30.0) -> None:
        """End the chaos and wait until consumers and watcher have caught up."""
        self.chaos.heal()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        end = (await self.log.tail(PLATE_EVENTS)).cursor
        for group in ("event-writer", "search-indexer"):
            observer = await self.log.reader(PLATE_EVENTS, group)
            while await observer.lag():
                assert loop.time() < deadline, f"{group} did not catch up"
                await asyncio.sleep(0.01)
        while self._cursor != end:
            assert loop.time() < deadline, "the watcher did not catch up"
            await asyncio.sleep(0.01)

    async def dead_letters(self) -> list[str]:
        """Ids of the events among the dead letters of ingest."""
        tail = await self.log.tail(PLATE_EVENTS_DLQ, "0")
        found = await tail.poll(1_000_000, 0)
        return [
            item.record.headers["event-id"] for item in found if item.record.headers["origin"] == "ingest"
        ]

    async def verify(self, stored: Mapping[str, PlateEvent], buried: Collection[str]) -> None:
        """Hold that every event acked as stored is visible exactly once everywhere with its pictures, every
        one acked as dead letter is kept exactly once there, and nothing else is visible."""
        listed = Counter(dict.fromkeys(stored, 0))
        token = ""
        while True:
            page = await self.events.list_events(EventFilter(), 1000, token)
            listed.update(event.event_id for event in page.events)
            token = page.next_page_token
            if not token:
                break
        _once("the event store", listed, stored)
        found = Counter(dict.fromkeys(stored, 0))
        token = ""
        while True:
            hits = await self.search.search(SearchQuery("?*", SearchMode.WILDCARD), 1000, token)
            found.update(hit.event_id for hit in hits.hits)
            token = hits.next_page_token
            if not token:
                break
        _once("the search index", found, stored)
        _once("the watch", Counter(self.watched), stored)
        _once("the dead letters", Counter(await self.dead_letters()), buried)
        for event in stored.values():
            for item in event.evidence:
                assert await self.images.get(item.key) is not None, f"picture of {event.event_id} is lost"
        for camera in (await self.events.list_cameras(1000)).cameras:
            count = sum(event.camera_id == camera.camera_id for event in stored.values())
            assert camera.events == count, f"{camera.camera_id} counts {camera.events} events, not {count}"


def _once(place: str, seen: Counter[str], wanted: Collection[str]) -> None:
    lost = [event_id for event_id in wanted if not seen[event_id]]
    twice = [event_id for event_id, count in seen.items() if count > 1]
    strange = [event_id for event_id in seen if seen[event_id] and event_id not in wanted]
    assert not lost, f"{place}: {len(lost)} of {len(wanted)} acknowledged and lost, such as {lost[0]}"
    assert not twice, f"{place}: {len(twice)} visible twice, such as {twice[0]}"
    assert not strange, f"{place}: {len(strange)} visible and never acknowledged, such as {strange[0]}"
