"""Reading the embedded log: members of consumer groups, and tails by cursor."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import orjson

from mesh.errors import Kind, MeshError
from storage.log.port import Record, Start, TailRecord
from storage.log.watcher import ChangeWatcher
from storage.sqlite import Database

_STANDBY_SECONDS = 0.25
_CURSOR = re.compile(r"([0-9a-f]{12})-([0-9]{1,18})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _Bounds(NamedTuple):
    log_id: str
    first: int
    end: int


class SqliteLogReader:
    """`storage.log.port.LogReader`: holds the topic for its group while it holds a lock on a file beside the
    log."""

    def __init__(
        self, log_path: Path, database: Database, changes: ChangeWatcher, topic: str, group: str
    ) -> None:
        self._database = database
        self._changes = changes
        self._topic = topic
        self._group = group
        self._lock = _FileLock(log_path.with_name(f"{log_path.stem}.{topic}.{group}.lock"))
        self._next: int | None = None
        self._skipped = 0

    async def join(self, start: Start) -> None:
        """Make the group known, beginning at `start` if it never was."""

        def work(connection: sqlite3.Connection) -> None:
            bounds = _bounds(connection, self._topic)
            begin = bounds.first if start is Start.OLDEST else bounds.end
            connection.execute(
                "INSERT OR IGNORE INTO groups (topic, name, committed) VALUES (?, ?, ?)",
                (self._topic, self._group, begin),
            )

        await self._database.write(work)

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See the port."""

        async def attempt() -> list[Record]:
            return await self._fetch(max_records)

        return await _poll(self._changes, attempt, timeout, lambda: self._lock.held)

    async def _fetch(self, max_records: int) -> list[Record]:
        if not self._lock.acquire():
            return []
        if self._next is None:
            self._next = await self._committed()
        after = self._next
        bounds, records = await self._database.read(lambda c: _fetch(c, self._topic, after, max_records))
        if bounds.first > after:
            self._skipped += bounds.first - after
        self._next = records[-1].offset + 1 if records else max(after, bounds.first)
        return records

    async def commit(self, records: Sequence[Record]) -> None:
        """See the port. A commit lost to a power failure only means that records are handed out again."""
        if not records:
            return
        if not self._lock.held:
            raise MeshError(
                Kind.FAILED_PRECONDITION, "PARTITION_LOST", f"{self._group} does not hold {self._topic}/0"
            )
        committed = max(record.offset for record in records) + 1
        await self._database.write(
            lambda c: c.execute(
                "UPDATE groups SET committed = max(committed, ?) WHERE topic = ? AND name = ?",
                (committed, self._topic, self._group),
            ),
            durable=False,
        )

    async def rewind(self) -> None:
        """See the port."""
        self._next = None

    async def lag(self) -> int:
        """See the port. What retention removed does not count."""
        committed = await self._committed()
        bounds = await self._database.read(lambda c: _bounds(c, self._topic))
        return bounds.end - max(committed, bounds.first)

    def skipped(self) -> int:
        """See the port."""
        return self._skipped

    async def close(self) -> None:
        """See the port."""
        self._lock.release()

    async def _committed(self) -> int:
        row = await self._database.read(
            lambda c: c.execute(
                "SELECT committed FROM groups WHERE topic = ? AND name = ?", (self._topic, self._group)
            ).fetchone()
        )
        return int(row[0])


class SqliteLogTail:
    """`storage.log.port.LogTail`. Its cursor is "<id of the log>-<next offset>"."""

    def __init__(
        self, database: Database, changes: ChangeWatcher, topic: str, log_id: str, next_offset: int
    ) -> None:
        self._database = database
        self._changes = changes
        self._topic = topic
        self._log_id = log_id
        self._next = next_offset

    @classmethod
    async def open(cls, database: Database, changes: ChangeWatcher, topic: str, cursor: str) -> SqliteLogTail:
        """A tail after `cursor`; errors as in the port."""
        bounds = await database.read(lambda connection: _bounds(connection, topic))
        return cls(database, changes, topic, bounds.log_id, _parse_cursor(cursor, bounds))

    @property
    def cursor(self) -> str:
        """See the port."""
        return f"{self._log_id}-{self._next}"

    async def poll(self, max_records: int, timeout: float) -> list[TailRecord]:
        """See the port."""

        async def attempt() -> list[Record]:
            after = self._next
            bounds, records = await self._database.read(lambda c: _fetch(c, self._topic, after, max_records))
            if bounds.first > after:
                raise _out_of_range("records behind the cursor were removed by retention")
            return records

        records = await _poll(self._changes, attempt, timeout, lambda: True)
        if records:
            self._next = records[-1].offset + 1
        return [TailRecord(record, f"{self._log_id}-{record.offset + 1}") for record in records]

    async def close(self) -> None:
        """See the port; a tail on a file holds nothing."""


async def _poll(
    changes: ChangeWatcher,
    attempt: Callable[[], Awaitable[list[Record]]],
    timeout: float,
    holds: Callable[[], bool],
) -> list[Record]:
    # a member that stands by looks again from time to time: a lock that comes free is no change of the file
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        seen = changes.version
        if records := await attempt():
            return records
        remaining = deadline - loop.time()
        if remaining <= 0:
            return []
        await changes.wait(seen, remaining if holds() else min(remaining, _STANDBY_SECONDS))


def _bounds(connection: sqlite3.Connection, topic: str) -> _Bounds:
    log_id = connection.execute("SELECT id FROM log").fetchone()[0]
    row = connection.execute(
        "SELECT first_offset, next_offset FROM topics WHERE name = ?", (topic,)
    ).fetchone()
    return _Bounds(log_id, *row) if row is not None else _Bounds(log_id, 0, 0)


def _fetch(
    connection: sqlite3.Connection, topic: str, after: int, max_records: int
) -> tuple[_Bounds, list[Record]]:
    rows = connection.execute(
        "SELECT offset, key, value, headers, timestamp_us FROM records"
        " WHERE topic = ? AND offset >= ? ORDER BY offset LIMIT ?",
        (topic, after, max_records),
    )
    records = [
        Record(topic, 0, offset, key, value, orjson.loads(headers), _EPOCH + timedelta(microseconds=stamp))
        for offset, key, value, headers, stamp in rows
    ]
    return _bounds(connection, topic), records


def _parse_cursor(cursor: str, bounds: _Bounds) -> int:
    if not cursor:
        return bounds.end
    if cursor == "0":
        return bounds.first
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise MeshError(Kind.INVALID, "CURSOR_INVALID", f"cursor {cursor!r} is not one of this service")
    log_id, offset = match[1], int(match[2])
    if log_id != bounds.log_id or offset > bounds.end:
        raise _out_of_range("the cursor is of a log that no longer exists")
    if offset < bounds.first:
        raise _out_of_range("records behind the cursor were removed by retention")
    return offset


def _out_of_range(why: str) -> MeshError:
    return MeshError(Kind.OUT_OF_RANGE, "CURSOR_TOO_OLD", f'{why}; start again from "0" or from now on')


class _FileLock:
    """An advisory lock that the kernel gives back when its process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if it is free; whether it is held now. Never blocks."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise MeshError(Kind.UNAVAILABLE, "LOG_UNAVAILABLE", f"{self._path.name}: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
