"""The ingest rpcs: request to domain, one call, domain to response; and a stream's credit and order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from mesh import validation
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from ovr.alpr.v1 import ingest_pb2, ingest_pb2_grpc
from services.ingest.convert import ack_to_wire, credit_to_wire, submission_from_wire
from services.ingest.core import Ingest, Receipt

Requests = AsyncIterator[ingest_pb2.PublishRequest]
Context = grpc.aio.ServicerContext[ingest_pb2.PublishRequest, ingest_pb2.PublishResponse]


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """Serves the contract. When `stop` is set, streams take nothing more, answer what they took, and end."""

    def __init__(
        self, ingest: Ingest, stop: asyncio.Event, *, credit: int = 64, max_waiting_bytes: int = 64 << 20
    ) -> None:
        self._ingest = ingest
        self._stop = stop
        self._credit = credit
        self._max_waiting_bytes = max_waiting_bytes

    async def Publish(  # noqa: N802
        self, request_iterator: Requests, context: Context
    ) -> AsyncIterator[ingest_pb2.PublishResponse]:
        """Events in, acks out, within credit."""
        stream = _PublishStream(self._ingest, self._credit, self._max_waiting_bytes)
        reading = asyncio.create_task(stream.read(aiter(request_iterator), self._stop))
        try:
            while (answer := await stream.answers.get()) is not None:
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
            await reading
        finally:
            stream.cancel()
            reading.cancel()
            await asyncio.wait([reading])

    async def ReportStatus(  # noqa: N802
        self, request: ingest_pb2.ReportStatusRequest, context: Context
    ) -> ingest_pb2.ReportStatusResponse:
        """An edge box's report, onto the log."""
        await self._ingest.report(request.node_id, request.SerializeToString())
        return ingest_pb2.ReportStatusResponse()


class _PublishStream:
    """One stream. `answers` ends with None when there is nothing more to come, `read` says why, or with what
    a take failed with."""

    def __init__(self, ingest: Ingest, credit: int, max_waiting_bytes: int) -> None:
        self.answers: asyncio.Queue[ingest_pb2.PublishResponse | BaseException | None] = asyncio.Queue()
        self._ingest = ingest
        self._credit = credit
        self._left = 0
        self._acked = 0
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._taking: set[asyncio.Task[None]] = set()
        self._logger = logger("ingest")

    async def read(self, requests: Requests, stop: asyncio.Event) -> None:
        """Take what the peer sends until it ends, or `stop`; everything taken is answered first. MeshError:
        INVALID for a stream that does not begin with one hello, EXHAUSTED for more events than credit,
        UNAVAILABLE after `stop`."""
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._read(requests, stopping)
        finally:
            stopping.cancel()
            if self._taking:
                await asyncio.wait(self._taking)
            self.answers.put_nowait(None)

    async def _read(self, requests: Requests, stopping: asyncio.Task[bool]) -> None:
        first = await self._next(requests, stopping)
        if first is None:
            return
        validation.check(first)
        if first.WhichOneof("kind") != "hello":
            raise _invalid("HELLO_MISSING", "the first message must be a hello")
        self._logger.info("stream begins", site=first.hello.site_id, node=first.hello.node_id)
        self._grant(self._credit)
        while (request := await self._next(requests, stopping)) is not None:
            if request.WhichOneof("kind") != "event":
                raise _invalid("EVENT_MISSING", "every message after the hello must be an event")
            if self._left == 0:
                raise MeshError(
                    Kind.EXHAUSTED, "CREDIT_EXCEEDED", "more events were sent than there was credit for"
                )
            self._left -= 1
            await self._start(request.event)

    async def _next(
        self, requests: Requests, stopping: asyncio.Task[bool]
    ) -> ingest_pb2.PublishRequest | None:
        upcoming = asyncio.ensure_future(_anext(requests))
        try:
            await asyncio.wait((upcoming, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                raise MeshError(
                    Kind.UNAVAILABLE, "DRAINING", "the service is stopping; connect anew", retry_after=0.5
                )
            return await upcoming
        finally:
            upcoming.cancel()

    async def _start(self, message: ingest_pb2.PublishEvent) -> None:
        size = sum(len(blob.data) for blob in message.blobs)
        while self._taking and self._waiting_bytes + size > self._max_waiting_bytes:
            await asyncio.wait(self._taking, return_when=asyncio.FIRST_COMPLETED)
        self._waiting_bytes += size
        task = asyncio.create_task(self._take(message, size))
        self._taking.add(task)
        task.add_done_callback(self._taken)

    async def _take(self, message: ingest_pb2.PublishEvent, size: int) -> None:
        try:
            receipt = await self._receipt(message)
        finally:
            self._waiting_bytes -= size
        self.answers.put_nowait(ack_to_wire(message, receipt))
        self._acked += 1
        if self._acked * 2 >= self._credit:
            self._grant(self._acked)
            self._acked = 0

    async def _receipt(self, message: ingest_pb2.PublishEvent) -> Receipt:
        try:
            validation.check(message)
            submission = submission_from_wire(message)
        except MeshError as error:
            return await self._ingest.refuse(
                message.SerializeToString(),
                error,
                event_id=message.event.event_id,
                camera_id=message.event.camera_id,
                traceparent=message.traceparent,
            )
        return await self._ingest.take(submission)

    def _taken(self, task: asyncio.Task[None]) -> None:
        self._taking.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.answers.put_nowait(failure)

    def _grant(self, events: int) -> None:
        self._left += events
        self.answers.put_nowait(credit_to_wire(events))

    def cancel(self) -> None:
        """Give up what is under way; the peer sends it again."""
        for task in self._taking:
            task.cancel()


async def _anext(requests: Requests) -> ingest_pb2.PublishRequest | None:
    try:
        return await anext(requests)
    except StopAsyncIteration:
        return None


def _invalid(reason: str, message: str) -> MeshError:
    return MeshError(Kind.INVALID, reason, message)
