"""The ingest rpcs over real gRPC: acks, credit, dead letters, retries, and streams that end early."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from contextlib import closing

import grpc
import pytest

from mesh.errors import Kind, MeshError
from mesh.testing import Harness
from ovr.alpr.v1 import ingest_pb2
from services.ingest import app
from services.ingest.convert import status_of_record
from services.ingest.settings import IngestSettings
from storage import embedded
from storage.log.codec import decode_event
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ, SYSTEM_METRICS
from tests.builders.events import event, picture
from tests.builders.published import TRACEPARENT, hello, publish, published, read_to_end, status

INGEST = "ovr.alpr.v1.IngestService"


@pytest.fixture
async def mesh():
    """A mesh with ingest alone."""
    async with Harness() as harness:
        yield harness


@pytest.fixture
async def stub(mesh):
    await mesh.run("ingest", app.main, mesh.settings(IngestSettings, credit=4))
    return mesh.stub(INGEST)


async def on_log(mesh: Harness, topic: str) -> list:
    log = await embedded.open_log(mesh.home)
    try:
        return [item.record for item in await (await log.tail(topic, "0")).poll(1000, 0)]
    finally:
        await log.close()


async def test_a_published_event_is_durable_when_acked(mesh, stub):
    """The picture is in the store and the event on the log with ingested_at, when the ack has come."""
    item, data = picture(b"crop")
    sent = event(evidence=(item,))
    (ack,) = await publish(stub, published(sent, 7, [data]))
    assert (ack.spool_sequence, ack.event_id, ack.result) == (7, sent.event_id, ingest_pb2.ACK_RESULT_STORED)
    assert ack.reason == ""
    (record,) = await on_log(mesh, PLATE_EVENTS)
    stored = decode_event(record)
    assert stored.ingested_at is not None
    assert dataclasses.replace(stored, ingested_at=None) == sent
    assert record.key == b"cam-1"
    images = await embedded.open_images(mesh.home)
    assert (await images.get(item.key)).data == data
    await images.close()


async def test_the_trace_goes_on_from_the_edge(mesh, stub):
    """The spans of ingest are children of the pass's traceparent, and the record carries the trace on."""
    await publish(stub, published(event(), traceparent=TRACEPARENT))
    trace_id = TRACEPARENT.split("-")[1]
    assert ("ingest:ingest.store", "ingest:log.append") in mesh.edges(trace_id)
    (record,) = await on_log(mesh, PLATE_EVENTS)
    assert trace_id in record.headers["traceparent"]
    assert record.headers["traceparent"] != TRACEPARENT


async def test_an_event_sent_again_is_a_duplicate(mesh, stub):
    """The same id in the same stream, in another one and after a restart is acked as duplicate and stands
    once."""
    sent = event()
    first = await publish(stub, published(sent, 1), published(sent, 2))
    assert sorted(ack.result for ack in first) == [
        ingest_pb2.ACK_RESULT_STORED,
        ingest_pb2.ACK_RESULT_DUPLICATE,
    ]
    (again,) = await publish(stub, published(sent, 3))
    assert again.result == ingest_pb2.ACK_RESULT_DUPLICATE
    assert len(await on_log(mesh, PLATE_EVENTS)) == 1


BROKEN = [
    ("INVALID_REQUEST", lambda m: m.event.ClearField("first_seen_at")),
    ("INVALID_REQUEST", lambda m: setattr(m.event, "camera_id", "a b")),
    ("INVALID_REQUEST", lambda m: setattr(m.event, "event_id", "no uuid")),
    ("VALUE_UNKNOWN", lambda m: setattr(m.event, "reason", "NEVER_HEARD_OF")),
    ("EVIDENCE_UNKNOWN", lambda m: m.blobs.add(sha256="0" * 64, data=b"x")),
    ("HASH_MISMATCH", lambda m: setattr(m.blobs[0], "data", b"other")),
    ("EVIDENCE_KEY_MISMATCH", lambda m: setattr(m.event.evidence[0], "sha256", "1" * 64)),
]


