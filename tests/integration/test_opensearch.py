"""The search index on a real OpenSearch: what the contract does not see, rebuilds while events arrive, and
what it does when OpenSearch is away."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mesh.errors import Kind, MeshError
from mesh.telemetry import Telemetry
from plates.event import PlateEvent
from services.ingest.sinks import SearchSink
from storage import opening
from storage.events.sqlite import SqliteEventStore
from storage.log.codec import encode_event
from storage.log.consumer import Consumer
from storage.log.port import PLATE_EVENTS, PLATE_EVENTS_DLQ
from storage.log.sqlite import SqliteLog
from storage.search.opensearch.adapter import OpenSearchIndex
from storage.search.opensearch.client import connect
from storage.search.opensearch.documents import bulk, document
from storage.search.opensearch.prepare import prepare
from storage.search.port import SearchMode, SearchQuery
from storage.search.rebuild import Rebuilt, rebuild
from storage.settings import StorageSettings
from tests.builders import stores
from tests.builders.engines import needs
from tests.builders.events import START, event
from tests.builders.relay import Relay

pytestmark = needs(*stores.OPENSEARCH)

ALL = SearchQuery("*P*", SearchMode.WILDCARD)


def passes(count: int, first: int = 0) -> list[PlateEvent]:
    """So many passes over three months."""
    chance = random.Random(first)
    return [
        event(f"P{number:05}", at=START + timedelta(days=chance.uniform(0, 70), seconds=number))
        for number in range(first, first + count)
    ]


async def found(index: OpenSearchIndex) -> list[str]:
    """The ids of all hits, by pages."""
    ids, token = [], ""
    while True:
        page = await index.search(ALL, 500, token)
        ids += [hit.event_id for hit in page.hits]
        token = page.next_page_token
        if not token:
            return ids


@pytest.fixture
async def settings() -> AsyncIterator[StorageSettings]:
    """Settings that name an index of the test's own."""
    async with stores.index() as made:
        yield made


