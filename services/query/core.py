"""Answers questions about events, from the event store, the search index, the image store and the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from mesh.errors import Kind, MeshError
from mesh.logs import logger
from plates.event import PlateEvent
from plates.explain import Explanation, explain
from storage.events.port import (
    Aggregate,
    Bucket,
    CameraPage,
    EventFilter,
    EventPage,
    EventReader,
    GroupBy,
)
from storage.images.port import ImageStore, StoredImage
from storage.log.codec import decode_event
from storage.log.port import PLATE_EVENTS, Log, LogTail, TailRecord
from storage.search.port import SearchQuery, SearchReader

PAGE_SIZE = 50
CAMERA_PAGE_SIZE = 100
AGGREGATE_ROWS = 1000

_STORE_PATIENCE = timedelta(seconds=1)
_STORE_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """An event found by its text, and how many edits away."""

    event: PlateEvent
    edits: int


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of what was found; the token is empty after the last."""

    hits: tuple[Found, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a watch gives: an event, or None for a sign of life, and the cursor to go on after it."""

    event: PlateEvent | None
    cursor: str


class Query:
    """What the service exists for."""

    def __init__(
        self,
        events: EventReader,
        search: SearchReader,
        images: ImageStore,
        log: Log,
        *,
        heartbeat_seconds: float = 10.0,
        watch_batch: int = 100,
    ) -> None:
        self._events = events
        self._search = search
        self._images = images
        self._log = log
        self._heartbeat_seconds = heartbeat_seconds
        self._watch_batch = watch_batch
        self._logger = logger("query")

    async def get(self, event_id: str) -> PlateEvent:
        """The event; NOT_FOUND if there is none."""
        event = await self._events.get(event_id.lower())
        if event is None:
            raise MeshError(Kind.NOT_FOUND, "EVENT_NOT_FOUND", f"there is no event {event_id}")
        return event

    async def explain(self, event_id: str) -> tuple[PlateEvent, Explanation]:
        """The event and why it says what it says; NOT_FOUND if there is none."""
        event = await self.get(event_id)
        return event, explain(event)

    async def list_events(self, filter: EventFilter, page_size: int, page_token: str) -> EventPage:
        """Events, newest first."""
        return await self._events.list_events(filter, page_size or PAGE_SIZE, page_token)

    async def search(self, query: SearchQuery, page_size: int, page_token: str) -> FoundPage:
        """Events by text, best match first. One that is indexed but not stored yet is left out."""
        page = await self._search.search(query, page_size or PAGE_SIZE, page_token)
        events = await self._events.get_many([hit.event_id for hit in page.hits])
        hits = (Found(events[hit.event_id], hit.edits) for hit in page.hits if hit.event_id in events)
        return FoundPage(tuple(hits), page.next_page_token)

    async def aggregate(
        self, filter: EventFilter, bucket: Bucket, group_by: Sequence[GroupBy], limit: int
    ) -> Aggregate:
        """Counts of events."""
        return await self._events.aggregate(filter, bucket, group_by, limit or AGGREGATE_ROWS)

    async def list_cameras(self, page_size: int, page_token: str) -> CameraPage:
        """Cameras by id."""
        return await self._events.list_cameras(page_size or CAMERA_PAGE_SIZE, page_token)

    async def evidence(self, key: str) -> StoredImage:
        """The picture; NOT_FOUND if there is none."""
        image = await self._images.get(key)
        if image is None:
            raise _no_picture(key)
        return image

    async def evidence_link(self, key: str, seconds: int) -> str | None:
        """Where anyone can fetch the picture for `seconds`, None if the store gives no links; NOT_FOUND if
        there is no picture."""
        link = await self._images.link(key, seconds)
        if link is not None and not await self._images.exists(key):
            raise _no_picture(key)
        return link

    async def watch(self, filter: EventFilter, cursor: str) -> AsyncGenerator[Sighting, None]:
        """Events behind the cursor as they become visible, for ever. Begins with a sign of life, so that the
        watcher has a cursor at once, and gives another after each silence."""
        tail = await self._log.tail(PLATE_EVENTS, cursor)
        loop = asyncio.get_running_loop()
        try:
            yield Sighting(None, tail.cursor)
            spoken = loop.time()
            while True:
                silence = self._heartbeat_seconds - (loop.time() - spoken)
                for record, event in await self._sightings(tail, filter, max(0.0, silence)):
                    yield Sighting(event, record.cursor)
                    spoken = loop.time()
                if loop.time() - spoken >= self._heartbeat_seconds:
                    yield Sighting(None, tail.cursor)
                    spoken = loop.time()
        finally:
            await tail.close()

    async def _sightings(
        self, tail: LogTail, filter: EventFilter, timeout: float
    ) -> list[tuple[TailRecord, PlateEvent]]:
        found = []
        for record in await tail.poll(self._watch_batch, timeout):
            event = self._event_of(record)
            if event is not None and filter.takes(event):
                found.append((record, event))
        await self._until_stored([record.record.timestamp for record, _ in found], [e for _, e in found])
        return found

    async def _until_stored(self, appended: Sequence[datetime], events: Sequence[PlateEvent]) -> None:
        # Who hears of an event asks for it at once: let the event writer store it first, if it is at work.
        if not events:
            return
        patience = min(appended) + _STORE_PATIENCE
        ids = [event.event_id for event in events]
        while datetime.now(timezone.utc) < patience:
            if len(await self._events.get_many(ids)) == len(set(ids)):
                return
            await asyncio.sleep(_STORE_LOOK_SECONDS)  # another process writes: nothing here can be waited on

    def _event_of(self, record: TailRecord) -> PlateEvent | None:
        try:
            return decode_event(record.record)
        except MeshError as error:
            # the event writer puts it among the dead letters
            self._logger.warning("no event on the log", offset=record.record.offset, error=str(error))
            return None


def _no_picture(key: str) -> MeshError:
    return MeshError(Kind.NOT_FOUND, "EVIDENCE_NOT_FOUND", f"there is no picture {key}")
