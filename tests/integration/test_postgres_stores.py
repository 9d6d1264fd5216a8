"""The event and alert stores on a real server: what the contract does not see, and what they do when it is
away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from plates.event import PlateEvent
from services.ingest.sinks import EventSink
from storage.alerts.postgres import PostgresAlertStore
from storage.events.port import EventFilter, EventStore
from storage.events.postgres import PostgresEventStore
from storage.log.codec import encode_event
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ
from storage.log.sqlite import SqliteLog
from tests.builders import postgres
from tests.builders.engines import needs
from tests.builders.events import event
from tests.builders.postgres import execute, fetch_one, settings_of
from tests.builders.relay import Relay

pytestmark = needs(*postgres.NEEDS)

ANY = EventFilter()
NATIVE = "SELECT NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"


@pytest.fixture
async def dsn() -> AsyncIterator[str]:
    """A database with all its tables."""
    async with postgres.database() as address:
        yield address


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[PostgresEventStore]:
    """An event store on it."""
    opened = await PostgresEventStore.open(settings_of(dsn))
    yield opened
    await opened.close()


@pytest.fixture
async def relay(dsn: str) -> AsyncIterator[tuple[Relay, str]]:
    """A wire to the database, and its address at the near end."""
    parts = urlsplit(dsn)
    async with Relay(parts.hostname or "", parts.port or 5432).running() as wire:
        login = parts.netloc.rpartition("@")[0]
        yield wire, urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{wire.port}"))


async def test_what_the_server_refuses_is_invalid(store: PostgresEventStore) -> None:
    """A value that PostgreSQL cannot hold is the event's fault: nothing of the batch is stored, and the
    reason leads to a dead letter, not to another try."""
    for bad in (event(camera="cam\0"), event(id="no id at all")):
        with pytest.raises(MeshError) as caught:
            await store.write([event(), bad])
        assert caught.value.kind is Kind.INVALID
    assert (await store.list_events(ANY, 10)).events == ()


async def test_each_week_has_its_partition_and_odd_times_have_none(
    dsn: str, store: PostgresEventStore
) -> None:
    """Without the extension the writer makes the weeks it needs; an event whose clock is years off is stored
    and found, and makes no table."""
    if not await fetch_one(dsn, NATIVE):
        pytest.skip("chunks are the extension's own business")
    now = datetime.now(timezone.utc)
    events = [event(at=moment) for moment in (now, now - timedelta(days=7), now + timedelta(days=4000))]
    await store.write(events)
    weeks = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^plate_events_[0-9]'"
    assert await fetch_one(dsn, weeks) == 2
    assert await fetch_one(dsn, "SELECT count(*) FROM plate_events_default") == 1
    assert {e.event_id for e in (await store.list_events(ANY, 10)).events} == {e.event_id for e in events}


async def test_a_week_takes_over_what_came_too_early(dsn: str, store: PostgresEventStore) -> None:
    """Events that were kept by default move into their week once it is made."""
    if not await fetch_one(dsn, NATIVE):
        pytest.skip("chunks are the extension's own business")
    early = event(at=datetime.now(timezone.utc))
    await execute(dsn, "CREATE TABLE kept AS SELECT * FROM plate_events")
    await store.write([early])
    week = await fetch_one(dsn, "SELECT tableoid::regclass::text FROM plate_events")
    await execute(
        dsn,
        f"INSERT INTO kept TABLE plate_events; DROP TABLE {week}; INSERT INTO plate_events TABLE kept",
    )
    assert await fetch_one(dsn, "SELECT count(*) FROM plate_events_default") == 1
    other = await PostgresEventStore.open(settings_of(dsn))
    await other.write([event(at=early.best_seen_at)])
    await other.close()
    assert await fetch_one(dsn, "SELECT count(*) FROM plate_events_default") == 0
    assert await store.get(early.event_id) == early


async def test_old_weeks_go_whole_and_the_counts_follow(dsn: str, store: PostgresEventStore) -> None:
    """Retention drops whole weeks, deletes the rest row by row, and takes both off the cameras' counts."""
    now = datetime.now(timezone.utc)
    await store.write([event(at=now - timedelta(days=days), camera=f"cam-{days % 2}") for days in range(60)])
    assert await store.delete_older_than(now - timedelta(days=9.5)) == 50
    assert [camera.events for camera in (await store.list_cameras(10)).cameras] == [5, 5]
    assert await fetch_one(dsn, "SELECT count(*) FROM plate_events") == 10
    assert await store.delete_older_than(now - timedelta(days=9.5)) == 0