@pytest.mark.parametrize(
    ("reason", "break_it"), BROKEN, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_what_breaks_the_contract_is_a_dead_letter(mesh, stub, reason, break_it):
    """It is kept as it came with its reason, acked as such, and the stream goes on with the next event."""
    item, data = picture(b"crop")
    broken = published(event(evidence=(item,)), 1, [data])
    break_it(broken.event)
    good = published(event(), 2)
    acks = {ack.spool_sequence: ack for ack in await publish(stub, broken, good, broken)}
    assert acks[1].result == ingest_pb2.ACK_RESULT_DEAD_LETTERED
    assert acks[1].reason.startswith(reason)
    assert acks[2].result == ingest_pb2.ACK_RESULT_STORED
    (letter,) = await on_log(mesh, PLATE_EVENTS_DLQ)
    assert letter.headers["reason"] == reason
    assert letter.headers["origin"] == "ingest"
    assert letter.headers["error"]
    assert ingest_pb2.PublishEvent.FromString(letter.value) == broken.event
    assert len(await on_log(mesh, PLATE_EVENTS)) == 1


async def test_a_missing_picture_does_not_cost_the_event(mesh, stub):
    """An event whose picture neither came along nor was stored is taken nevertheless."""
    item, _ = picture(b"crop")
    (ack,) = await publish(stub, published(event(evidence=(item,))))
    assert ack.result == ingest_pb2.ACK_RESULT_STORED


async def test_credit_is_given_after_the_hello_and_again_after_acks(stub):
    """The stream begins with credit; all the credit there ever was covers many times the first one."""
    stream = stub.Publish()
    await stream.write(hello())
    credit = (await stream.read()).credit.events
    assert credit == 4
    sent = acked = 0
    while acked < 20:
        while sent < 20 and credit:
            credit -= 1
            sent += 1
            await stream.write(published(event(), sent))
        answer = await stream.read()
        credit += answer.credit.events
        acked += answer.HasField("ack")
    await stream.done_writing()
    await read_to_end(stream)


async def test_more_than_the_credit_ends_the_stream(mesh, stub):
    """Events beyond credit end the stream with RESOURCE_EXHAUSTED; what was taken before is stored and
    acked."""
    stream = stub.Publish()
    await stream.write(hello())
    answers = [await stream.read()]

    async def keep_what_comes() -> None:
        while True:
            answers.append(await stream.read())

    with closing(sqlite3.connect(mesh.home / "log.db", isolation_level=None)) as other:
        # While nothing can be stored, no ack renews the credit, and no write meets the end of the stream.
        other.execute("BEGIN IMMEDIATE")
        for number in range(24):
            await stream.write(published(event(), number))
    with pytest.raises(MeshError) as caught:
        await keep_what_comes()
    assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "CREDIT_EXCEEDED")
    acks = [answer.ack for answer in answers if answer.HasField("ack")]
    assert [ack.result for ack in acks] == [ingest_pb2.ACK_RESULT_STORED] * 4
    assert len(await on_log(mesh, PLATE_EVENTS)) == 4


@pytest.mark.parametrize(
    "first",
    [published(event()), ingest_pb2.PublishRequest(), ingest_pb2.PublishRequest(hello={"site_id": ""})],
)
async def test_a_stream_must_begin_with_a_hello(stub, first):
    """An event, nothing at all or a bad hello as the first message gives INVALID_ARGUMENT."""
    stream = stub.Publish()
    await stream.write(first)
    with pytest.raises(MeshError) as caught:
        await stream.read()
    assert caught.value.kind is Kind.INVALID


async def test_a_second_hello_is_refused(stub):
    """Only events may follow the hello."""
    stream = stub.Publish()
    await stream.write(hello())
    await stream.write(hello())
    with pytest.raises(MeshError) as caught:
        await read_to_end(stream)
    assert caught.value.kind is Kind.INVALID


async def test_an_empty_stream_ends_well(stub):
    """A peer that says nothing, or only hello, gets an ordinary end."""
    stream = stub.Publish()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await publish(stub) == []


