"""The query rpcs: request to domain, one call, domain to response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from ovr.alpr.v1 import query_pb2, query_pb2_grpc
from services.query import convert
from services.query.core import Query
from wire.event import event_to_wire

Context = grpc.aio.ServicerContext[Any, Any]

_CHUNK_BYTES = 256 << 10


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """Serves the contract."""

    def __init__(self, query: Query) -> None:
        self._query = query

    async def GetEvent(  # noqa: N802
        self, request: query_pb2.GetEventRequest, context: Context
    ) -> query_pb2.GetEventResponse:
        """One event."""
        return query_pb2.GetEventResponse(event=event_to_wire(await self._query.get(request.event_id)))

    async def ListEvents(  # noqa: N802
        self, request: query_pb2.ListEventsRequest, context: Context
    ) -> query_pb2.ListEventsResponse:
        """A page of events."""
        filter = convert.filter_from_wire(request.filter)
        page = await self._query.list_events(filter, request.page_size, request.page_token)
        return await asyncio.to_thread(convert.events_to_wire, page)

    async def SearchEvents(  # noqa: N802
        self, request: query_pb2.SearchEventsRequest, context: Context
    ) -> query_pb2.SearchEventsResponse:
        """A page of hits."""
        search = convert.search_from_wire(request)
        page = await self._query.search(search, request.page_size, request.page_token)
        return await asyncio.to_thread(convert.found_to_wire, page)

    async def Aggregate(  # noqa: N802
        self, request: query_pb2.AggregateRequest, context: Context
    ) -> query_pb2.AggregateResponse:
        """Counts."""
        groups = convert.groups_from_wire(request.group_by)
        aggregate = await self._query.aggregate(
            convert.filter_from_wire(request.filter),
            convert.bucket_from_wire(request.bucket),
            groups,
            request.limit,
        )
        return await asyncio.to_thread(convert.aggregate_to_wire, aggregate, groups)

    async def WatchEvents(  # noqa: N802
        self, request: query_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[query_pb2.WatchEventsResponse]:
        """Events as they come."""
        filter = convert.filter_from_wire(request.filter)
        async with aclosing(self._query.watch(filter, request.cursor)) as sightings:
            async for sighting in sightings:
                yield convert.sighting_to_wire(sighting)

    async def GetEvidence(  # noqa: N802
        self, request: query_pb2.GetEvidenceRequest, context: Context
    ) -> AsyncIterator[query_pb2.GetEvidenceResponse]:
        """A picture, part by part, or where it can be fetched."""
        if request.link_seconds and (
            link := await self._query.evidence_link(request.key, request.link_seconds)
        ):
            yield query_pb2.GetEvidenceResponse(link=link)
            return
        image = await self._query.evidence(request.key)
        first = query_pb2.GetEvidenceResponse(media_type=image.media_type, size=len(image.data))
        first.chunk = image.data[:_CHUNK_BYTES]
        yield first
        for start in range(_CHUNK_BYTES, len(image.data), _CHUNK_BYTES):
            yield query_pb2.GetEvidenceResponse(chunk=image.data[start : start + _CHUNK_BYTES])

    async def ExplainEvent(  # noqa: N802
        self, request: query_pb2.ExplainEventRequest, context: Context
    ) -> query_pb2.ExplainEventResponse:
        """Why an event says what it says."""
        return convert.explanation_to_wire(*await self._query.explain(request.event_id))

    async def ListCameras(  # noqa: N802
        self, request: query_pb2.ListCamerasRequest, context: Context
    ) -> query_pb2.ListCamerasResponse:
        """A page of cameras."""
        return convert.cameras_to_wire(await self._query.list_cameras(request.page_size, request.page_token))