async def test_late_events_go_into_compressed_chunks(dsn: str, store: PostgresEventStore) -> None:
    """With the extension, events that come after their time was compressed are stored, found and deleted, and
    those that were there are known."""
    if await fetch_one(dsn, NATIVE):
        pytest.skip("needs TimescaleDB")
    past = datetime.now(timezone.utc) - timedelta(days=60)
    events = [event(at=past + timedelta(days=n % 9), camera=f"cam-{n % 2}") for n in range(40)]
    await store.write(events)
    await execute(dsn, "SELECT compress_chunk(chunk, true) FROM show_chunks('plate_events') AS chunk")
    late = event(at=past + timedelta(days=4))
    assert await store.write([late, *events[:5]]) == 1
    assert await store.get(late.event_id) == late
    assert await store.get(events[7].event_id) == events[7]
    assert await store.delete_older_than(past + timedelta(days=30)) == 41
    assert [camera.events for camera in (await store.list_cameras(10)).cameras] == [0, 0]


async def persist(store: EventStore, events: Sequence[PlateEvent]) -> None:
    """Write as the consumer does: again after whatever can pass."""
    while True:
        try:
            await store.write(events)
            return
        except MeshError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            await asyncio.sleep(0.01)


async def test_writers_and_retention_get_along(dsn: str) -> None:
    """Writers of the same cameras, in any order, and a sweep at the same time lose nothing that is young, and
    the counts are those of the rows."""
    stores = [await PostgresEventStore.open(settings_of(dsn)) for _ in range(4)]
    now = datetime.now(timezone.utc)
    events = [event(at=now - timedelta(days=n % 21), camera=f"cam-{n % 7}") for n in range(420)]

    async def write(mine: EventStore, shift: int) -> None:
        order = events[shift:] + events[:shift]
        for start in range(0, len(order), 60):
            await persist(mine, order[start : start + 60])

    async def sweep() -> None:
        for _ in range(3):
            await stores[3].delete_older_than(now - timedelta(days=14))

    await asyncio.gather(*(write(mine, 97 * n) for n, mine in enumerate(stores[:3])), sweep())
    counted = {camera.camera_id: camera.events for camera in (await stores[0].list_cameras(10)).cameras}
    rows = await fetch_one(dsn, "SELECT count(*) FROM plate_events")
    assert sum(counted.values()) == rows >= 15 * 20
    for opened in stores:
        await opened.close()


async def test_a_store_opens_while_the_server_is_away(relay: tuple[Relay, str]) -> None:
    """A process starts without its database, says that it is not ready, and is as soon as it is back."""
    wire, near = relay
    wire.cut()
    store, alerts = (
        await PostgresEventStore.open(settings_of(near)),
        await PostgresAlertStore.open(settings_of(near)),
    )
    for check in (store.check, alerts.check):
        with pytest.raises(MeshError) as caught:
            await check()
        assert caught.value.kind is Kind.UNAVAILABLE
    wire.mend()
    await store.check()
    await alerts.check()
    await store.close()
    await alerts.close()


async def test_a_server_that_takes_no_writes_is_not_ready(dsn: str) -> None:
    """Alerts are not ready, and writing is UNAVAILABLE, while the server is read-only; reading goes on."""
    await execute(dsn, f"ALTER DATABASE {urlsplit(dsn).path[1:]} SET default_transaction_read_only = on")
    store, alerts = (
        await PostgresEventStore.open(settings_of(dsn)),
        await PostgresAlertStore.open(settings_of(dsn)),
    )
    for attempt in (store.write([event()]), alerts.check()):
        with pytest.raises(MeshError) as caught:
            await attempt
        assert caught.value.kind is Kind.UNAVAILABLE
    assert (await store.list_events(ANY, 10)).events == ()
    await store.close()
    await alerts.close()


