"""The embedded stores in the data directory: which file is which."""

from __future__ import annotations

from pathlib import Path

from storage.alerts.sqlite import SqliteAlertStore
from storage.events.sqlite import SqliteEventStore
from storage.images.directory import DirectoryImageStore
from storage.log.sqlite import SqliteLog
from storage.search.sqlite import SqliteSearchIndex


async def open_log(home: Path) -> SqliteLog:
    """The log of this data directory."""
    return await SqliteLog.open(home / "log.db")


async def open_events(home: Path) -> SqliteEventStore:
    """The event store of this data directory."""
    return await SqliteEventStore.open(home / "events.db")


async def open_images(home: Path) -> DirectoryImageStore:
    """The image store of this data directory."""
    return await DirectoryImageStore.open(home / "images")


async def open_search(home: Path) -> SqliteSearchIndex:
    """The search index of this data directory."""
    return await SqliteSearchIndex.open(home / "search.db")


async def open_alerts(home: Path) -> SqliteAlertStore:
    """The alert store of this data directory."""
    return await SqliteAlertStore.open(home / "alerts.db")
