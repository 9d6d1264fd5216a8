"""The consumer's promise, on a real log with a sink that fails in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ, NewRecord, Record
from storage.log.sqlite import SqliteLog


class Sink:
    """Takes values; refuses those that begin with "bad", and fails as often as told."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.failures: list[Kind] = []
        self.done = asyncio.Event()

    def decode(self, record: Record) -> str:
        if record.value == b"undecodable":
            raise MeshError(Kind.INVALID, "UNDECODABLE", "cannot be decoded")
        return record.value.decode()

    async def write(self, items: Sequence[str]) -> int:
        if self.failures:
            raise MeshError(self.failures.pop(), "STORE", "away")
        if any(item.startswith("bad") for item in items):
            raise MeshError(Kind.INVALID, "REFUSED", "is bad")
        self.written += items
        self.done.set()
        return len(items)


@pytest.fixture
async def log(tmp_path):
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


@pytest.fixture
async def made(log):
    """A consumer with its sink and telemetry."""
    sink, telemetry = Sink(), Telemetry("test")
    reader = await log.reader(PLATE_EVENTS, "g")
    return Consumer("g", PLATE_EVENTS, reader, log, sink, telemetry, retry_seconds=0.01), sink, telemetry


async def append(log: SqliteLog, *values: str) -> None:
    await log.append(PLATE_EVENTS, [NewRecord(b"k", value.encode()) for value in values])


async def letters(log: SqliteLog) -> list[Record]:
    return [item.record for item in await (await log.tail(PLATE_EVENTS_DLQ, "0")).poll(100, 0)]


async def test_a_batch_is_written_and_committed(log, made):
    """Everything on the log is written in one batch, and nothing waits afterwards."""
    consumer, sink, _ = made
    await append(log, "a", "b")
    assert await consumer.step() == 2
    assert sink.written == ["a", "b"]
    assert await (await log.reader(PLATE_EVENTS, "g")).lag() == 0


async def test_bad_records_are_sorted_out_one_by_one(log, made):
    """Whatever place they have in the batch, bad records alone become dead letters, with reason, error and
    origin."""
    consumer, sink, telemetry = made
    await append(log, "a", "bad1", "b", "undecodable", "c", "d", "bad2")
    assert await consumer.step() == 7
    assert sink.written == ["a", "b", "c", "d"]
    found = {item.value: item.headers for item in await letters(log)}
    assert {value: headers["reason"] for value, headers in found.items()} == {
        b"bad1": "REFUSED",
        b"undecodable": "UNDECODABLE",
        b"bad2": "REFUSED",
    }
    assert found[b"bad1"]["origin"] == "g plate-events/0/1"
    assert found[b"bad1"]["error"] == "is bad"
    labels = {"group": "g", "topic": PLATE_EVENTS}
    sample = telemetry.registry.get_sample_value
    assert sample("ovr_consumer_records_total", {**labels, "outcome": "dead_letter"}) == 3
    assert sample("ovr_consumer_records_total", {**labels, "outcome": "written"}) == 4


async def test_a_store_that_is_away_is_waited_for(log, made):
    """Failures that can pass lead to another try with the same records, counted, and to no dead letter."""
    consumer, sink, telemetry = made
    sink.failures = [Kind.UNAVAILABLE, Kind.DATA_LOSS, Kind.EXHAUSTED]
    await append(log, "a", "b")
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    await sink.done.wait()
    stop.set()
    await asyncio.wait_for(running, 2)
    assert sink.written == ["a", "b"]
    assert await letters(log) == []
    labels = {"group": "g", "topic": PLATE_EVENTS, "reason": "STORE"}
    assert telemetry.registry.get_sample_value("ovr_consumer_retries_total", labels) == 3


async def test_a_stop_ends_an_idle_consumer_at_once(made):
    """Stopping does not wait for the poll."""
    consumer, _, _ = made
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 0.3)


async def test_removed_records_are_counted(log, made):
    """What retention took before the consumer came to it is counted as skipped."""
    consumer, sink, telemetry = made
    await append(log, "a", "b")
    await consumer.step()
    await append(log, "c", "d", "e")
    await log.trim(PLATE_EVENTS, max_bytes=2)
    await append(log, "f")
    while sink.written[-1] != "f":
        await consumer.step()
    await append(log, "g")
    await consumer.step()
    labels = {"group": "g", "topic": PLATE_EVENTS, "outcome": "skipped"}
    assert telemetry.registry.get_sample_value("ovr_consumer_records_total", labels) == 2
