"""From a published event to an answer: ingest, event writer, search indexer and query as processes of one
mesh."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from mesh.process import Process
from mesh.testing import Harness, watch_loop
from ovr.alpr.v1 import ingest_pb2, query_pb2
from services.ingest import app, event_writer, search_indexer
from services.ingest.settings import EventWriterSettings, IngestSettings, SearchIndexerSettings
from services.query import app as query_app
from services.query.settings import QuerySettings
from storage import embedded
from storage.events.sqlite import SqliteEventStore
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ, SYSTEM_METRICS, NewRecord
from tests.builders.events import event, picture
from tests.builders.published import TRACEPARENT, publish, published, status
from wire.event import event_from_wire

TRACE_ID = TRACEPARENT.split("-")[1]


@pytest.fixture
async def mesh():
    """The whole back of the mesh."""
    async with Harness() as harness:
        await harness.run("ingest", app.main, harness.settings(IngestSettings))
        await harness.run("event-writer", event_writer.main, harness.settings(EventWriterSettings))
        await harness.run("search-indexer", search_indexer.main, harness.settings(SearchIndexerSettings))
        await harness.run("query", query_app.main, harness.settings(QuerySettings))
        yield harness


async def until(answer, timeout: float = 5.0):
    """What `answer()` gives as soon as it is something."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not (found := await answer()):
        assert loop.time() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)
    return found


async def test_a_published_event_can_be_got_searched_watched_and_shown(mesh):
    """One event, once, by every way to ask for it, with its trace through every process."""
    ingest, query = mesh.stub("ovr.alpr.v1.IngestService"), mesh.stub("ovr.alpr.v1.QueryService")
    item, data = picture(b"crop")
    sent = event("AB12CDE", evidence=(item,))
    watch = query.WatchEvents(query_pb2.WatchEventsRequest())
    await watch.read()
    async with watch_loop():
        await publish(
            ingest, published(sent, 1, [data], TRACEPARENT), published(sent, 2, [data], TRACEPARENT)
        )

        async def found():
            request = query_pb2.SearchEventsRequest(text="AB12CD", mode=query_pb2.SEARCH_MODE_PREFIX)
            return (await query.SearchEvents(request)).hits

        (hit,) = await until(found)
    assert event_from_wire(hit.event).ingested_at is not None
    assert (await watch.read()).event == hit.event
    watch.cancel()
    got = await query.GetEvent(query_pb2.GetEventRequest(event_id=sent.event_id))
    assert got.event == hit.event
    parts = [part.chunk async for part in query.GetEvidence(query_pb2.GetEvidenceRequest(key=item.key))]
    assert b"".join(parts) == data
    for edge in (("event-writer", "event_writer.write"), ("search-indexer", "search_indexer.index")):
        assert ("ingest:log.append", ":".join(edge)) in mesh.edges(TRACE_ID)


async def test_a_report_becomes_the_state_of_its_cameras(mesh):
    """ReportStatus shows up in ListCameras."""
    ingest, query = mesh.stub("ovr.alpr.v1.IngestService"), mesh.stub("ovr.alpr.v1.QueryService")
    await ingest.ReportStatus(
        status(ingest_pb2.CameraStatus(camera_id="cam-1", state="stalled", detail="black"))
    )

    async def cameras():
        return (await query.ListCameras(query_pb2.ListCamerasRequest())).cameras

    (camera,) = await until(cameras)
    assert (camera.status.state, camera.status.detail, camera.node_id) == ("stalled", "black", "node-1")


async def test_poison_on_the_log_goes_to_the_dead_letters_and_holds_nothing_up(mesh):
    """Records that are no events are kept with their reason by each consumer; the events behind them are
    visible."""
    log = await embedded.open_log(mesh.home)
    await log.append(PLATE_EVENTS, [NewRecord(b"cam", b"\xff\xff\xff"), NewRecord(b"cam", b"")])
    await log.append(SYSTEM_METRICS, [NewRecord(b"node", b"\xff")])
    sent = event()
    await publish(mesh.stub("ovr.alpr.v1.IngestService"), published(sent))
    query = mesh.stub("ovr.alpr.v1.QueryService")

    async def found():
        return (await query.ListEvents(query_pb2.ListEventsRequest())).events

    (message,) = await until(found)
    assert message.event_id == sent.event_id
    tail = await log.tail(PLATE_EVENTS_DLQ, "0")
    letters: list = []

    async def all_letters():
        letters.extend(item.record for item in await tail.poll(10, 1))
        return len(letters) >= 5

    await until(all_letters)
    await log.close()
    assert sorted(letter.headers["origin"] for letter in letters) == [
        "event-writer plate-events/0/0",
        "event-writer plate-events/0/1",
        "event-writer system-metrics/0/0",
        "search-indexer plate-events/0/0",
        "search-indexer plate-events/0/1",
    ]
    assert {letter.headers["reason"] for letter in letters} == {"NOT_AN_EVENT", "NOT_A_STATUS"}
    assert {letter.value for letter in letters} == {b"\xff\xff\xff", b"", b"\xff"}


async def test_consumers_stop_at_once_and_go_on_where_they_were(mesh):
    """A writer that is stopped ends with 0; the next one writes what came meanwhile, and nothing twice."""
    first, second = event(), event()
    ingest = mesh.stub("ovr.alpr.v1.IngestService")
    await publish(ingest, published(first, 1))
    writer = next(running for running in mesh._processes if running.process.name == "event-writer")
    started = asyncio.get_running_loop().time()
    assert await writer.stop() == 0
    assert asyncio.get_running_loop().time() - started < 8  # its grace is ten seconds
    await publish(ingest, published(second, 2), published(first, 3))
    await mesh.run("event-writer", event_writer.main, mesh.settings(EventWriterSettings))
    query = mesh.stub("ovr.alpr.v1.QueryService")

    async def both():
        response = await query.ListEvents(query_pb2.ListEventsRequest())
        return response.events if len(response.events) >= 2 else None

    assert {message.event_id for message in await until(both)} == {first.event_id, second.event_id}


async def test_an_events_lag_and_outcome_are_counted(mesh):
    """The metrics of the consumer say how many records it wrote and that nothing waits."""
    await publish(mesh.stub("ovr.alpr.v1.IngestService"), published(event(), 1), published(event(), 2))
    writer = next(running for running in mesh._processes if running.process.name == "event-writer")
    registry = writer.process.telemetry.registry
    labels = {"group": "event-writer", "topic": "plate-events"}

    async def written():
        value = registry.get_sample_value("ovr_consumer_records_total", {**labels, "outcome": "written"})
        return value == 2

    await until(written)

    async def caught_up():
        return registry.get_sample_value("ovr_consumer_lag_records", labels) == 0

    await until(caught_up)


async def test_a_sweep_that_fails_for_no_known_reason_ends_the_process(monkeypatch: pytest.MonkeyPatch):
    """The fault comes out of the process's main, so that its log has it and its supervisor starts it anew."""

    async def broken(self: SqliteEventStore, moment: datetime) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(SqliteEventStore, "delete_older_than", broken)
    async with Harness() as harness:
        process = Process("event-writer", harness.telemetry("event-writer"))
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await event_writer.main(harness.settings(EventWriterSettings, event_days=1.0), process)
