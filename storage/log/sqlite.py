"""The embedded log: one SQLite file that several processes append to and read at once.

One partition, 0. Offsets of a topic are dense. Concurrent appends share a commit, and with it the wait for
the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import orjson

from mesh.errors import Kind, MeshError
from storage.log.port import NewRecord, Position, Start
from storage.log.sqlite_readers import SqliteLogReader, SqliteLogTail
from storage.log.watcher import ChangeWatcher
from storage.sqlite import Database

MIGRATIONS = (
    """
    CREATE TABLE log (id TEXT NOT NULL);
    INSERT INTO log (id) VALUES (lower(hex(randomblob(6))));
    CREATE TABLE topics (
        name TEXT PRIMARY KEY,
        first_offset INTEGER NOT NULL DEFAULT 0,
        next_offset INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE records (
        topic TEXT NOT NULL,
        offset INTEGER NOT NULL,
        timestamp_us INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        headers BLOB NOT NULL,
        id TEXT
    );
    CREATE UNIQUE INDEX records_by_offset ON records (topic, offset);
    CREATE UNIQUE INDEX records_by_id ON records (topic, id) WHERE id IS NOT NULL;
    CREATE TABLE groups (
        topic TEXT NOT NULL,
        name TEXT NOT NULL,
        committed INTEGER NOT NULL,
        PRIMARY KEY (topic, name)
    ) WITHOUT ROWID;
    """,
)

_MAX_COMMIT_RECORDS = 1000
_MAX_COMMIT_BYTES = 16 << 20
_TRIM_CHUNK = 500


_Row = tuple[bytes, bytes, bytes, str | None]  # key, value, headers as JSON, id


@dataclass(frozen=True, slots=True)
class _Append:
    topic: str
    rows: tuple[_Row, ...]
    done: asyncio.Future[list[Position]]

    @property
    def size(self) -> int:
        return sum(len(key) + len(value) for key, value, *_ in self.rows)


class SqliteLog:
    """`storage.log.port.Log` on a file."""

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database
        self._changes = ChangeWatcher(path)
        self._waiting: list[_Append] = []
        self._appender: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> SqliteLog:
        """Open or make the log in `path`; its directory is made, too."""
        return cls(path, await Database.open(path, MIGRATIONS, readers=2))

    async def append(self, topic: str, records: Sequence[NewRecord]) -> list[Position]:
        """See the port. What is appended while a commit waits for the disk goes into the next one
        together."""
        if not records:
            return []
        if self._closed:
            raise MeshError(Kind.UNAVAILABLE, "LOG_CLOSED", "the log is closed")
        rows = tuple((r.key, r.value, orjson.dumps(dict(r.headers)), r.id or None) for r in records)
        append = _Append(topic, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        if self._appender is None or self._appender.done():
            self._appender = asyncio.create_task(self._commit_waiting())
        return await append.done

    async def _commit_waiting(self) -> None:
        while batch := self._take():
            try:
                positions = await self._database.write(partial(_insert, batch=batch))
            except MeshError as error:
                for append in batch:
                    if not append.done.done():
                        append.done.set_exception(error.copy())
                continue
            for append, places in zip(batch, positions, strict=True):
                if not append.done.done():
                    append.done.set_result(places)

    def _take(self) -> list[_Append]:
        batch: list[_Append] = []
        count = size = 0
        while self._waiting and count < _MAX_COMMIT_RECORDS and size < _MAX_COMMIT_BYTES:
            append = self._waiting.pop(0)
            if append.done.done():
                continue  # its caller was cancelled before we began
            batch.append(append)
            count += len(append.rows)
            size += append.size
        return batch

    async def reader(self, topic: str, group: str, start: Start = Start.OLDEST) -> SqliteLogReader:
        """See the port. The group is held by a lock on a file beside the log, which ends with its process."""
        reader = SqliteLogReader(self._path, self._database, self._changes, topic, group)
        await reader.join(start)
        return reader

    async def tail(self, topic: str, cursor: str = "") -> SqliteLogTail:
        """See the port."""
        return await SqliteLogTail.open(self._database, self._changes, topic, cursor)

    async def trim(
        self, topic: str, *, max_age: timedelta | None = None, max_bytes: int | None = None
    ) -> int:
        """See the port."""
        before = _now_us() - int(max_age / timedelta(microseconds=1)) if max_age is not None else None
        return await self._database.sweep(lambda c: _trim_chunk(c, topic, before, max_bytes))

    async def check(self) -> None:
        """See the port."""
        await self._database.check()

    async def close(self) -> None:
        """Finish the appends that were begun, then close; readers and tails end, too."""
        self._closed = True
        if self._appender is not None:
            await asyncio.wait([self._appender])
        await asyncio.get_running_loop().run_in_executor(None, self._changes.close)
        await self._database.close()


def _insert(connection: sqlite3.Connection, batch: Sequence[_Append]) -> list[list[Position]]:
    now = _now_us()
    return [_insert_append(connection, append, now) for append in batch]


def _insert_append(connection: sqlite3.Connection, append: _Append, now_us: int) -> list[Position]:
    topic = append.topic
    connection.execute("INSERT OR IGNORE INTO topics (name) VALUES (?)", (topic,))
    (offset,) = connection.execute("SELECT next_offset FROM topics WHERE name = ?", (topic,)).fetchone()
    positions: list[Position] = []
    size = 0
    for row in append.rows:
        key, value, _, id = row
        known = _offset_of(connection, topic, id) if id is not None else None
        if known is not None:
            positions.append(Position(0, known, new=False))
            continue
        connection.execute(
            "INSERT INTO records (topic, offset, timestamp_us, key, value, headers, id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (topic, offset, now_us, *row),
        )
        positions.append(Position(0, offset))
        size += len(key) + len(value)
        offset += 1
    connection.execute(
        "UPDATE topics SET next_offset = ?, bytes = bytes + ? WHERE name = ?", (offset, size, topic)
    )
    return positions


def _offset_of(connection: sqlite3.Connection, topic: str, id: str) -> int | None:
    row = connection.execute("SELECT offset FROM records WHERE topic = ? AND id = ?", (topic, id)).fetchone()
    return int(row[0]) if row is not None else None


def _trim_chunk(
    connection: sqlite3.Connection, topic: str, before_us: int | None, max_bytes: int | None
) -> int:
    total = connection.execute("SELECT bytes FROM topics WHERE name = ?", (topic,)).fetchone()
    excess = total[0] - max_bytes if total is not None and max_bytes is not None else 0
    oldest = connection.execute(
        "SELECT offset, timestamp_us, length(key) + length(value) FROM records"
        " WHERE topic = ? ORDER BY offset LIMIT ?",
        (topic, _TRIM_CHUNK),
    ).fetchall()
    removed = freed = 0
    for _, timestamp_us, size in oldest:
        if freed >= excess and (before_us is None or timestamp_us >= before_us):
            break
        removed += 1
        freed += size
    if removed:
        first = oldest[removed - 1][0] + 1
        connection.execute("DELETE FROM records WHERE topic = ? AND offset < ?", (topic, first))
        connection.execute(
            "UPDATE topics SET first_offset = ?, bytes = bytes - ? WHERE name = ?", (first, freed, topic)
        )
    return removed


def _now_us() -> int:
    return time.time_ns() // 1000
