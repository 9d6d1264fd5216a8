"""The query rpcs over real gRPC, on stores filled directly: ordinary, empty, cancelled and late."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from mesh import health
from mesh.errors import Kind, MeshError
from mesh.testing import Harness
from ovr.alpr.v1 import event_pb2, query_pb2
from services.query import app, core
from services.query.settings import QuerySettings
from storage import embedded
from storage.events.port import CameraStatus, NodeStatus
from storage.log.codec import encode_event
from storage.log.port import PLATE_EVENTS, NewRecord
from tests.builders.events import START, event, event_id, picture
from tests.builders.published import read_to_end
from wire.event import event_from_wire, timestamp_to_wire

QUERY = "ovr.alpr.v1.QueryService"
EVENTS = [event(text, at=START + timedelta(minutes=i)) for i, text in enumerate(["AB12CDE", "AB12CDF", None])]
PICTURE, DATA = picture(b"0123456789" * 100_000)


@pytest.fixture
async def mesh():
    """A mesh with query alone, its stores empty."""
    async with Harness() as harness:
        await harness.run("query", app.main, harness.settings(QuerySettings, heartbeat_seconds=0.3))
        yield harness


@pytest.fixture
async def empty(mesh):
    """Query on empty stores."""
    return mesh.stub(QUERY)


@pytest.fixture
async def stub(mesh):
    """Query on stores with three events, a camera's report and a picture."""
    events, search = await embedded.open_events(mesh.home), await embedded.open_search(mesh.home)
    images = await embedded.open_images(mesh.home)
    await events.write(EVENTS)
    await search.index(EVENTS)
    status = CameraStatus("cam-1", "streaming", capture_fps=12.5, frames_dropped={"OLD": 1})
    await events.save_status([NodeStatus("site-1", "node-1", START, (status,))])
    await images.put(PICTURE.key, DATA, PICTURE.media_type)
    for store in (events, search, images):
        await store.close()
    return mesh.stub(QUERY)


async def test_get_gives_the_event(stub):
    """GetEvent gives the whole event, however the id is written."""
    for id in (EVENTS[0].event_id, EVENTS[0].event_id.upper()):
        response = await stub.GetEvent(query_pb2.GetEventRequest(event_id=id))
        assert event_from_wire(response.event) == EVENTS[0]


async def test_what_is_not_there_is_not_found(empty):
    """An unknown event or picture gives NOT_FOUND."""
    calls = [
        empty.GetEvent(query_pb2.GetEventRequest(event_id=event_id())),
        empty.ExplainEvent(query_pb2.ExplainEventRequest(event_id=event_id())),
        empty.GetEvidence(query_pb2.GetEvidenceRequest(key=PICTURE.key)).read(),
    ]
    for call in calls:
        with pytest.raises(MeshError) as caught:
            await call
        assert caught.value.kind is Kind.NOT_FOUND


async def test_list_walks_pages(stub):
    """ListEvents gives events newest first, page by page, within its filter."""
    request = query_pb2.ListEventsRequest(page_size=2)
    first = await stub.ListEvents(request)
    second = await stub.ListEvents(query_pb2.ListEventsRequest(page_size=2, page_token=first.next_page_token))
    found = [event_from_wire(message) for message in (*first.events, *second.events)]
    assert found == EVENTS[::-1]
    assert second.next_page_token == ""
    filter = query_pb2.EventFilter(
        outcomes=[event_pb2.OUTCOME_READ], to=timestamp_to_wire(EVENTS[1].best_seen_at)
    )
    setattr_from(filter, EVENTS[0])
    (only,) = (await stub.ListEvents(query_pb2.ListEventsRequest(filter=filter))).events
    assert event_from_wire(only) == EVENTS[0]


def setattr_from(filter: query_pb2.EventFilter, first) -> None:
    getattr(filter, "from").CopyFrom(timestamp_to_wire(first.best_seen_at))


async def test_search_ranks_the_best_first(stub):
    """SearchEvents gives events with their edits."""
    request = query_pb2.SearchEventsRequest(text="ab12 cde", mode=query_pb2.SEARCH_MODE_ONE_EDIT)
    hits = (await stub.SearchEvents(request)).hits
    assert [(hit.event.plate.text, hit.edits) for hit in hits] == [("AB12CDE", 0), ("AB12CDF", 1)]