async def test_a_cancelled_stream_leaves_the_service_well(mesh, stub):
    """Cancelling in the midst of events neither hangs nor harms the next stream."""
    for _ in range(5):
        stream = stub.Publish()
        await stream.write(hello())
        await stream.write(published(event()))
        stream.cancel()
    (ack,) = await publish(stub, published(event()))
    assert ack.result == ingest_pb2.ACK_RESULT_STORED


async def test_a_stream_past_its_deadline_ends(stub):
    """A deadline on the stream ends it with DEADLINE_EXCEEDED."""
    stream = stub.Publish(timeout=0.3)
    await stream.write(hello())
    with pytest.raises(MeshError) as caught:
        await read_to_end(stream)
    assert caught.value.kind is Kind.DEADLINE


async def test_a_drain_answers_what_was_taken_and_ends_the_stream(mesh):
    """On SIGTERM an open stream ends with UNAVAILABLE at once, not after the grace, and loses nothing
    acked."""
    running = await mesh.run("ingest", app.main, mesh.settings(IngestSettings, drain_seconds=10))
    stub = mesh.stub(INGEST)
    stream = stub.Publish()
    await stream.write(hello())
    await stream.write(published(event()))
    acked = False
    while not acked:
        acked = (await stream.read()).HasField("ack")
    started = asyncio.get_running_loop().time()
    stopping = asyncio.create_task(running.stop())
    with pytest.raises(MeshError) as caught:
        await read_to_end(stream)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert await stopping == 0
    assert asyncio.get_running_loop().time() - started < 8
    assert len(await on_log(mesh, PLATE_EVENTS)) == 1


async def test_a_report_is_put_on_the_log(mesh, stub):
    """ReportStatus stands on system-metrics as it was sent."""
    request = status(ingest_pb2.CameraStatus(camera_id="cam-1", state="streaming", frames_dropped={"OLD": 2}))
    await stub.ReportStatus(request)
    (record,) = await on_log(mesh, SYSTEM_METRICS)
    found = status_of_record(record.value)
    assert (found.node_id, found.cameras[0].frames_dropped, found.spool.events) == ("node-1", {"OLD": 2}, 3)


async def test_an_empty_report_is_refused(stub):
    """A report without its required fields gives INVALID_ARGUMENT that names them."""
    with pytest.raises(MeshError) as caught:
        await stub.ReportStatus(ingest_pb2.ReportStatusRequest())
    assert caught.value.kind is Kind.INVALID
    assert {violation.field for violation in caught.value.fields} == {"site_id", "node_id", "reported_at"}


async def test_a_late_report_is_refused(mesh, stub):
    """A report that the log cannot take before its deadline gives DEADLINE_EXCEEDED."""
    with closing(sqlite3.connect(mesh.home / "log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MeshError) as caught:
            await stub.ReportStatus(status(), timeout=0.2)
    assert caught.value.kind is Kind.DEADLINE


async def test_while_the_store_is_away_events_are_to_be_sent_again(mesh, stub):
    """When pictures cannot be stored the ack says RETRY and the event is not on the log; later it is
    stored."""
    item, data = picture(b"crop")
    request = published(event(evidence=(item,)), 1, [data])
    images = mesh.home / "images"
    images.rename(mesh.home / "elsewhere")
    images.write_text("in the way")
    (ack,) = await publish(stub, request)
    assert ack.result == ingest_pb2.ACK_RESULT_RETRY
    assert ack.reason
    assert await on_log(mesh, PLATE_EVENTS) == []
    images.unlink()
    (mesh.home / "elsewhere").rename(images)
    (ack,) = await publish(stub, request)
    assert ack.result == ingest_pb2.ACK_RESULT_STORED


async def test_a_cancelled_report_leaves_the_service_well(stub):
    """Cancelling a report does not disturb the next."""
    call = asyncio.create_task(stub.ReportStatus(status()))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    await stub.ReportStatus(status())
