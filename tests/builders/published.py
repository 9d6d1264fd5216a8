"""What an edge box sends, and how a test publishes it over a real stream."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from ovr.alpr.v1 import ingest_pb2
from plates.event import PlateEvent
from tests.builders.events import START
from wire.event import event_to_wire, timestamp_to_wire

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def hello() -> ingest_pb2.PublishRequest:
    """The first message of a stream."""
    return ingest_pb2.PublishRequest(hello=ingest_pb2.PublishHello(site_id="site-1", node_id="node-1"))


def published(
    event: PlateEvent, sequence: int = 1, pictures: Sequence[bytes] = (), traceparent: str = ""
) -> ingest_pb2.PublishRequest:
    """An event with the bytes of its pictures, in the order of its evidence."""
    blobs = [
        ingest_pb2.EvidenceBlob(sha256=item.sha256, data=data)
        for item, data in zip(event.evidence, pictures, strict=False)
    ]
    return ingest_pb2.PublishRequest(
        event=ingest_pb2.PublishEvent(
            spool_sequence=sequence, event=event_to_wire(event), blobs=blobs, traceparent=traceparent
        )
    )


async def read_to_end(stream) -> list:
    """Every further answer of a stream."""
    answers = []
    while (answer := await stream.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


async def publish(stub, *requests: ingest_pb2.PublishRequest) -> list[ingest_pb2.PublishAck]:
    """Send hello and the requests, end the stream, and give the acks in the order they came."""
    stream = stub.Publish()
    await stream.write(hello())
    for request in requests:
        await stream.write(request)
    await stream.done_writing()
    return [answer.ack for answer in await read_to_end(stream) if answer.HasField("ack")]


def status(*cameras: ingest_pb2.CameraStatus, node: str = "node-1") -> ingest_pb2.ReportStatusRequest:
    """An edge box's report."""
    return ingest_pb2.ReportStatusRequest(
        site_id="site-1",
        node_id=node,
        reported_at=timestamp_to_wire(START),
        cameras=cameras,
        spool=ingest_pb2.SpoolStatus(events=3, bytes=100),
    )
