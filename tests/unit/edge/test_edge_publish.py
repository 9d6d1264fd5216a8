"""Every spooled event reaches ingest, whatever becomes of streams, acks and peers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from edge_neighbours import MemorySpool

from edge.capture.clock import utc_now
from edge.meters import Stages
from edge.passes.event import Identity
from edge.publish import Publisher, PublishOptions
from mesh import names
from mesh.errors import Kind, MeshError
from mesh.testing import Harness
from ovr.alpr.v1 import event_pb2, frame_pb2, ingest_pb2, ingest_pb2_grpc
from wire.event import timestamp_to_wire

QUICK = PublishOptions(window=4, ack_timeout=0.5, retry_first=0.02, retry_longest=0.05)
STORED = ingest_pb2.ACK_RESULT_STORED
Answer = Callable[[ingest_pb2.PublishEvent, int], int | None]


def payload(number: int) -> bytes:
    """A spooled event with a trace."""
    now = timestamp_to_wire(utc_now())
    event = event_pb2.PlateEvent(
        event_id=f"01900000-0000-7000-8000-{number:012d}",
        schema_version=1,
        site_id="site",
        node_id="node",
        camera_id="cam",
        first_seen_at=now,
        last_seen_at=now,
        best_seen_at=now,
        clock=frame_pb2.CLOCK_SOURCE_WALL,
        outcome=event_pb2.OUTCOME_NO_PLATE,
        reason="NO_PLATE_SEEN",
    )
    traceparent = f"00-{number + 1:032x}-{number + 1:016x}-01"
    return ingest_pb2.PublishEvent(event=event, traceparent=traceparent).SerializeToString()


@dataclass
class Ingest:
    """An ingest that answers each event as `answer` says: an AckResult, None for no ack at all, or it raises.

    `answer` is given the event and how often it was sent. Acks come in random order within the credit.
    """

    answer: Answer = field(default=lambda event, times: STORED)
    credit: int = 3
    seen: list[str] = field(default_factory=list)
    hellos: int = 0
    under_way: int = 0
    most_under_way: int = 0

    async def publish(
        self, requests: AsyncIterator[ingest_pb2.PublishRequest]
    ) -> AsyncIterator[ingest_pb2.PublishResponse]:
        """The rpc."""
        rng = random.Random(7)
        held: list[ingest_pb2.PublishAck] = []
        async for request in requests:
            if request.HasField("hello"):
                self.hellos += 1
                yield ingest_pb2.PublishResponse(credit=ingest_pb2.PublishCredit(events=self.credit))
                continue
            event = request.event
            self.seen.append(event.event.event_id)
            result = self.answer(event, self.seen.count(event.event.event_id))
            if result is not None:
                held.append(
                    ingest_pb2.PublishAck(
                        spool_sequence=event.spool_sequence, event_id=event.event.event_id, result=result
                    )
                )
            self.most_under_way = max(self.most_under_way, len(held))
            again = self.seen.count(event.event.event_id) > 1
            if len(held) >= 2 or event.spool_sequence % 2 == 0 or again:
                rng.shuffle(held)
                while held:
                    yield ingest_pb2.PublishResponse(ack=held.pop())
                    yield ingest_pb2.PublishResponse(credit=ingest_pb2.PublishCredit(events=1))

    @property
    def numbers(self) -> list[int]:
        """The events seen, by number, in order."""
        return [int(event_id[-12:]) for event_id in self.seen]


@asynccontextmanager
async def publishing(ingest: Ingest, spool: MemorySpool) -> AsyncIterator[tuple[Harness, Publisher]]:
    """A publisher at work between a spool and an ingest, over real gRPC."""
    async with Harness() as mesh:
        await mesh.neighbour("ingest", "ovr.alpr.v1.IngestService", Publish=ingest.publish)
        telemetry = mesh.telemetry("edge")
        stub = ingest_pb2_grpc.IngestServiceStub(mesh.connect("ingest", telemetry=telemetry))
        publisher = Publisher(spool, stub, Identity("site", "node", "t"), telemetry, Stages(telemetry), QUICK)
        task = asyncio.create_task(publisher.run())
        try:
            yield mesh, publisher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def filled(count: int) -> MemorySpool:
    """A spool with events."""
    spool = MemorySpool()
    for number in range(count):
        await spool.append(payload(number))
    return spool


async def until_empty(publisher: Publisher, spool: MemorySpool) -> None:
    """Until everything is acknowledged."""
    await asyncio.wait_for(publisher.emptied(lambda: spool.acknowledged == len(spool.records)), 15)


async def test_everything_is_published_once_and_let_go() -> None:
    """With a healthy ingest each event is sent once, in order, and the spool is emptied."""
    spool, ingest = await filled(20), Ingest()
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
        await spool.append(payload(20))
        await spool.append(payload(21))
        await until_empty(publisher, spool)
    assert ingest.numbers == list(range(22))
    assert publisher.results["stored"] == 22


async def test_never_more_than_the_credit() -> None:
    """No more events are under way than ingest has given credit for."""
    spool, ingest = await filled(30), Ingest(credit=2)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert ingest.most_under_way <= 2


async def test_what_ingest_wants_again_is_sent_again() -> None:
    """RETRY keeps the event in the spool and sends it again, until it is stored."""
    ingest = Ingest(lambda event, times: ingest_pb2.ACK_RESULT_RETRY if times < 3 else STORED)
    spool = await filled(6)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert sorted(ingest.numbers) == sorted([*range(6)] * 3)
    assert publisher.results == {"stored": 6, "duplicate": 0, "dead_lettered": 0, "retry": 12}


async def test_duplicates_and_dead_letters_are_let_go() -> None:
    """What ingest has already, or never will have, leaves the spool."""
    ingest = Ingest(
        lambda event, times: (
            ingest_pb2.ACK_RESULT_DUPLICATE
            if event.spool_sequence % 2
            else ingest_pb2.ACK_RESULT_DEAD_LETTERED
        )
    )
    spool = await filled(8)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert (publisher.results["duplicate"], publisher.results["dead_lettered"]) == (4, 4)
    assert len(ingest.seen) == 8


async def test_broken_stream_is_opened_again_and_nothing_is_lost() -> None:
    """After a stream breaks the events that were not acknowledged are sent again."""
    failures = iter([True, False, True])

    def answer(event: ingest_pb2.PublishEvent, times: int) -> int:
        if event.spool_sequence in (3, 9) and times == 1 and next(failures, False):
            raise MeshError(Kind.UNAVAILABLE, "RESTARTING", "restarting")
        return STORED

    spool, ingest = await filled(12), Ingest(answer)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert set(ingest.numbers) == set(range(12))
    assert ingest.hellos >= 2


async def test_lost_acks_are_noticed() -> None:
    """An event that is never answered is sent again on a new stream."""
    spool, ingest = await filled(4), Ingest(lambda event, times: None if times == 1 else STORED)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert ingest.hellos >= 2


async def test_ingest_that_comes_later_gets_everything() -> None:
    """An ingest that is away at first is asked again until it answers."""
    spool = await filled(3)
    async with Harness() as mesh:
        telemetry = mesh.telemetry("edge")
        stub = ingest_pb2_grpc.IngestServiceStub(mesh.connect("ingest", telemetry=telemetry))
        publisher = Publisher(spool, stub, Identity("site", "node", "t"), telemetry, Stages(telemetry), QUICK)
        task = asyncio.create_task(publisher.run())
        await asyncio.sleep(0.2)
        assert spool.acknowledged == 0
        ingest = Ingest()
        await mesh.neighbour("ingest", "ovr.alpr.v1.IngestService", Publish=ingest.publish)
        await spool.append(payload(3))
        await until_empty(publisher, spool)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_publishing_belongs_to_the_trace_of_its_pass() -> None:
    """Each event's sending is a span in its pass's trace, and says what ingest answered."""
    spool, ingest = await filled(2), Ingest()
    async with publishing(ingest, spool) as (mesh, publisher):
        await until_empty(publisher, spool)
        spans = [s for s in mesh.spans() if s.name == names.SPAN_PUBLISH.name]
    assert {s.context.trace_id for s in spans if s.context} == {1, 2}
    assert all(s.attributes and s.attributes[names.ATTR_ACK] == "stored" for s in spans)


@pytest.mark.parametrize("seed", range(6))
async def test_faults_of_every_kind_lose_nothing(seed: int) -> None:
    """Retries, broken streams and lost acks at random: in the end every event is stored."""
    rng = random.Random(seed)
    stored: set[str] = set()

    def answer(event: ingest_pb2.PublishEvent, times: int) -> int | None:
        luck = rng.random() if times < 4 else 1.0
        if luck < 0.1:
            raise MeshError(Kind.UNAVAILABLE, "RESTARTING", "restarting")
        if luck < 0.25:
            return ingest_pb2.ACK_RESULT_RETRY
        known = event.event.event_id in stored
        stored.add(event.event.event_id)
        if luck < 0.3:
            return None
        return ingest_pb2.ACK_RESULT_DUPLICATE if known else STORED

    spool, ingest = await filled(15), Ingest(answer)
    async with publishing(ingest, spool) as (_, publisher):
        await until_empty(publisher, spool)
    assert len(stored) == 15