async def test_a_silent_server_is_given_up(relay: tuple[Relay, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that keeps the connection and says nothing is UNAVAILABLE within the limit; the store works
    again once it speaks."""
    monkeypatch.setattr("storage.postgres.SILENCE_SECONDS", 1.0)
    wire, near = relay
    store = await PostgresEventStore.open(settings_of(near))
    await store.check()
    wire.hold()
    began = asyncio.get_running_loop().time()
    with pytest.raises(MeshError) as caught:
        await store.check()
    assert caught.value.kind is Kind.UNAVAILABLE
    assert asyncio.get_running_loop().time() - began < 5
    wire.mend()
    await store.check()
    await store.close()


class World:
    """A log with events, and a consumer that writes them to a store."""

    def __init__(self, log: SqliteLog, consumer: Consumer[PlateEvent], store: PostgresEventStore) -> None:
        self.log, self.consumer, self.store = log, consumer, store
        self.sent: list[PlateEvent] = []
        self.began = datetime.now(timezone.utc)

    async def append(self, count: int) -> None:
        """Put so many more on the log."""
        events = [event(at=self.began + timedelta(seconds=len(self.sent) + n)) for n in range(count)]
        await self.log.append(PLATE_EVENTS, [encode_event(e, "") for e in events])
        self.sent += events

    async def stored(self) -> list[PlateEvent]:
        """What the store has, oldest first."""
        return list((await self.store.scan(ANY, 10_000)).events)

    async def until_stored(self, seconds: float) -> None:
        """Wait until the store has all there is on the log."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            with suppress(MeshError):
                if len(await self.stored()) >= len(self.sent):
                    return
            await asyncio.sleep(0.1)
        pytest.fail(f"not all events were stored within {seconds} s")


@pytest.fixture
async def world(relay: tuple[Relay, str], tmp_path: Path) -> AsyncIterator[World]:
    """All of it, over the wire that can be cut."""
    log = await SqliteLog.open(tmp_path / "log.db")
    store = await PostgresEventStore.open(settings_of(relay[1]))
    reader = await log.reader(PLATE_EVENTS, "event-writer")
    consumer = Consumer(
        "event-writer", PLATE_EVENTS, reader, log, EventSink(store), Telemetry("test"), max_batch=16
    )
    yield World(log, consumer, store)
    await reader.close()
    await store.close()
    await log.close()


async def test_outages_lose_nothing_and_double_nothing(world: World, relay: tuple[Relay, str]) -> None:
    """While events arrive the connection is cut again and again, in the middle of batches: in the end each
    event is stored once, none is a dead letter, and the cameras' counts are right."""
    wire, _ = relay
    stop = asyncio.Event()
    running = asyncio.create_task(world.consumer.run(stop))
    for _ in range(6):
        await world.append(60)
        await asyncio.sleep(0.15)
        wire.cut()
        await asyncio.sleep(0.1)
        wire.mend()
    await world.until_stored(60)
    stop.set()
    await running
    assert await world.stored() == world.sent
    assert (await world.store.list_cameras(10)).cameras[0].events == len(world.sent)
    assert await (await world.log.tail(PLATE_EVENTS_DLQ, "0")).poll(10, 0) == []


@pytest.mark.skipif(
    not os.environ.get("OVR_TEST_CONTROL"), reason="needs OVR_TEST_CONTROL, which kills engines"
)
async def test_the_death_of_the_server_loses_nothing(world: World) -> None:
    """The server is killed while events arrive and started again: each is stored once. OVR_TEST_CONTROL is a
    command that takes `kill postgres` and `up postgres`."""

    async def control(verb: str) -> None:
        process = await asyncio.create_subprocess_exec(os.environ["OVR_TEST_CONTROL"], verb, "postgres")
        assert await process.wait() == 0

    stop = asyncio.Event()
    running = asyncio.create_task(world.consumer.run(stop))
    for _ in range(2):
        await world.append(300)
        await asyncio.sleep(0.3)
        await control("kill")
        await world.append(50)
        with pytest.raises(MeshError) as caught:
            await world.store.check()
        assert caught.value.kind is Kind.UNAVAILABLE
        await control("up")
    await world.until_stored(60)
    stop.set()
    await running
    assert await world.stored() == world.sent
    assert (await world.store.list_cameras(10)).cameras[0].events == len(world.sent)
