"""From the spool to ingest: one stream, credit and acks, opened again when it breaks.

An event leaves the spool only when ingest has answered that it is durable (or can never be, and lies in the
dead-letter log). Everything else is sent again; ingest knows it by its id.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from opentelemetry.trace import Span, StatusCode

from edge.meters import Stages
from edge.passes.event import Identity
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.logs import logger
from mesh.telemetry import Telemetry
from ovr.alpr.v1 import ingest_pb2, ingest_pb2_grpc

RESULTS = {
    ingest_pb2.ACK_RESULT_STORED: "stored",
    ingest_pb2.ACK_RESULT_DUPLICATE: "duplicate",
    ingest_pb2.ACK_RESULT_DEAD_LETTERED: "dead_lettered",
    ingest_pb2.ACK_RESULT_RETRY: "retry",
}
# How often the sender looks for late acks and due retries while nothing else wakes it.
_TICK_S = 0.5


class SpoolRecord(Protocol):
    """An event in the spool."""

    @property
    def sequence(self) -> int:
        """Its number; grows."""

    @property
    def payload(self) -> bytes:
        """A serialised PublishEvent."""


class EventSource(Protocol):
    """The spool's reading side."""

    async def read(self, after: int, limit: int) -> Sequence[SpoolRecord]:
        """The oldest records with a number above `after`, in order."""

    def wait(self, after: int) -> Awaitable[None]:
        """Returns when there is a record with a number above `after`."""

    async def acknowledge(self, sequence: int) -> None:
        """The records up to this one are no longer needed."""


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How events are sent. Times in seconds."""

    window: int = 64
    """Events under way at most, whatever the credit."""
    ack_timeout: float = 30.0
    """An event that is not answered within this means that the stream is dead."""
    retry_first: float = 0.5
    retry_longest: float = 30.0


@dataclass(slots=True)
class _Flight:
    """An event under way."""

    record: SpoolRecord
    span: Span
    sent_at: float


@dataclass(slots=True)
class _Session:
    """One stream: what may be sent, what is under way, what ingest wants again later."""

    credit: int = 0
    read_up_to: int = 0
    flights: dict[int, _Flight] = field(default_factory=dict)
    again: deque[tuple[float, SpoolRecord]] = field(default_factory=deque)
    settled: set[int] = field(default_factory=set)
    order: deque[int] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Sends what lies in the spool until it is stopped."""

    def __init__(
        self,
        spool: EventSource,
        stub: ingest_pb2_grpc.IngestServiceAsyncStub,
        identity: Identity,
        telemetry: Telemetry,
        stages: Stages,
        options: PublishOptions | None = None,
    ) -> None:
        self._spool, self._stub, self._identity = spool, stub, identity
        self._telemetry, self._stages = telemetry, stages
        self._options = options or PublishOptions()
        self._published = telemetry.counter(names.EVENTS_PUBLISHED)
        self._acknowledged = 0
        self._advanced = asyncio.Event()
        self._log = logger("edge.publish")
        self.results: dict[str, int] = dict.fromkeys(RESULTS.values(), 0)

    async def run(self) -> None:
        """Publishes until cancelled. A stream that breaks is opened again after a growing, jittered wait."""
        attempt = 0
        while True:
            await self._spool.wait(self._acknowledged)
            before = self._acknowledged
            try:
                await self._stream()
            except MeshError as error:
                attempt = 0 if self._acknowledged > before else attempt + 1
                bound = min(self._options.retry_longest, self._options.retry_first * 2.0 ** min(attempt, 16))
                self._log.warning("not published", why=str(error), again_in=round(bound, 1))
                await asyncio.sleep(bound * random.uniform(0.5, 1.0))

    async def emptied(self, is_empty: Callable[[], bool]) -> None:
        """Returns when an ack has made `is_empty` true, or at once if it is."""
        while True:
            self._advanced.clear()
            if is_empty():
                return
            await self._advanced.wait()

    async def _stream(self) -> None:
        session = _Session(read_up_to=self._acknowledged)
        call: Any = self._stub.Publish()
        hello = ingest_pb2.PublishHello(site_id=self._identity.site_id, node_id=self._identity.node_id)
        tasks: list[asyncio.Task[None]] = []
        try:
            await call.write(ingest_pb2.PublishRequest(hello=hello))
            tasks = [
                asyncio.create_task(self._send(call, session)),
                asyncio.create_task(self._receive(call, session)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # a write to a dead stream only says that it is dead; the answers say why
            await asyncio.wait(tasks[1:], timeout=_TICK_S)
            for task in reversed(tasks):
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()
            for flight in session.flights.values():
                flight.span.set_status(StatusCode.ERROR, "stream ended before the ack")
                flight.span.end()

    # -- sending

    async def _send(self, call: Any, session: _Session) -> None:
        while True:
            session.changed.clear()
            room = min(session.credit, self._options.window - len(session.flights))
            batch = await self._next(session, room) if room > 0 else []
            for record in batch:
                await self._send_one(call, session, record)
            self._check_late(session)
            if not batch:
                await self._until_something_happens(session, may_read=room > 0)

    async def _next(self, session: _Session, room: int) -> list[SpoolRecord]:
        now = time.monotonic()
        batch: list[SpoolRecord] = []
        while session.again and session.again[0][0] <= now and len(batch) < room:
            batch.append(session.again.popleft()[1])
        if len(batch) < room:
            fresh = await self._spool.read(session.read_up_to, room - len(batch))
            for record in fresh:
                session.read_up_to = record.sequence
                session.order.append(record.sequence)
            batch.extend(fresh)
        return batch

    async def _send_one(self, call: Any, session: _Session, record: SpoolRecord) -> None:
        message = ingest_pb2.PublishEvent.FromString(record.payload)
        message.spool_sequence = record.sequence
        span = self._telemetry.start(
            names.SPAN_PUBLISH,
            parent=message.traceparent or None,
            attributes={names.ATTR_EVENT_ID: message.event.event_id},
        )
        session.flights[record.sequence] = _Flight(record, span, time.monotonic())
        session.credit -= 1
        write = call.write(ingest_pb2.PublishRequest(event=message))
        try:
            await asyncio.wait_for(write, self._options.ack_timeout)
        except asyncio.TimeoutError:
            raise self._late() from None

    def _check_late(self, session: _Session) -> None:
        oldest = min((flight.sent_at for flight in session.flights.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > self._options.ack_timeout:
            raise self._late()

    def _late(self) -> MeshError:
        limit = self._options.ack_timeout
        return MeshError(Kind.DEADLINE, "ACK_LATE", f"no ack from ingest within {limit:.0f} s")

    async def _until_something_happens(self, session: _Session, *, may_read: bool) -> None:
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(session.changed.wait())]
        if may_read:
            waits.append(asyncio.create_task(_until(self._spool.wait(session.read_up_to))))
        try:
            await asyncio.wait(waits, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # -- answers

    async def _receive(self, call: Any, session: _Session) -> None:
        while True:
            answer = await call.read()
            if answer is grpc.aio.EOF:
                raise MeshError(Kind.UNAVAILABLE, "STREAM_ENDED", "ingest ended the stream")
            if answer.WhichOneof("kind") == "credit":
                session.credit += answer.credit.events
            else:
                await self._take(answer.ack, session)
            session.changed.set()

    async def _take(self, ack: ingest_pb2.PublishAck, session: _Session) -> None:
        flight = session.flights.pop(ack.spool_sequence, None)
        if flight is None:
            return
        result = RESULTS.get(ack.result, "retry")
        self.results[result] += 1
        self._published.labels(result).inc()
        self._stages.add("publish", time.monotonic() - flight.sent_at)
        flight.span.set_attribute(names.ATTR_ACK, result)
        flight.span.end()
        if result == "retry":
            session.again.append((time.monotonic() + self._options.retry_first, flight.record))
            return
        if result == "dead_lettered":
            self._log.error("event dead-lettered", event_id=ack.event_id, why=ack.reason)
        session.settled.add(ack.spool_sequence)
        await self._advance(session)

    async def _advance(self, session: _Session) -> None:
        """Acks come in any order; the spool lets go of its oldest records first."""
        last = None
        while session.order and session.order[0] in session.settled:
            last = session.order.popleft()
            session.settled.discard(last)
        if last is not None:
            self._acknowledged = last
            await self._spool.acknowledge(last)
            self._advanced.set()


async def _until(arrival: Awaitable[None]) -> None:
    await arrival