async def test_a_hit_that_is_not_stored_yet_is_left_out(mesh, stub):
    """The search index may be ahead of the event store; what cannot be shown is not shown."""
    search = await embedded.open_search(mesh.home)
    await search.index([event("AB12CDG")])
    await search.close()
    request = query_pb2.SearchEventsRequest(text="AB12CD", mode=query_pb2.SEARCH_MODE_PREFIX)
    assert len((await stub.SearchEvents(request)).hits) == 2


async def test_aggregate_names_enumerations_as_the_contract(stub):
    """Aggregate gives counts by bucket and groups."""
    request = query_pb2.AggregateRequest(
        bucket=query_pb2.BUCKET_HOUR,
        group_by=[query_pb2.GROUP_BY_OUTCOME, query_pb2.GROUP_BY_VEHICLE, query_pb2.GROUP_BY_CAMERA],
    )
    response = await stub.Aggregate(request)
    rows = [(list(row.group), row.events, row.mean_confidence) for row in response.rows]
    assert rows == [
        (["OUTCOME_READ", "OBJECT_CLASS_CAR", "cam-1"], 2, 0.875),
        (["OUTCOME_NO_PLATE", "OBJECT_CLASS_CAR", "cam-1"], 1, 0),
    ]
    assert response.rows[0].bucket_start.ToDatetime() == START.replace(tzinfo=None)
    assert not response.truncated


async def test_evidence_comes_whole_in_parts(stub):
    """GetEvidence says type and size first; the parts together are the picture."""
    parts = [part async for part in stub.GetEvidence(query_pb2.GetEvidenceRequest(key=PICTURE.key))]
    assert (parts[0].media_type, parts[0].size) == ("image/jpeg", len(DATA))
    assert len(parts) > 1
    assert b"".join(part.chunk for part in parts) == DATA


async def test_evidence_comes_in_bytes_where_there_are_no_links(stub):
    """A store that gives no links answers with the picture."""
    request = query_pb2.GetEvidenceRequest(key=PICTURE.key, link_seconds=60)
    parts = [part async for part in stub.GetEvidence(request)]
    assert b"".join(part.chunk for part in parts) == DATA
    assert not any(part.link for part in parts)


async def test_explain_speaks_of_each_character(stub):
    """ExplainEvent has a summary and an explanation of every character; an event without a plate a summary
    only."""
    response = await stub.ExplainEvent(query_pb2.ExplainEventRequest(event_id=EVENTS[0].event_id))
    assert [item.char for item in response.characters] == list("AB12CDE")
    assert all(item.reason and item.posterior.alternatives for item in response.characters)
    assert response.summary
    response = await stub.ExplainEvent(query_pb2.ExplainEventRequest(event_id=EVENTS[2].event_id))
    assert response.summary
    assert not response.characters


async def test_cameras_have_their_newest_state(stub):
    """ListCameras joins reports and events."""
    (camera,) = (await stub.ListCameras(query_pb2.ListCamerasRequest())).cameras
    assert (camera.camera_id, camera.events, camera.status.state) == ("cam-1", 3, "streaming")
    assert camera.status.frames_dropped == {"OLD": 1}


async def test_every_rpc_answers_on_empty_stores(empty):
    """Before anything happened lists, counts and searches are empty, not errors."""
    assert not (await empty.ListEvents(query_pb2.ListEventsRequest())).events
    search = query_pb2.SearchEventsRequest(text="A", mode=query_pb2.SEARCH_MODE_EXACT)
    assert not (await empty.SearchEvents(search)).hits
    assert not (await empty.Aggregate(query_pb2.AggregateRequest())).rows
    assert not (await empty.ListCameras(query_pb2.ListCamerasRequest())).cameras


