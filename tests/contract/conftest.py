"""The adapters that the contract suites run on. Another engine's adapter joins by one more opener in its
table.

An opener is an async context manager that gives a function; each call of it opens the same store once more,
as another process would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from storage.alerts.sqlite import SqliteAlertStore
from storage.events.sqlite import SqliteEventStore
from storage.images.directory import DirectoryImageStore
from storage.log.sqlite import SqliteLog
from storage.search.sqlite import SqliteSearchIndex

Open = Callable[[], Awaitable[Any]]

LOGS: dict[str, Callable[[Path], Awaitable[Any]]] = {"sqlite": lambda home: SqliteLog.open(home / "log.db")}
EVENT_STORES = {"sqlite": lambda home: SqliteEventStore.open(home / "events.db")}
IMAGE_STORES = {"directory": lambda home: DirectoryImageStore.open(home / "images")}
ALERT_STORES = {"sqlite": lambda home: SqliteAlertStore.open(home / "alerts.db")}
SEARCH_INDEXES = {"sqlite": lambda home: SqliteSearchIndex.open(home / "search.db")}


async def _opened(opener: Callable[[Path], Awaitable[Any]], home: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_one() -> Any:
            store = await opener(home)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture(params=LOGS)
async def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same log."""
    async for opened in _opened(LOGS[request.param], tmp_path):
        yield opened


@pytest.fixture(params=EVENT_STORES)
async def open_events(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same event store."""
    async for opened in _opened(EVENT_STORES[request.param], tmp_path):
        yield opened


@pytest.fixture(params=IMAGE_STORES)
async def open_images(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same image store."""
    async for opened in _opened(IMAGE_STORES[request.param], tmp_path):
        yield opened


@pytest.fixture(params=SEARCH_INDEXES)
async def open_search(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same search index."""
    async for opened in _opened(SEARCH_INDEXES[request.param], tmp_path):
        yield opened


@pytest.fixture(params=ALERT_STORES)
async def open_alerts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one and the same alert store."""
    async for opened in _opened(ALERT_STORES[request.param], tmp_path):
        yield opened
