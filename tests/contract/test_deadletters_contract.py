"""Dead letters on every log: listed, found with their original, put back once."""

from __future__ import annotations

import pytest

from cli import letters
from mesh.errors import Kind, MeshError
from mesh.settings import MeshSettings
from mesh.telemetry import Telemetry
from storage.log.codec import decode_event
from storage.log.consumer import Consumer
from storage.log.port import HEADER_TRACEPARENT, PLATE_EVENTS, NewRecord, Record

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Refusing:
    """A sink that takes no events, until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.written: list[bytes] = []

    def decode(self, record: Record) -> bytes:
        if not self.mended:
            raise MeshError(Kind.INVALID, "NOT_AN_EVENT", "a fault of ours")
        return record.value

    async def write(self, items) -> int:
        self.written += items
        return len(items)


async def buried(open_log, values: list[bytes]):
    """A log whose consumer could not handle the values; the consumer and its sink."""
    log = await open_log()
    sink = Refusing()
    reader = await log.reader(PLATE_EVENTS, "writer")
    consumer = Consumer("writer", PLATE_EVENTS, reader, log, sink, Telemetry("test"))
    headers = {HEADER_TRACEPARENT: TRACEPARENT, "event-id": "e"}
    await log.append(PLATE_EVENTS, [NewRecord(b"cam", value, headers) for value in values])
    handled = 0
    while handled < len(values):
        handled += await consumer.step()
    return log, consumer, sink


async def test_a_dead_letter_says_what_why_who_and_in_which_trace(open_log):
    """Reason, kind, error, origin, trace, key, headers and the original bytes are there."""
    log, _, _ = await buried(open_log, [b"\x08one", b"\x08two"])
    rows = await letters.rows(log)
    assert [row["reason"] for row in rows.values()] == ["NOT_AN_EVENT"] * 2
    first, row = next(iter(rows.items()))
    assert (row["kind"], row["error"], row["key"]) == ("invalid", "a fault of ours", "cam")
    assert row["origin"] == "writer plate-events/0/0"
    assert row["trace_id"] == TRACEPARENT.split("-")[1]
    assert not row["replayed"]
    assert (await letters.find(log, [first]))[first].record.value == b"\x08one"


async def test_a_replay_puts_the_original_back_once(open_log):
    """The mended consumer gets it, the list says so, and putting it back again changes nothing."""
    log, consumer, sink = await buried(open_log, [b"\x08one", b"\x08two"])
    sink.mended = True
    first, second = await letters.rows(log)
    settings = MeshSettings()
    assert await letters.replay(log, [first], settings) == {}
    handled = 0
    while not handled:
        handled = await consumer.step()
    assert sink.written == [b"\x08one"]
    rows = await letters.rows(log)
    assert (rows[first]["replayed"], rows[second]["replayed"]) == (True, False)
    await log.append(PLATE_EVENTS, [(await letters.find(log, [first]))[first].original()])
    assert await consumer.step() == 0


async def test_no_letters_are_no_rows(open_log):
    """A mesh without dead letters has an empty list."""
    assert await letters.rows(await open_log()) == {}


async def test_what_kafka_or_anybody_put_there_as_it_is_stays_as_it_is(open_log):
    """A value that is no protobuf at all comes back byte by byte."""
    poison = b"\x00\x00\x00\x00\x07poison"
    log, _, _ = await buried(open_log, [poison])
    ((place, _),) = (await letters.rows(log)).items()
    record = (await letters.find(log, [place]))[place].record
    assert record.value == poison
    with pytest.raises(MeshError, match="NOT_AN_EVENT"):
        decode_event(record)