REQUESTS = [
    ("GetEvent", query_pb2.GetEventRequest()),
    ("GetEvent", query_pb2.GetEventRequest(event_id="no uuid")),
    ("ListEvents", query_pb2.ListEventsRequest(page_size=1001)),
    ("ListEvents", query_pb2.ListEventsRequest(page_token="nonsense")),
    ("ListCameras", query_pb2.ListCamerasRequest(page_token="nonsense")),
    ("SearchEvents", query_pb2.SearchEventsRequest()),
    ("SearchEvents", query_pb2.SearchEventsRequest(text="--", mode=query_pb2.SEARCH_MODE_EXACT)),
    (
        "SearchEvents",
        query_pb2.SearchEventsRequest(text="A", mode=query_pb2.SEARCH_MODE_EXACT, page_token="x"),
    ),
    ("Aggregate", query_pb2.AggregateRequest(group_by=[query_pb2.GROUP_BY_PLATE] * 2)),
    ("ExplainEvent", query_pb2.ExplainEventRequest()),
]


@pytest.mark.parametrize(("rpc", "request_"), REQUESTS)
async def test_a_bad_request_names_the_field(empty, rpc, request_):
    """What breaks the contract gives INVALID_ARGUMENT with the field."""
    with pytest.raises(MeshError) as caught:
        await getattr(empty, rpc)(request_)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.fields


async def test_bad_streams_are_refused(empty):
    """A bad evidence key or cursor gives INVALID_ARGUMENT."""
    for stream in (
        empty.GetEvidence(query_pb2.GetEvidenceRequest(key="../../etc/passwd")),
        empty.WatchEvents(query_pb2.WatchEventsRequest(cursor="nonsense")),
    ):
        with pytest.raises(MeshError) as caught:
            await stream.read()
        assert caught.value.kind is Kind.INVALID


UNARY = [
    ("GetEvent", query_pb2.GetEventRequest(event_id=EVENTS[0].event_id)),
    ("ListEvents", query_pb2.ListEventsRequest()),
    ("SearchEvents", query_pb2.SearchEventsRequest(text="A", mode=query_pb2.SEARCH_MODE_PREFIX)),
    ("Aggregate", query_pb2.AggregateRequest()),
    ("ExplainEvent", query_pb2.ExplainEventRequest(event_id=EVENTS[0].event_id)),
    ("ListCameras", query_pb2.ListCamerasRequest()),
]


@pytest.mark.parametrize(("rpc", "request_"), UNARY)
async def test_a_late_call_is_refused(stub, rpc, request_):
    """A call whose deadline has passed gives DEADLINE_EXCEEDED."""
    with pytest.raises(MeshError) as caught:
        await getattr(stub, rpc)(request_, timeout=0)
    assert caught.value.kind is Kind.DEADLINE


@pytest.mark.parametrize(("rpc", "request_"), UNARY)
async def test_a_cancelled_call_leaves_the_service_well(stub, rpc, request_):
    """Calls that are cancelled at any moment do not disturb the next."""
    for pause in (0, 0.001, 0.002):
        call = asyncio.create_task(getattr(stub, rpc)(request_))
        await asyncio.sleep(pause)
        call.cancel()
        await asyncio.wait([call])
    await getattr(stub, rpc)(request_)


async def test_a_late_stream_ends(stub):
    """A watch past its deadline ends with DEADLINE_EXCEEDED."""
    with pytest.raises(MeshError) as caught:
        async for _ in stub.WatchEvents(query_pb2.WatchEventsRequest(), timeout=0.5):
            pass
    assert caught.value.kind is Kind.DEADLINE


async def append(mesh: Harness, *events) -> None:
    log = await embedded.open_log(mesh.home)
    await log.append(PLATE_EVENTS, [encode_event(one, "") for one in events])
    await log.close()


async def next_event(stream) -> query_pb2.WatchEventsResponse:
    while True:
        response = await asyncio.wait_for(stream.read(), 5)
        if response.HasField("event"):
            return response


async def test_a_watch_begins_with_a_cursor_and_sends_what_comes(mesh, empty):
    """The first message is a sign of life; then events come as they are appended, those before do not."""
    await append(mesh, EVENTS[0])
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest())
    first = await stream.read()
    assert not first.HasField("event")
    assert first.cursor
    await append(mesh, EVENTS[1])
    assert (await next_event(stream)).event.event_id == EVENTS[1].event_id
    stream.cancel()