@pytest.fixture
async def index(settings: StorageSettings) -> AsyncIterator[OpenSearchIndex]:
    """That index."""
    opened = await opening.open_search(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A wire to OpenSearch."""
    parts = urlsplit(os.environ[stores.OPENSEARCH[0]])
    async with Relay(parts.hostname or "", parts.port or 9200).running() as wire:
        yield wire


def near(settings: StorageSettings, relay: Relay) -> StorageSettings:
    """The same index over the wire."""
    return settings.model_copy(update={"opensearch": f"http://127.0.0.1:{relay.port}"})


async def test_nothing_is_written_before_the_template_is_there(settings: StorageSettings) -> None:
    """Without its template the index is not ready and makes no month, which would lack the mapping; it says
    what makes the template."""
    bare = settings.model_copy(update={"opensearch_index": f"{settings.opensearch_index}bare"})
    index = await opening.open_search(bare)
    for attempt in (index.check_writable(), index.index([event()])):
        with pytest.raises(MeshError, match="ovr storage init") as caught:
            await attempt
        assert caught.value.kind is Kind.FAILED_PRECONDITION
    assert await found(index) == []
    await index.close()


async def test_a_month_is_an_index_behind_aliases(settings: StorageSettings, index: OpenSearchIndex) -> None:
    """Each month is an index of its own with the template's mapping, written by one alias and read by
    another; preparing again changes nothing."""
    name = settings.opensearch_index
    await index.index([event(at=START), event(at=START + timedelta(days=31))])
    client = connect(settings)
    await prepare(client, name, settings.opensearch_shards)
    months = await client.indices.get(index=f"{name}-*")
    assert set(months) == {f"{name}-2026.03-1", f"{name}-2026.04-1"}
    march = months[f"{name}-2026.03-1"]
    assert set(march["aliases"]) == {name, f"{name}-2026.03"}
    assert march["mappings"]["dynamic"] == "strict"
    assert march["settings"]["index"]["sort"]["field"] == ["best_seen_us", "event_id"]
    await index.delete_older_than(datetime(2026, 4, 1, tzinfo=START.tzinfo))
    assert set(await client.indices.get(index=f"{name}-*")) == {f"{name}-2026.04-1"}
    await client.close()


async def test_a_full_disk_is_told(settings: StorageSettings, index: OpenSearchIndex) -> None:
    """Months that OpenSearch makes read-only, as it does when a disk is full, are not ready to be written and
    do not lose what is; searches go on. Room on the disk mends it."""
    await index.index([first := event("P1")])
    await index.check_writable()
    client, name = connect(settings), f"{settings.opensearch_index}-*"
    await client.indices.put_settings(index=name, body={"index.blocks.read_only_allow_delete": True})
    second = event("P2", at=START + timedelta(seconds=1))
    for attempt in (index.check_writable(), index.index([second])):
        with pytest.raises(MeshError) as caught:
            await attempt
        assert caught.value.kind is Kind.UNAVAILABLE
    await index.check()
    assert await found(index) == [first.event_id]
    await client.indices.put_settings(index=name, body={"index.blocks.read_only_allow_delete": None})
    await client.close()
    await index.index([second])
    await index.check_writable()
    assert await found(index) == [second.event_id, first.event_id]


async def test_what_can_never_be_indexed_is_invalid(index: OpenSearchIndex, log: SqliteLog) -> None:
    """A document that OpenSearch refuses is the event's fault: it goes to the dead letters, those beside it
    are found."""
    async with indexing(index, log) as world:
        bad = event("P9", camera="c" * 40_000)
        await world.append([*passes(5), bad, *passes(5, 10)])
        world.sent.remove(bad)
        await world.until_found(index)
    letters = await log.tail(PLATE_EVENTS_DLQ, "0")
    assert len(await letters.poll(10, 0)) == 1
    await letters.close()


async def test_writers_that_meet_in_a_new_month_agree(settings: StorageSettings) -> None:
    """Several writers that all find a month missing make it once, and nobody's events are lost."""
    writers = [await opening.open_search(settings) for _ in range(4)]
    batches = [passes(20, 100 * n) for n in range(4)]
    await asyncio.gather(*(w.index(batch) for w, batch in zip(writers, batches, strict=True)))
    wanted = {e.event_id for batch in batches for e in batch}
    ids = await found(writers[0])
    assert len(ids) == len(wanted)
    assert set(ids) == wanted
    for writer in writers:
        await writer.close()


class World:
    """A log with events that the search indexer's consumer takes."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.sent: list[PlateEvent] = []

    async def append(self, events: Sequence[PlateEvent]) -> None:
        """Put more on the log."""
        await self.log.append(PLATE_EVENTS, [encode_event(e, "") for e in events])
        self.sent += events

    async def until_found(self, index: OpenSearchIndex, seconds: float = 30) -> None:
        """Wait until searches find all there is on the log, and see each once."""
        deadline = asyncio.get_running_loop().time() + seconds
        ids: list[str] = []
        while len(set(ids)) < len(self.sent) and asyncio.get_running_loop().time() < deadline:
            with suppress(MeshError):
                ids = await found(index)
            await asyncio.sleep(0.1)
        assert len(ids) == len(self.sent)
        assert set(ids) == {e.event_id for e in self.sent}


@asynccontextmanager
async def indexing(index: OpenSearchIndex, log: SqliteLog) -> AsyncIterator[World]:
    """The consumer at work on `index`, until the end."""
    reader = await log.reader(PLATE_EVENTS, "search-indexer")
    sink = SearchSink(index)
    consumer = Consumer("search-indexer", PLATE_EVENTS, reader, log, sink, Telemetry("test"), max_batch=16)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    try:
        yield World(log)
    finally:
        stop.set()
        await running
        await reader.close()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    """A log of the test's own."""
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


@pytest.mark.parametrize("fault", ["cut", "hold"])
async def test_outages_lose_nothing_and_double_nothing(
    settings: StorageSettings, index: OpenSearchIndex, relay: Relay, log: SqliteLog, fault: str
) -> None:
    """While events arrive OpenSearch goes away again and again, in the middle of batches: readiness says so,
    and in the end each event is found once and none is among the dead letters."""
    distant = await opening.open_search(near(settings, relay))
    async with indexing(distant, log) as world:
        for turn in range(3):
            await world.append(passes(60, 1000 * turn))
            await asyncio.sleep(0.1 * turn)
            getattr(relay, fault)()
            with pytest.raises((MeshError, asyncio.TimeoutError)):
                await asyncio.wait_for(distant.check(), 0.5)
            await world.append(passes(20, 1000 * turn + 500))
            await asyncio.sleep(0.5)
            relay.mend()
        await world.until_found(index)
        await distant.check()
    letters = await log.tail(PLATE_EVENTS_DLQ, "0")
    assert await letters.poll(10, 0) == []
    await letters.close()
    await distant.close()


async def test_a_silent_server_is_given_up(settings: StorageSettings, relay: Relay, monkeypatch) -> None:
    """A server that keeps connections and says nothing is UNAVAILABLE within the limit."""
    monkeypatch.setattr("storage.search.opensearch.client.TIMEOUT_SECONDS", 0.5)
    index = await opening.open_search(near(settings, relay))
    await index.check()
    relay.hold()
    for attempt in (index.check(), index.search(ALL, 10)):
        with pytest.raises(MeshError) as caught:
            await asyncio.wait_for(attempt, 5)
        assert caught.value.kind is Kind.UNAVAILABLE
    relay.mend()
    await index.check()
    await index.close()


async def test_a_rebuild_sees_what_searches_did_not_find_yet(
    settings: StorageSettings, index: OpenSearchIndex
) -> None:
    """What a writer put into the old generation last, and did not get to refresh, is left behind like the
    rest: the rebuild looks for it before it drops that generation."""
    await index.index([first := event("P1")])
    client, name = connect(settings), settings.opensearch_index
    await client.indices.put_settings(index=f"{name}-*", body={"index.refresh_interval": "-1"})
    late = event("P2", at=START + timedelta(seconds=1))
    item = document(late)
    assert item is not None
    await client.bulk(body=bulk([(f"{name}-2026.03", item)]))
    await client.close()
    await index.renew()
    assert set(await index.left_behind(10)) == {first.event_id, late.event_id}


async def test_a_rebuild_misses_nothing_while_events_arrive(
    index: OpenSearchIndex, settings: StorageSettings, log: SqliteLog, tmp_path: Path
) -> None:
    """The index is made anew from the event store while the indexer writes and searches go on: at no moment
    is an event that was found before missing, and in the end each is found once. What reached the index
    before the event store is waited for."""
    events = await SqliteEventStore.open(tmp_path / "events.db")
    rebuilder = await opening.open_search(settings)
    async with indexing(index, log) as world:
        await world.append(passes(400))
        await world.until_found(index)
        await events.write(world.sent[:350])  # the event writer is behind
        rebuilding = asyncio.create_task(rebuild(events, rebuilder, patience=20))
        for turn in range(8):
            await world.append(passes(25, 1000 + 100 * turn))
            ids = await found(index)
            assert len(ids) == len(set(ids))
            assert {e.event_id for e in world.sent[:400]} <= set(ids)
            await asyncio.sleep(0.1)
        await events.write(world.sent)
        done = await rebuilding
        assert done.unknown == 0
        assert 350 <= done.events <= len(world.sent)
        await world.until_found(index)
    assert {m.generation for m in await index._indices.months()} == {2}
    await rebuilder.close()
    await events.close()


async def test_a_rebuild_drops_the_unknown_only_when_told(index: OpenSearchIndex, tmp_path: Path) -> None:
    """Events that the event store does not have keep the old index, and go with it when that is asked for;
    the second run goes on where the first one was."""
    events = await SqliteEventStore.open(tmp_path / "events.db")
    known, unknown = passes(30), passes(5, 100)
    await index.index([*known, *unknown])
    await events.write(known)
    assert await rebuild(events, index, patience=0) == Rebuilt(30, 5)
    assert len(await found(index)) == 35
    assert await rebuild(events, index, patience=0, forget=True) == Rebuilt(30, 0)
    assert sorted(await found(index)) == sorted(e.event_id for e in known)
    await events.close()


async def make_late_month(settings: StorageSettings, month: str) -> None:
    """As a writer makes it that saw the months before the first rebuild began, and writes only now."""
    name, client = settings.opensearch_index, connect(settings)
    aliases = {name: {}, f"{name}-{month}": {"is_write_index": True}}
    await client.indices.create(index=f"{name}-{month}-1", body={"aliases": aliases})
    await client.close()


async def test_a_month_made_as_a_rebuild_ends_outlives_it(
    settings: StorageSettings, index: OpenSearchIndex, tmp_path: Path
) -> None:
    """A month of the old generation that came after the rebuild last looked is not dropped with that
    generation; the next rebuild takes it over."""
    events = await SqliteEventStore.open(tmp_path / "events.db")
    await index.index([first := event("P1")])
    await events.write([first])
    await index.renew()
    await index.index([first])
    assert await index.left_behind(10) == []
    await make_late_month(settings, "2026.04")
    await index.index([late := event("P2", at=START + timedelta(days=31))])
    await index.finish_renewal()
    assert await found(index) == [late.event_id, first.event_id]
    await events.write([late])
    assert await rebuild(events, index, patience=0) == Rebuilt(2, 0)
    assert await found(index) == [late.event_id, first.event_id]
    assert {m.generation for m in await index._indices.months()} == {2}
    await events.close()


async def test_a_late_month_of_the_old_generation_moves_too(
    settings: StorageSettings, index: OpenSearchIndex, tmp_path: Path
) -> None:
    """A writer that made a month of the old generation just as the rebuild began loses nothing: the month is
    moved with all that was written to it."""
    events = await SqliteEventStore.open(tmp_path / "events.db")
    await index.index([first := event("P1")])
    await index.renew()
    name, late = settings.opensearch_index, event("P2", at=START + timedelta(days=31))
    await make_late_month(settings, "2026.04")
    await index.index([late])
    await events.write([first, late])
    assert await rebuild(events, index, patience=0) == Rebuilt(2, 0)
    assert await found(index) == [late.event_id, first.event_id]
    assert [m.name for m in await index._indices.months()] == [f"{name}-2026.03-2", f"{name}-2026.04-2"]
    await events.close()
