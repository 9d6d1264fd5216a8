"""The adapters that the contract suites run on. An engine's adapter joins by a line in its table, with the
variables that name the engine; `tests.builders.engines` says when it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from storage.alerts.postgres import PostgresAlertStore
from storage.alerts.sqlite import SqliteAlertStore
from storage.events.postgres import PostgresEventStore
from storage.events.sqlite import SqliteEventStore
from storage.images.directory import DirectoryImageStore
from storage.log.sqlite import SqliteLog
from storage.search.sqlite import SqliteSearchIndex
from tests.builders import kafka, postgres, stores
from tests.builders.engines import Adapter, Open, adapters, embedded, missing

LOGS = [
    Adapter("sqlite", embedded(lambda home: SqliteLog.open(home / "log.db"))),
    Adapter("kafka", kafka.world, kafka.NEEDS),
]
EVENT_STORES = [
    Adapter("sqlite", embedded(lambda home: SqliteEventStore.open(home / "events.db"))),
    Adapter("postgres", postgres.world_of(PostgresEventStore.open), postgres.NEEDS),
]
IMAGE_STORES = [
    Adapter("directory", embedded(lambda home: DirectoryImageStore.open(home / "images"))),
    Adapter("minio", stores.image_world, stores.MINIO),
]
ALERT_STORES = [
    Adapter("sqlite", embedded(lambda home: SqliteAlertStore.open(home / "alerts.db"))),
    Adapter("postgres", postgres.world_of(PostgresAlertStore.open), postgres.NEEDS),
]
SEARCH_INDEXES = [
    Adapter("sqlite", embedded(lambda home: SqliteSearchIndex.open(home / "search.db"))),
    Adapter("opensearch", stores.search_world, stores.OPENSEARCH),
]


@pytest.fixture(scope="session", autouse=True)
def shared_database() -> Iterator[None]:
    """Removes the database that the tests of the process have used."""
    yield
    postgres.drop_shared_database()


async def _opened(adapter: Adapter, home: Path) -> AsyncIterator[Open]:
    if why := missing(adapter.needs):
        pytest.fail(why)
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(adapter.world(home))

        async def open_one() -> Any:
            store = await opener()
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture(params=adapters(LOGS))
async def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same log."""
    async for opened in _opened(request.param, tmp_path):
        yield opened


@pytest.fixture(params=adapters(EVENT_STORES))
async def open_events(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same event store."""
    async for opened in _opened(request.param, tmp_path):
        yield opened


@pytest.fixture(params=adapters(IMAGE_STORES))
async def open_images(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same image store."""
    async for opened in _opened(request.param, tmp_path):
        yield opened


@pytest.fixture(params=adapters(SEARCH_INDEXES))
async def open_search(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same search index."""
    async for opened in _opened(request.param, tmp_path):
        yield opened


@pytest.fixture(params=adapters(ALERT_STORES))
async def open_alerts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same alert store."""
    async for opened in _opened(request.param, tmp_path):
        yield opened