async def test_what_a_watch_sends_can_be_asked_for(mesh, empty, monkeypatch):
    """A watch waits for the event writer for a moment, so that GetEvent knows what it sends; not for ever."""
    events = await embedded.open_events(mesh.home)
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest())
    await stream.read()
    monkeypatch.setattr(core, "_STORE_PATIENCE", timedelta(minutes=1))
    await append(mesh, EVENTS[0])
    reading = asyncio.create_task(next_event(stream))
    await asyncio.sleep(0.3)
    assert not reading.done()
    await events.write([EVENTS[0]])
    response = await asyncio.wait_for(reading, 20)
    monkeypatch.setattr(core, "_STORE_PATIENCE", timedelta(seconds=1))
    assert (await empty.GetEvent(query_pb2.GetEventRequest(event_id=response.event.event_id))).event
    await append(mesh, EVENTS[1])
    assert (await next_event(stream)).event.event_id == EVENTS[1].event_id
    stream.cancel()
    await events.close()


async def test_a_watch_goes_on_behind_its_cursor_without_a_gap(mesh, empty):
    """A watcher that comes again with the cursor of any message misses nothing and gets nothing twice."""
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest())
    cursor = (await stream.read()).cursor
    stream.cancel()
    await append(mesh, *EVENTS)
    found = []
    while len(found) < 3:
        stream = empty.WatchEvents(query_pb2.WatchEventsRequest(cursor=cursor))
        response = await next_event(stream)
        found.append(response.event.event_id)
        cursor = response.cursor
        stream.cancel()
    assert found == [one.event_id for one in EVENTS]


async def test_a_silent_watch_gives_signs_of_life_that_pass_over_what_is_filtered(mesh, empty):
    """While nothing fits the filter the cursor moves on all the same."""
    await append(mesh, *EVENTS)
    filter = query_pb2.EventFilter(camera_ids=["cam-9"])
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest(cursor="0", filter=filter))
    first, second = await stream.read(), await asyncio.wait_for(stream.read(), 5)
    assert not second.HasField("event")
    assert second.cursor != first.cursor
    stream.cancel()


async def test_a_watch_passes_over_what_is_no_event(mesh, empty):
    """A poisoned record on the log does not end a watch."""
    log = await embedded.open_log(mesh.home)
    await log.append(PLATE_EVENTS, [NewRecord(b"k", b"\xff\xff no event")])
    await log.close()
    await append(mesh, EVENTS[0])
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest(cursor="0"))
    assert (await next_event(stream)).event.event_id == EVENTS[0].event_id
    stream.cancel()


async def test_a_cursor_that_is_too_old_is_out_of_range(mesh, empty):
    """When retention has passed the cursor the watcher is told, not silently given a gap."""
    await append(mesh, *EVENTS)
    stream = empty.WatchEvents(query_pb2.WatchEventsRequest(cursor="0"))
    cursor = (await next_event(stream)).cursor
    stream.cancel()
    log = await embedded.open_log(mesh.home)
    await log.trim(PLATE_EVENTS, max_bytes=0)
    await log.close()
    with pytest.raises(MeshError) as caught:
        await empty.WatchEvents(query_pb2.WatchEventsRequest(cursor=cursor)).read()
    assert caught.value.kind is Kind.OUT_OF_RANGE


async def test_a_drain_ends_a_watch(mesh):
    """On SIGTERM a watch ends with UNAVAILABLE, so that the watcher comes again with its cursor."""
    settings = mesh.settings(QuerySettings, listen=f"unix:{mesh.home}/run/second.sock", drain_seconds=0.5)
    running = await mesh.run("second", app.main, settings)
    stream = mesh.stub(QUERY, "second").WatchEvents(query_pb2.WatchEventsRequest())
    await stream.read()
    stopping = asyncio.create_task(running.stop())
    with pytest.raises(MeshError) as caught:
        await read_to_end(stream)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert await stopping == 0


async def test_readiness_asks_the_stores(mesh):
    """When a store cannot be written the service says so."""
    channel = mesh.connect("query")
    assert await health.ask(channel)
    with closing(sqlite3.connect(mesh.home / "events.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(1.1)
        assert not await health.ask(channel, timeout=5)
        assert await health.ask(channel, "liveness")
