"""The SQLite file under the embedded adapters: transactions, cancelling, migrations, noticing changes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from mesh.errors import Kind, MeshError
from mesh.testing import watch_loop
from storage.log.watcher import ChangeWatcher
from storage.sqlite import Database

SCHEMA = ("CREATE TABLE t (n INTEGER PRIMARY KEY)",)
FOR_EVER = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(tmp_path / "data.db", SCHEMA)
    yield opened
    await opened.close()


def insert(number: int):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (number,))


async def numbers(database: Database) -> list[int]:
    rows = await database.read(lambda connection: connection.execute("SELECT n FROM t").fetchall())
    return [number for (number,) in rows]


async def test_a_failed_write_leaves_nothing(database):
    """What a transaction did before it raised is rolled back, and the next one works."""

    def torn(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise MeshError(Kind.INVALID, "TORN", "in the midst")

    with pytest.raises(MeshError, match="midst"):
        await database.write(torn)
    await database.write(insert(2))
    assert await numbers(database) == [2]


async def test_a_cancelled_read_is_interrupted_and_the_next_ones_work(database):
    """Cancelling a query without end frees its connection at once."""
    for _ in range(5):
        reading = asyncio.create_task(database.read(lambda c: c.execute(FOR_EVER).fetchone()))
        await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.wait([reading])
    assert await asyncio.wait_for(numbers(database), 20) == []


async def test_a_cancel_never_hits_the_next_query(database):
    """Interrupts that come late leave other queries alone."""
    for _ in range(200):
        reading = asyncio.create_task(numbers(database))
        await asyncio.sleep(0)
        reading.cancel()
        await numbers(database)


async def test_long_queries_do_not_hold_the_loop(database):
    """The event loop goes on while a reader and the writer are busy."""
    slow = FOR_EVER.replace("FROM c)", "FROM c WHERE n < 3000000)")
    async with watch_loop(0.5):
        await asyncio.gather(
            database.read(lambda c: c.execute(slow).fetchone()),
            database.write(lambda c: c.execute(slow).fetchone()),
        )


async def test_readers_cannot_write(database):
    """A read that writes by mistake fails."""
    with pytest.raises(MeshError):
        await database.read(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
    assert await numbers(database) == []


async def test_migrations_are_whole_or_not_at_all(tmp_path):
    """A migration that fails half-way leaves the schema as it was; afterwards the mended one goes through."""
    path = tmp_path / "data.db"
    await (await Database.open(path, SCHEMA)).close()
    with pytest.raises(MeshError):
        await Database.open(path, (*SCHEMA, "CREATE TABLE u (n); CREATE TABLE t (n)"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [
            ("t",)
        ]
    await (await Database.open(path, (*SCHEMA, "CREATE TABLE u (n); CREATE TABLE v (n)"))).close()


async def test_two_processes_may_open_a_new_file_at_once(tmp_path):
    """The schema is made once, whoever comes first."""
    opened = await asyncio.gather(*(Database.open(tmp_path / "data.db", SCHEMA) for _ in range(4)))
    for database in opened:
        await database.close()


async def test_the_watcher_sees_what_others_commit(database, tmp_path):
    """A wait ends soon after a commit, also one that fell between looking and waiting, and not without
    one."""
    watcher = ChangeWatcher(tmp_path / "data.db")
    await watcher.wait(watcher.version, 0.1)  # the first look counts as a change
    for number in range(3):
        seen = watcher.version
        await database.write(insert(number))
        started = time.monotonic()
        await watcher.wait(seen, 60)
        assert time.monotonic() - started < 10
    seen = watcher.version
    await watcher.wait(seen, 0.2)
    assert watcher.version == seen
    await asyncio.to_thread(watcher.close)


async def test_closing_the_watcher_ends_a_wait(database, tmp_path):
    """Nobody waits on a watcher that is closed."""
    watcher = ChangeWatcher(tmp_path / "data.db")
    waiting = asyncio.create_task(watcher.wait(watcher.version, 0.1))
    await waiting
    waiting = asyncio.create_task(watcher.wait(watcher.version, 30))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(watcher.close)
    await asyncio.wait_for(waiting, 20)
