"""What `ovr dlq` does: dead letters as rows, one with its original, and originals put back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from mesh.client import MeshChannel
    from mesh.settings import MeshSettings
    from ovr.alpr.v1 import ingest_pb2
    from storage.log.deadletter import Letter
    from storage.log.port import Log

Row = dict[str, Any]


async def rows(log: Log) -> dict[str, Row]:
    """What is told of each letter, by its place, and whether it was replayed; without the originals, which
    may be large."""
    from storage.log.deadletter import letters

    found: dict[str, Row] = {}
    async for letter in letters(log):
        if not letter.replay_of:
            found[letter.place] = {**row(letter), "replayed": False}
        elif letter.replay_of in found:
            found[letter.replay_of]["replayed"] = True
    return found


async def find(log: Log, places: Collection[str]) -> dict[str, Letter]:
    """Those letters of `places` that there are, by place."""
    return {letter.place: letter async for letter in _named(log, places)}


async def _named(log: Log, places: Collection[str]) -> AsyncIterator[Letter]:
    from storage.log.deadletter import letters

    async for letter in letters(log):
        if letter.place in places and not letter.replay_of:
            yield letter


def row(letter: Letter) -> Row:
    """A letter as JSON has it, without its original."""
    from storage.log import port

    return {
        "letter": letter.place,
        "at": letter.at.isoformat(timespec="milliseconds"),
        "reason": letter.header(port.HEADER_REASON),
        "kind": letter.header(port.HEADER_KIND),
        "error": letter.header(port.HEADER_ERROR),
        "origin": letter.header(port.HEADER_ORIGIN),
        "event_id": letter.header(port.HEADER_EVENT_ID),
        "trace_id": letter.header(port.HEADER_TRACE_ID),
        "content_type": letter.header(port.HEADER_CONTENT_TYPE),
        "key": letter.record.key.decode(errors="backslashreplace"),
        "bytes": len(letter.record.value),
    }


def decoded(letter: Letter) -> str:
    """The original as JSON, without the bytes of pictures; empty if it cannot be read as what it says it
    is."""
    from google.protobuf.message import DecodeError

    from cli.console import json_line
    from ovr.alpr.v1 import alert_pb2, event_pb2, ingest_pb2
    from storage.log.port import HEADER_CONTENT_TYPE

    kinds: tuple[type[Message], ...] = (
        event_pb2.PlateEvent,
        ingest_pb2.PublishEvent,
        ingest_pb2.ReportStatusRequest,
        alert_pb2.Alert,
    )
    _, _, name = letter.header(HEADER_CONTENT_TYPE).partition("messageType=")
    for kind in kinds:
        if kind.DESCRIPTOR.full_name != name:
            continue
        try:
            message = kind.FromString(letter.record.value)
        except DecodeError:
            return ""
        if isinstance(message, ingest_pb2.PublishEvent):
            for blob in message.blobs:
                blob.ClearField("data")
        return json_line(message)
    return ""


async def replay(log: Log, places: Collection[str], settings: MeshSettings) -> dict[str, str]:
    """Put the originals of these letters back, and mark the letters; why not, of those that could not be."""
    from storage.log.port import PLATE_EVENTS_DLQ

    refused = {}
    async for letter in _named(log, places):  # one by one: all of them may be more than the memory holds
        if why := await _put_back(log, letter, settings):
            refused[letter.place] = why
        else:
            await log.append(PLATE_EVENTS_DLQ, [letter.mark()])
    return refused


async def _put_back(log: Log, letter: Letter, settings: MeshSettings) -> str:
    from google.protobuf.message import DecodeError

    from mesh.client import connect
    from mesh.errors import MeshError
    from ovr.alpr.v1 import ingest_pb2
    from storage.log.port import TOPICS

    try:
        if letter.topic in TOPICS:
            await log.append(letter.topic, [letter.original()])
            return ""
        event = ingest_pb2.PublishEvent.FromString(letter.record.value)
        async with connect(settings.target("ingest"), peer="ingest", settings=settings) as channel:
            return await _publish(channel, event, settings)
    except DecodeError as error:
        return f"cannot be published, it is no PublishEvent: {error}"
    except MeshError as error:
        return str(error)


async def _publish(channel: MeshChannel, event: ingest_pb2.PublishEvent, settings: MeshSettings) -> str:
    """Send it to ingest as an edge box would; what ingest has against it, empty if it took it."""
    from ovr.alpr.v1 import ingest_pb2, ingest_pb2_grpc

    hello = ingest_pb2.PublishHello(site_id=settings.site_id, node_id=settings.node_id)
    stream = ingest_pb2_grpc.IngestServiceStub(channel).Publish()
    await stream.write(ingest_pb2.PublishRequest(hello=hello))
    await stream.read()  # credit
    await stream.write(ingest_pb2.PublishRequest(event=event))
    await stream.done_writing()
    while isinstance(answer := await stream.read(), ingest_pb2.PublishResponse):
        if answer.HasField("ack"):
            taken = answer.ack.result in (ingest_pb2.ACK_RESULT_STORED, ingest_pb2.ACK_RESULT_DUPLICATE)
            return "" if taken else f"ingest refused it again: {answer.ack.reason}"
    return "ingest did not answer"
